// Who has a database open, and whether the last who had stopped cleanly.
#pragma once

#include <memory>
#include <string>

#include "matrixcore/base/status.h"

namespace matrixcore::sqlite {

// Exclusive hold of a database file through the lock file beside it, which also
// tells the next holder how this one ended.  Released when destroyed, and by
// the operating system when the process dies.
class FileLock {
 public:
  // Takes hold of `database` ("x.db" through "x.db-lock").  kUnavailable when
  // someone has it (the message tells who) or the lock file cannot be made.
  static Result<std::unique_ptr<FileLock>> Acquire(const std::string& database);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Whether the last holder called MarkStopped.  False when nothing is known.
  bool stopped_cleanly() const { return stopped_cleanly_; }

  // Notes on disk that the database is being changed from now on.
  Status MarkRunning();
  // Notes that it was closed in order.
  Status MarkStopped();

 private:
  FileLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status Write(const std::string& text);

  const std::string path_;
  const int fd_;
  bool stopped_cleanly_ = false;
};

}  // namespace matrixcore::sqlite
