#include "matrixcore/store/commit_queue.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace matrixcore {

CommitQueue::CommitQueue(Options options, Apply apply, After after)
    : options_(std::move(options)),
      apply_(std::move(apply)),
      after_(std::move(after)) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(),
                     options_.thread_name.substr(0, 15).c_str());
}

CommitQueue::~CommitQueue() { Close(); }

void CommitQueue::Push(WriteBatch batch, Store::Done done, Status refused) {
  {
    MutexLock lock(mutex_);
    if (!closed_) {
      queue_.push_back({std::move(batch), std::move(done), std::move(refused),
                        CommitInfo{}});
      // Notified under the lock, so that Close and the end of the queue cannot
      // come between.
      if (std::exchange(idle_, false)) wake_.NotifyOne();
      return;
    }
  }
  done(Status(StatusCode::kUnavailable, "the store is closed"));
}

void CommitQueue::Close() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    wake_.NotifyAll();
  }
  MutexLock lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

bool CommitQueue::WaitForOne() {
  MutexLock lock(mutex_);
  while (queue_.empty()) {
    if (closed_) return false;
    idle_ = true;
    wake_.Wait(mutex_);
  }
  idle_ = false;
  return true;
}

bool CommitQueue::Take(std::vector<Item>& group) {
  if (!WaitForOne()) return false;
  // Whoever else is about to push, and waits for this processor, comes first:
  // one commit for many costs less than many.
  std::this_thread::yield();
  MutexLock lock(mutex_);
  if (queue_.size() == 1) {
    group.swap(queue_);
    return true;
  }
  const size_t most = std::min(queue_.size(), options_.max_batches);
  size_t count = 0;
  size_t bytes = 0;
  while (count < most && (count == 0 || bytes < options_.max_bytes)) {
    bytes += queue_[count].batch.ByteSize();
    ++count;
  }
  if (count == queue_.size()) {
    group.swap(queue_);
    return true;
  }
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  group.assign(std::make_move_iterator(queue_.begin()),
               std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return true;
}

void CommitQueue::Run() {
  std::vector<Item> group;
  while (Take(group)) {
    apply_(group);
    for (Item& item : group) {
      if (item.status.ok()) {
        item.done(item.info);
      } else {
        item.done(std::move(item.status));
      }
      // What the callback owns ends with it, not with the whole group.
      item.done = nullptr;
    }
    group.clear();
    if (after_ != nullptr) after_();
  }
}

}  // namespace matrixcore
