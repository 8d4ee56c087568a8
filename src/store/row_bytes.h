// What rows take in memory, for the charges of caches.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

// What a row holds on the heap.
inline size_t HeapBytesOf(const Row& row) {
  size_t bytes = HeapBlock(row.capacity() * sizeof(Cell));
  for (const Cell& cell : row) {
    if (const auto* text = std::get_if<std::string>(&cell)) {
      bytes += HeapBytes(*text);
    } else if (const auto* blob = std::get_if<Blob>(&cell)) {
      bytes += HeapBytes(blob->bytes);
    }
  }
  return bytes;
}

}  // namespace matrixcore
