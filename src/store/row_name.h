// Names of rows and of parts of keys, to look them up by in maps.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "matrixcore/store/table.h"

namespace matrixcore {

void AppendNumber(std::string* out, uint64_t number);

// Different cells append different bytes, none the beginning of the other's.
void AppendCell(std::string* out, const Cell& cell);
void AppendCells(std::string* out, std::span<const Cell> cells);

}  // namespace matrixcore
