// Any bytes as a record of the file: it is refused, or read.
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "matrixcore/testing/store_conformance.h"
#include "matrixcore/testing/temporary_directory.h"
#include "your_store/records.h"
#include "your_store/your_store.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const matrixcore::TemporaryDirectory directory;
  const std::string path = directory.File("store");
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      << your::kMagic << your::Frame(bytes);
  const auto store = your::OpenYourStore(path, matrixcore::ConformanceSchema());
  if (store.ok()) (void)(*store)->Commit({});
  return 0;
}
