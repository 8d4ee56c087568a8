// A schema as text: what is frozen of each version.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

// One line a table, column and index:
//
//   version 1
//   table rooms key 1 large_rows
//     column room_nid int64
//     column name text nullable
//     index name unique: name room_nid
//
// Tables in the order of their names; since when they are there is not told.
std::string SchemaText(const Schema& schema);

// A schema made from such a text, and the names that it points to.
struct ParsedSchema {
  Schema schema;
  std::deque<std::string> names;
};
// kInvalidArgument names the line.
Result<ParsedSchema> ParseSchemaText(std::string_view text);

}  // namespace matrixcore
