// What a damaged or hostile backup says of itself.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "manifest.h"

namespace matrixcore::admin {
namespace {

// A broken promise ends the run, with the input kept.
void Check(bool ok) {
  if (!ok) std::abort();
}

void TryManifest(std::string_view text) {
  const Result<Manifest> manifest = ParseManifest(text);
  if (!manifest.ok()) return;
  // What was understood is written and read the same.
  const Result<Manifest> again = ParseManifest(ManifestText(*manifest));
  Check(again.ok() && *again == *manifest);
}

void TryMediaLine(std::string_view text) {
  const Result<MediaLine> line = ParseMediaLine(text);
  if (!line.ok()) return;
  Check(line->path.starts_with("media/"));
  Check(line->path.find("..") == std::string::npos);
  std::string written = MediaLineText(*line);
  written.pop_back();
  Check(written == text);
}

}  // namespace
}  // namespace matrixcore::admin

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  matrixcore::admin::TryManifest(text);
  matrixcore::admin::TryMediaLine(text);
  return 0;
}
