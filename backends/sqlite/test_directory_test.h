// A directory for one test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace matrixcore {

// Made in memory where that can be, since no test cuts the power and a disk's
// fsync is slow; else below the directory for temporary files.  Removed with
// all that it holds.
class TestDirectory {
 public:
  TestDirectory() {
    path_ = "/dev/shm/mc_test_XXXXXX";
    if (mkdtemp(path_.data()) != nullptr) return;
    path_ =
        (std::filesystem::temp_directory_path() / "mc_test_XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace matrixcore
