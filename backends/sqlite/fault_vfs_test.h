// A file system that fails when told to, below SQLite.
#pragma once

#include <atomic>
#include <string>

namespace matrixcore {

// While it lives, it is SQLite's default file system: calls go to the real one,
// except those that are told to fail.  One at a time.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The write that comes after `after` more ones, and all that follow, fail
  // with this SQLite code, such as SQLITE_FULL; 0 ends that.
  void FailWrites(int code, int after = 0);
  // The same for the calls that make writes durable.
  void FailSyncs(int code, int after = 0);

  // Copies the file and its log, as the sudden end of this process would leave
  // them: nothing is written meanwhile.
  void CopyAsCrashed(const std::string& from, const std::string& to);

  // How often a call has failed.
  int failures() const;
  // How many writes there were, and calls that make durable, failed ones
  // included.
  int writes() const;
  int syncs() const;
};

}  // namespace matrixcore
