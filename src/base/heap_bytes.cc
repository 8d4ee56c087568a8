#include "matrixcore/base/heap_bytes.h"

#include <algorithm>

// jemalloc's size of a block for so many bytes; null without jemalloc.
extern "C" __attribute__((weak)) size_t nallocx(size_t size, int flags);

namespace matrixcore {

size_t HeapBlock(size_t size) {
  if (size == 0) return 0;
  if (nallocx != nullptr) return nallocx(size, 0);
  // glibc: a header of 8 bytes, then rounded to 16 bytes, and at least 32.
  return std::max<size_t>(32, (size + 8 + 15) / 16 * 16);
}

}  // namespace matrixcore
