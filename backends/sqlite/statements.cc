#include "sqlite/statements.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace matrixcore::sqlite {
namespace {

size_t SlotOf(Statements::Kind kind, const TableSpec& table, uint32_t number) {
  const size_t deletions = static_cast<size_t>(Statements::Kind::kDelete);
  const size_t columns = deletions + table.key_columns + 1;
  switch (kind) {
    case Statements::Kind::kDelete:
      return deletions + number;
    case Statements::Kind::kAdd:
      return columns + 2 * size_t{number};
    case Statements::Kind::kGetColumn:
      return columns + 2 * size_t{number} + 1;
    default:
      return static_cast<size_t>(kind);
  }
}

std::string SqlOf(Statements::Kind kind, const TableSpec& table,
                  uint32_t number) {
  switch (kind) {
    case Statements::Kind::kInsert:
      return InsertSql(table);
    case Statements::Kind::kPut:
      return PutSql(table);
    case Statements::Kind::kGet:
      return GetSql(table);
    case Statements::Kind::kExists:
      return ExistsSql(table);
    case Statements::Kind::kDelete:
      return DeleteSql(table, number);
    case Statements::Kind::kAdd:
      return AddSql(table, number);
    case Statements::Kind::kGetColumn:
      return GetColumnSql(table, number);
  }
  return "";
}

}  // namespace

Statements::Statements(Connection& connection, const Catalog& catalog)
    : connection_(connection), by_table_(catalog.tables().size()) {}

Result<Statement*> Statements::Find(Kind kind, const Catalog::Table& table,
                                    uint32_t number) {
  const TableSpec& spec = *table.spec;
  std::vector<Statement>& slots = by_table_[table.number];
  if (slots.empty()) {
    const auto columns = static_cast<uint32_t>(spec.columns.size());
    slots.resize(SlotOf(Kind::kAdd, spec, columns));
  }
  Statement& slot = slots[SlotOf(kind, spec, number)];
  if (!slot) {
    MC_ASSIGN_OR_RETURN(slot, connection_.Prepare(SqlOf(kind, spec, number)));
  }
  return &slot;
}

Result<Statement*> Statements::FindScan(const Catalog::Table& table,
                                        const ScanShape& shape) {
  std::unique_ptr<Statement>& slot = scans_[shape];
  if (slot == nullptr) {
    auto prepared = connection_.Prepare(ScanSql(table, shape));
    if (!prepared.ok()) {
      scans_.erase(shape);
      return std::move(prepared).status();
    }
    slot = std::make_unique<Statement>(*std::move(prepared));
  }
  return slot.get();
}

void Statements::Clear() {
  for (auto& slots : by_table_) slots.clear();
  scans_.clear();
}

Result<std::optional<Row>> TableReader::Get(const Catalog::Table& table,
                                            const Row& key) {
  MC_ASSIGN_OR_RETURN(Statement * statement,
                      statements_.Find(Statements::Kind::kGet, table));
  int parameter = 0;
  for (const Cell& cell : key) statement->Bind(++parameter, cell);
  const int code = statement->Step();
  std::optional<Row> found;
  Status status;
  if (code == SQLITE_ROW) {
    status = ReadRow(*statement, *table.spec, {}, found.emplace());
  } else if (code != SQLITE_DONE) {
    status = connection_.Error(code);
  }
  statement->Reset();
  if (!status.ok()) return status;
  return found;
}

Result<std::vector<Row>> TableReader::Scan(const ScanSpec& spec) {
  std::vector<Row> rows;
  if (spec.limit == 0) return rows;
  const Catalog::Table& table = *catalog_.Find(spec.table);
  MC_ASSIGN_OR_RETURN(Statement * statement,
                      statements_.FindScan(table, ShapeOf(table, spec)));
  int parameter = 0;
  for (const Cell& cell : spec.prefix) {
    if (!IsNull(cell)) statement->Bind(++parameter, cell);
  }
  if (spec.from.has_value()) statement->Bind(++parameter, spec.from->value);
  if (spec.to.has_value()) statement->Bind(++parameter, spec.to->value);
  const bool limited = spec.limit <= static_cast<size_t>(INT64_MAX);
  statement->Bind(++parameter, limited ? static_cast<int64_t>(spec.limit) : -1);
  int code = statement->Step();
  Status status;
  for (; code == SQLITE_ROW && status.ok(); code = statement->Step()) {
    status =
        ReadRow(*statement, *table.spec, spec.columns, rows.emplace_back());
  }
  if (status.ok() && code != SQLITE_DONE) status = connection_.Error(code);
  statement->Reset();
  if (!status.ok()) return status;
  return rows;
}

Status TableReader::ReadRow(const Statement& statement, const TableSpec& table,
                            const std::vector<uint32_t>& columns, Row& row) {
  row.resize(columns.empty() ? table.columns.size() : columns.size());
  for (size_t i = 0; i < row.size(); ++i) {
    const ColumnSpec& column =
        table.columns[columns.empty() ? i : size_t{columns[i]}];
    if (!statement.Read(static_cast<int>(i), column, row[i])) {
      return {StatusCode::kDataLoss,
              fmt::format("{}: table {}: column {} holds a value of another "
                          "type; restore the file from a backup",
                          connection_.path(), table.name, column.name)};
    }
  }
  return OkStatus();
}

}  // namespace matrixcore::sqlite
