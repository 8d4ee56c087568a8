#include "matrixcore/blob/blob_store.h"

namespace matrixcore {

bool IsBlobKey(std::string_view key) {
  if (key.size() > 240) return false;
  size_t part = 0;  // The length of the part so far.
  for (const char c : key) {
    if (c == '/') {
      if (part == 0) return false;
      part = 0;
      continue;
    }
    const bool allowed = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed || ++part > 128) return false;
  }
  return part > 0;
}

}  // namespace matrixcore
