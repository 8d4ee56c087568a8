// How large the trees of a database are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"
#include "sqlite/connection.h"

namespace matrixcore::sqlite {

// A table or an index, as SQLite names it.
struct Tree {
  std::string name = {};
  std::string table = {};  // The same as `name` for the table itself.
  bool is_index = false;
  // Rows lie in the tree of their key, so that inner pages hold some too.
  bool without_rowid = false;
};

// Those of our own tables and those that SQLite keeps for itself, ordered by
// table and name.
Result<std::vector<Tree>> ListTrees(Connection& connection);

// Whether this SQLite can tell how large a tree is.
bool CanMeasure();

// Reads all pages of a tree.  `on_page` is called with the bytes of each.
Result<SqliteTreeInfo> MeasureTree(
    Connection& connection, const Tree& tree,
    const std::function<void(uint64_t bytes)>& on_page);

}  // namespace matrixcore::sqlite
