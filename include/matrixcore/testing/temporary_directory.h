// A directory for one test.
#pragma once

#include <string>

namespace matrixcore {

// Made in memory (/dev/shm) where that can be, since no test cuts the power and
// a disk's fsync is slow; else where the system keeps temporary files.  Removed
// with all that it holds.  The program ends with a message when there can be
// none.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace matrixcore
