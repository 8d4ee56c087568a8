// A log of any bytes: looking for damage in it neither crashes nor takes long.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "sqlite/log_check.h"
#include "sqlite/test_directory_test.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace matrixcore;
  static const TestDirectory directory;
  const std::string database = directory.File("store.db");
  std::ofstream(database + "-wal", std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data),
             static_cast<std::streamsize>(size));
  const Status status = sqlite::CheckLog(database);
  if (!status.ok() && status.code() != StatusCode::kDataLoss) std::abort();
  return 0;
}
