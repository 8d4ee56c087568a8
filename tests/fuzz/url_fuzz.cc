// Any bytes are a request target or refused; segments and parameters are the
// decoded parts of it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/http/url.h"

namespace mc = matrixcore;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto decoded = mc::PercentDecode(text);
  if (decoded.has_value()) {
    MC_FUZZ_CHECK(mc::PercentDecode(mc::PercentEncode(*decoded)) == decoded);
  }
  const auto target = mc::UrlTarget::Parse(text);
  if (!target.has_value()) return 0;
  std::string path;
  for (const std::string& segment : target->segments()) {
    path += "/" + mc::PercentEncode(segment);
  }
  const auto again = mc::UrlTarget::Parse(path);
  MC_FUZZ_CHECK(again.has_value() && again->segments() == target->segments());
  MC_FUZZ_CHECK(target->Params("via").empty() !=
                target->Param("via").has_value());
  return 0;
}
