#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

constexpr size_t kMaxMessageBytes = 4000;

// The listener of one subscription and the messages that wait for it.
class Mailbox {
 public:
  explicit Mailbox(Bus::Listener listener) : listener_(std::move(listener)) {}

  // Delivers the message, or leaves it to the thread that delivers just now.
  void Deliver(std::string_view message) MC_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      if (delivering_) {
        waiting_.emplace_back(message);
        return;
      }
      delivering_ = true;
      deliverer_ = std::this_thread::get_id();
    }
    listener_.message(message);
    for (std::string next; TakeNext(next);) listener_.message(next);
  }

  // No callback begins any more; waits for one that runs, unless on its thread.
  void Close() MC_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    waiting_.clear();
    while (delivering_ && deliverer_ != std::this_thread::get_id()) {
      idle_.Wait(mutex_);
    }
  }

 private:
  bool TakeNext(std::string& next) MC_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (waiting_.empty()) {
      delivering_ = false;
      idle_.NotifyAll();
      return false;
    }
    next = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }

  const Bus::Listener listener_;
  Mutex mutex_;
  CondVar idle_;
  std::deque<std::string> waiting_ MC_GUARDED_BY(mutex_);
  bool delivering_ MC_GUARDED_BY(mutex_) = false;
  std::thread::id deliverer_ MC_GUARDED_BY(mutex_);
  bool closed_ MC_GUARDED_BY(mutex_) = false;
};

using SharedMailbox = std::shared_ptr<Mailbox>;

// Shared with the subscriptions.
struct Topics {
  Mutex mutex;
  StringMap<std::vector<SharedMailbox>> by_name MC_GUARDED_BY(mutex);
};

class MemorySubscription : public Bus::Subscription {
 public:
  MemorySubscription(std::shared_ptr<Topics> topics, std::string topic,
                     SharedMailbox mailbox)
      : topics_(std::move(topics)),
        topic_(std::move(topic)),
        mailbox_(std::move(mailbox)) {}

  ~MemorySubscription() override {
    {
      MutexLock lock(topics_->mutex);
      const auto found = topics_->by_name.find(topic_);
      std::erase(found->second, mailbox_);
      if (found->second.empty()) topics_->by_name.erase(found);
    }
    mailbox_->Close();
  }

 private:
  const std::shared_ptr<Topics> topics_;
  const std::string topic_;
  const SharedMailbox mailbox_;
};

class MemoryBus : public Bus {
 public:
  Result<std::unique_ptr<Subscription>> Subscribe(std::string_view topic,
                                                  Listener listener) override {
    auto mailbox = std::make_shared<Mailbox>(std::move(listener));
    {
      MutexLock lock(topics_->mutex);
      topics_->by_name[std::string(topic)].push_back(mailbox);
    }
    return std::unique_ptr<Subscription>(std::make_unique<MemorySubscription>(
        topics_, std::string(topic), std::move(mailbox)));
  }

  Status Publish(std::string_view topic, std::string_view message) override {
    if (message.size() > kMaxMessageBytes) {
      return {StatusCode::kTooLarge, "a message may have 4,000 bytes"};
    }
    std::vector<SharedMailbox> mailboxes;
    {
      MutexLock lock(topics_->mutex);
      const auto found = topics_->by_name.find(topic);
      if (found == topics_->by_name.end()) return OkStatus();
      mailboxes = found->second;
    }
    for (const SharedMailbox& mailbox : mailboxes) mailbox->Deliver(message);
    return OkStatus();
  }

 private:
  const std::shared_ptr<Topics> topics_ = std::make_shared<Topics>();
};

}  // namespace

std::unique_ptr<Bus> NewMemoryBus() { return std::make_unique<MemoryBus>(); }

}  // namespace matrixcore
