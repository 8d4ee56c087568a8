#include "matrixcore/testing/temporary_directory.h"

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

namespace matrixcore {

TemporaryDirectory::TemporaryDirectory() {
  std::error_code ignored;
  for (const std::filesystem::path& place :
       {std::filesystem::path("/dev/shm"),
        std::filesystem::temp_directory_path(ignored)}) {
    path_ = (place / "mc_test_XXXXXX").string();
    if (mkdtemp(path_.data()) != nullptr) return;
  }
  std::fprintf(stderr, "no temporary directory like %s can be made\n",
               path_.c_str());
  std::abort();
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace matrixcore
