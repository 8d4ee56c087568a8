// What a schema, a batch and a scan must be, checked in one place so that no
// backend has to: for authors of backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// The largest text or blob of one cell; longer ones are kTooLarge.
inline constexpr size_t kMaxCellBytes = size_t{64} << 20;

// Whether a schema can be kept: names are [a-z][a-z0-9_]*, start with neither
// "mc_" nor "sqlite_", and are unique in their table (tables: in the schema);
// keys are not null and not added later; indexes name columns that exist by
// then; every `since` lies in [1, version].  kInvalidArgument names the table.
Status ValidateSchema(const Schema& schema);

// The schema as `version` of it was: without the tables, columns and indexes
// that came later.
Schema EarlierSchema(const Schema& schema, uint32_t version);

// The columns whose order a scan of `index` (nothing: of the key) follows:
// those of the index, then those of the key that it lacks.
std::vector<uint32_t> ScanOrder(const TableSpec& table,
                                std::optional<uint32_t> index);

// What a scan answers of a whole row: its `columns`, or all.
Row Project(const Row& row, const ScanSpec& spec);

// The order of rows: null, then numbers, then text, then blobs (a column holds
// only one of these beside null); text and blobs as unsigned bytes.  Below 0,
// 0, above 0.
int CompareCells(const Cell& a, const Cell& b);

// A schema as a store keeps it: its own copy, look-up by name, and the checks
// of what callers pass in.  Immutable; thread-safe.
class Catalog {
 public:
  struct Table {
    const TableSpec* spec = nullptr;
    uint32_t number = 0;  // Its position in tables().
    // ScanOrder of the key, then of each index.
    std::vector<std::vector<uint32_t>> orders;
    bool has_unique_index = false;
  };

  // `schema` has passed ValidateSchema.  The texts that it points to must
  // outlive the catalog (they are usually literals).
  explicit Catalog(const Schema& schema);
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  const Schema& schema() const { return schema_; }
  const std::vector<Table>& tables() const { return tables_; }

  // The store's own entry for a caller's table, found by its name; null when
  // there is none with that many columns.
  const Table* Find(const TableSpec* table) const;

  // The checks.  kInvalidArgument: an unknown table, the wrong number or type
  // of cells, a null where none may be, a position that the batch did not ask
  // for. kTooLarge: a cell over kMaxCellBytes.
  Status CheckBatch(const WriteBatch& batch) const;
  Status CheckKey(const TableSpec& table, const Row& key) const;
  Status CheckScan(const ScanSpec& spec) const;

 private:
  Schema schema_;
  std::vector<Table> tables_;
  std::map<std::string_view, uint32_t> by_name_;
};

}  // namespace matrixcore
