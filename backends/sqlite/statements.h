// The prepared statements of one connection, made when first needed and kept.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
#include "sqlite/connection.h"
#include "sqlite/sql.h"

namespace matrixcore::sqlite {

// One thread at a time, like its connection.
class Statements {
 public:
  enum class Kind : uint8_t {
    kInsert,
    kPut,
    kGet,
    kExists,
    kDelete,     // By so many key columns.
    kAdd,        // To that column.
    kGetColumn,  // That column.
  };

  Statements(Connection& connection, const Catalog& catalog);

  // The statement, ready to be bound; it stays the cache's.  `number` is what
  // the kind says.
  Result<Statement*> Find(Kind kind, const Catalog::Table& table,
                          uint32_t number = 0);
  Result<Statement*> FindScan(const Catalog::Table& table,
                              const ScanShape& shape);
  // Forgets all of them.
  void Clear();

 private:
  Connection& connection_;
  // For each table: the kinds without a number, then the deletions, then for
  // each column the others.
  std::vector<std::vector<Statement>> by_table_;
  absl::flat_hash_map<ScanShape, std::unique_ptr<Statement>> scans_;
};

// Reads as snapshots do, on a connection inside a read transaction.
class TableReader {
 public:
  TableReader(Connection& connection, const Catalog& catalog)
      : connection_(connection),
        catalog_(catalog),
        statements_(connection, catalog) {}

  // The arguments have passed the catalog's checks.
  Result<std::optional<Row>> Get(const Catalog::Table& table, const Row& key);
  Result<std::vector<Row>> Scan(const ScanSpec& spec);

 private:
  // The statement's current row, of `columns` (empty: all); kDataLoss when it
  // does not fit the table.
  Status ReadRow(const Statement& statement, const TableSpec& table,
                 const std::vector<uint32_t>& columns, Row& row);

  Connection& connection_;
  const Catalog& catalog_;
  Statements statements_;
};

}  // namespace matrixcore::sqlite
