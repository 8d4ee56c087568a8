#include "sqlite/checkpointer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace matrixcore::sqlite {
namespace {

// Writers wait for readers from this multiple of the limit on ...
constexpr int kHardFactor = 3;
// ... so long.
constexpr Duration kWaitForReaders = milliseconds(100);

}  // namespace

Checkpointer::Checkpointer(Connection& writer,
                           std::unique_ptr<Connection> background,
                           size_t limit_bytes, Logger* logger)
    : writer_(writer), background_(std::move(background)), logger_(logger) {
  const Result<int64_t> page = writer_.QueryInt("PRAGMA page_size");
  const size_t page_bytes =
      page.ok() && *page > 0 ? static_cast<size_t>(*page) : 4096;
  limit_pages_ = static_cast<int>(
      std::clamp<size_t>(limit_bytes / page_bytes, 16, 1 << 24));
  wait_pages_ = kHardFactor * limit_pages_;
  sqlite3_wal_hook(
      writer_.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Checkpointer*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "mc-checkpoint");
}

Checkpointer::~Checkpointer() { Close(); }

void Checkpointer::Close() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    wake_.NotifyOne();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  sqlite3_wal_hook(writer_.handle(), nullptr, nullptr);
}

void Checkpointer::AfterCommit() {
  if (log_pages_ < requested_pages_) {
    // The log has started again.
    requested_pages_ = 0;
    wait_pages_ = kHardFactor * limit_pages_;
  }
  if (log_pages_ < limit_pages_) return;
  {
    MutexLock lock(mutex_);
    while (state_ == State::kRequested || state_ == State::kRunning) {
      if (log_pages_ < 2 * kHardFactor * limit_pages_) return;
      done_.Wait(mutex_);
    }
    if (state_ == State::kIdle) {
      // Long reads stop passes short: a new one has a point only once the log
      // has grown again.
      if (log_pages_ - requested_pages_ < limit_pages_ / 2) return;
      requested_pages_ = log_pages_;
      state_ = State::kRequested;
      wake_.NotifyOne();
      return;
    }
    state_ = State::kIdle;
  }
  const bool wait = log_pages_ >= wait_pages_;
  if (wait) writer_.SetBusyTimeout(kWaitForReaders);
  const int code = sqlite3_wal_checkpoint_v2(
      writer_.handle(), nullptr,
      wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, nullptr,
      nullptr);
  if (wait) {
    writer_.RestoreBusyTimeout();
    if ((code & 0xff) == SQLITE_BUSY) wait_pages_ = log_pages_ + log_pages_ / 2;
  }
  NoteFailure(writer_, code);
}

void Checkpointer::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (!closed_ && state_ != State::kRequested) wake_.Wait(mutex_);
      if (closed_) return;
      state_ = State::kRunning;
    }
    const int code =
        sqlite3_wal_checkpoint_v2(background_->handle(), nullptr,
                                  SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    NoteFailure(*background_, code);
    MutexLock lock(mutex_);
    state_ = State::kDone;
    done_.NotifyOne();
  }
}

// What failed stays in the log and is tried again later; commits go on.
void Checkpointer::NoteFailure(const Connection& connection, int code) {
  if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || logger_ == nullptr) {
    return;
  }
  logger_->Error("sqlite", "the log could not be moved into the file",
                 {{"error", connection.Error(code).message()}});
}

}  // namespace matrixcore::sqlite
