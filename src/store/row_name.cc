#include "store/row_name.h"

#include <cstring>
#include <string_view>
#include <variant>

namespace matrixcore {

void AppendNumber(std::string* out, uint64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out->append(bytes, sizeof number);
}

void AppendCell(std::string* out, const Cell& cell) {
  out->push_back(static_cast<char>(cell.index()));
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    AppendNumber(out, static_cast<uint64_t>(*number));
  } else if (!IsNull(cell)) {
    const std::string_view bytes =
        std::holds_alternative<Blob>(cell) ? CellBlob(cell) : CellText(cell);
    AppendNumber(out, bytes.size());
    out->append(bytes);
  }
}

void AppendCells(std::string* out, std::span<const Cell> cells) {
  for (const Cell& cell : cells) AppendCell(out, cell);
}

}  // namespace matrixcore
