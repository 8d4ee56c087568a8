// What the tests of the SQLite backend store.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Entries by number, and what each writer has counted.
inline const Schema& TestSchema() {
  static const Schema schema{{{.name = "entries",
                               .columns = {{"number", ColumnType::kInt64},
                                           {"writer", ColumnType::kInt64},
                                           {"body", ColumnType::kText}},
                               .indexes = {{"writer", {1}}}},
                              {.name = "counters",
                               .columns = {{"writer", ColumnType::kInt64},
                                           {"count", ColumnType::kInt64}}}},
                             1};
  return schema;
}
inline const TableSpec& Entries() { return TestSchema().tables[0]; }
inline const TableSpec& Counters() { return TestSchema().tables[1]; }

inline WriteBatch PutEntry(int64_t number, std::string body = "body") {
  WriteBatch batch;
  batch.NewPosition();
  batch.PutRow(Entries(), {number, int64_t{0}, std::move(body)});
  return batch;
}

inline size_t CountEntries(Store& store) {
  auto snapshot = store.NewSnapshot();
  if (!snapshot.ok()) return 0;
  const auto rows = (*snapshot)->Scan({.table = &Entries()});
  return rows.ok() ? rows->size() : 0;
}

}  // namespace matrixcore
