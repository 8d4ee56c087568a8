// Keeps a row in a store of its own tables, in the file that it is given, and
// reads it back.

#include "matrixcore/store/store.h"

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/table.h"
#include "matrixcore/store/write_batch.h"

namespace mc = matrixcore;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  mc::Schema schema;
  mc::TableSpec notes;
  notes.name = "notes";
  notes.columns = {{"id", mc::ColumnType::kInt64},
                   {"text", mc::ColumnType::kText}};
  schema.tables.push_back(std::move(notes));
  const auto opened = mc::OpenSqliteStore(argv[1], schema);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    return 1;
  }
  mc::Store* store = opened->get();
  const mc::TableSpec& table = *schema.Find("notes");

  mc::WriteBatch batch;
  batch.PutRow(table, {int64_t{1}, "hello"});
  if (const auto commit = store->Commit(std::move(batch)); !commit.ok()) {
    std::fprintf(stderr, "%s\n", commit.status().ToString().c_str());
    return 1;
  }
  const auto snapshot = store->NewSnapshot();
  if (!snapshot.ok()) return 1;
  const auto row = (*snapshot)->Get(table, {int64_t{1}});
  if (!row.ok() || !row->has_value()) return 1;
  std::puts(std::string(mc::CellText((**row)[1])).c_str());
  return 0;
}
