// Moves the log's contents into the database file, beside the writer.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>

#include "matrixcore/base/log.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "sqlite/connection.h"

namespace matrixcore::sqlite {

// Keeps the log (FILE-wal) short without holding up the writer.
//
// A pass of the background thread copies most of the log while the writer goes
// on appending.  When the pass is over, the writer copies the little that was
// appended meanwhile; then all of the log is in the file, and SQLite starts it
// again from its beginning.  Reads that overlap all the time may prevent that:
// at three times the limit the writer waits a moment for readers to move on,
// and if one does not, again when the log has grown by half.  A pass that is
// slower than the writer is waited for at six times the limit.
//
// AfterCommit belongs to the writer's thread.
class Checkpointer {
 public:
  // `writer` must outlive it.  `background` is for the thread alone.  `logger`
  // may be null.
  Checkpointer(Connection& writer, std::unique_ptr<Connection> background,
               size_t limit_bytes, Logger* logger);
  ~Checkpointer();  // As Close.
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // Between two transactions: does what has to be done.  Cheap when nothing
  // has.
  void AfterCommit();

  void Close();

 private:
  enum class State { kIdle, kRequested, kRunning, kDone };

  void Run();
  void NoteFailure(const Connection& connection, int code);

  Connection& writer_;
  const std::unique_ptr<Connection> background_;
  Logger* const logger_;
  int limit_pages_ = 0;
  int log_pages_ = 0;        // Of the writer's thread.
  int requested_pages_ = 0;  // log_pages_ at the newest request.
  int wait_pages_ = 0;       // From here on the writer waits for readers.

  Mutex mutex_;
  CondVar wake_;
  CondVar done_;
  State state_ MC_GUARDED_BY(mutex_) = State::kIdle;
  bool closed_ MC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace matrixcore::sqlite
