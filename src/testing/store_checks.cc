#include "testing/store_checks.h"

#include <iterator>
#include <utility>

#include "matrixcore/base/bytes.h"

namespace matrixcore {
namespace conformance {

using enum ColumnType;

const TableSpec kNumbers{
    .name = "numbers",
    .columns = {{"id", kInt64},
                {"amount", kInt64},
                {"label", kText, true},
                {"weight", kInt64, true}},
    .key_columns = 1,
    .indexes = {{"label", {Numbers::kLabel}},
                {"weight", {Numbers::kWeight}, true}},
};

const TableSpec kPairs{
    .name = "pairs",
    .columns = {{"owner", kText},
                {"id", kInt64},
                {"value", kText, true},
                {"data", kBlob, true},
                {"count", kInt64, true}},
    .key_columns = 2,
    .indexes = {{"value", {Pairs::kValue}},
                {"count", {Pairs::kOwner, Pairs::kCount}},
                {"data", {Pairs::kData, Pairs::kOwner}, true}},
};

const TableSpec kDocuments{
    .name = "documents",
    .columns = {{"room", kInt64},
                {"name", kText},
                {"body", kText},
                {"mark", kInt64, true},
                {"tag", kBlob, true}},
    .key_columns = 2,
    .indexes = {{"mark", {Documents::kMark}}, {"tag", {Documents::kTag}, true}},
    .large_rows = true,
};

const TableSpec kLinks{
    .name = "links",
    .columns = {{"source", kBlob}, {"target", kText}},
    .key_columns = 2,
    .indexes = {{"target", {Links::kTarget}}},
};

namespace {

// Long texts are told by their beginning and their length.
std::string Shorten(std::string text) {
  constexpr size_t kMost = 60;
  if (text.size() <= kMost) return text;
  const size_t size = text.size();
  text.resize(kMost);
  return fmt::format("{}... ({} characters)", text, size);
}

std::string Printable(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
  if (text.size() > 80) out += fmt::format(" and so on, {} bytes", text.size());
  return out;
}

Status Fail(const Status& status, std::string_view what, Findings& findings) {
  findings.Add(fmt::format("{}: {}", what, status.ToString()));
  return status;
}

}  // namespace

std::string Describe(const Cell& cell) {
  if (IsNull(cell)) return "null";
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    return fmt::format("{}", *number);
  }
  if (std::holds_alternative<std::string>(cell)) {
    return Printable(CellText(cell));
  }
  return "x" + Printable(CellBlob(cell));
}

std::string Describe(const Row& row) {
  std::string out = "[";
  for (const Cell& cell : row) {
    if (out.size() > 1) out += ", ";
    out += Describe(cell);
  }
  return out + "]";
}

std::string Describe(const std::optional<Row>& row) {
  return row.has_value() ? Describe(*row) : "no row";
}

std::string Describe(const std::vector<Row>& rows) {
  std::string out = fmt::format("{} rows", rows.size());
  for (size_t i = 0; i < rows.size() && i < 8; ++i)
    out += " " + Describe(rows[i]);
  return out;
}

std::string Describe(const ScanSpec& spec) {
  std::string out =
      fmt::format("scan of {}{} prefix {}", spec.table->name,
                  spec.index.has_value()
                      ? "." + std::string(spec.table->indexes[*spec.index].name)
                      : std::string(),
                  Describe(spec.prefix));
  if (spec.from.has_value()) {
    out += fmt::format(" >{} {}", spec.from->inclusive ? "=" : "",
                       Describe(spec.from->value));
  }
  if (spec.to.has_value()) {
    out += fmt::format(" <{} {}", spec.to->inclusive ? "=" : "",
                       Describe(spec.to->value));
  }
  if (spec.descending) out += " descending";
  if (spec.limit != SIZE_MAX) out += fmt::format(" limit {}", spec.limit);
  if (!spec.columns.empty()) {
    out += fmt::format(" columns {}", fmt::join(spec.columns, ","));
  }
  return out;
}

Session::Session(StoreFixture& fixture, Findings& findings,
                 const Schema& schema)
    : fixture_(fixture), findings_(findings) {
  Reopen(schema);
}

void Session::Reopen(const Schema& schema) {
  store_ = nullptr;
  auto opened = fixture_.Open(schema);
  if (opened.ok()) {
    store_ = *std::move(opened);
  } else {
    (void)Fail(opened.status(), "the store cannot be opened", findings_);
  }
}

CommitInfo Session::Commit(WriteBatch batch, std::string_view what) {
  const std::string text = Shorten(batch.ToString());
  const auto result = store_->Commit(std::move(batch));
  if (result.ok()) return *result;
  (void)Fail(result.status(), fmt::format("{}: cannot commit {}", what, text),
             findings_);
  return {};
}

void Session::Refuse(WriteBatch batch, StatusCode code, std::string_view what) {
  const std::string text = Shorten(batch.ToString());
  const auto result = store_->Commit(std::move(batch));
  if (!result.ok() && result.status().code() == code) return;
  findings_.Add(
      fmt::format("{}: {} instead of {} for {}", what,
                  result.ok() ? "success" : result.status().ToString(),
                  StatusCodeName(code), text));
}

std::unique_ptr<Snapshot> Session::TakeSnapshot() {
  auto snapshot = store_->NewSnapshot();
  if (snapshot.ok()) return *std::move(snapshot);
  (void)Fail(snapshot.status(), "no snapshot", findings_);
  return nullptr;
}

std::optional<Row> GetOn(Snapshot& snapshot, const TableSpec& table,
                         const Row& key, Findings& findings) {
  auto row = snapshot.Get(table, key);
  if (row.ok()) return *std::move(row);
  (void)Fail(row.status(), fmt::format("get {} {}", table.name, Describe(key)),
             findings);
  return std::nullopt;
}

std::vector<Row> ScanOn(Snapshot& snapshot, const ScanSpec& spec,
                        Findings& findings) {
  auto rows = snapshot.Scan(spec);
  if (rows.ok()) return *std::move(rows);
  (void)Fail(rows.status(), Describe(spec), findings);
  return {};
}

BatchRow AsBatchRow(const Row& row) {
  BatchRow cells;
  for (const Cell& cell : row) {
    std::visit([&cells](const auto& value) { cells.emplace_back(value); },
               cell);
  }
  return cells;
}

std::optional<Row> Session::Get(const TableSpec& table, const Row& key) {
  const auto snapshot = TakeSnapshot();
  if (snapshot == nullptr) return std::nullopt;
  return GetOn(*snapshot, table, key, findings_);
}

std::vector<Row> Session::Scan(const ScanSpec& spec) {
  const auto snapshot = TakeSnapshot();
  if (snapshot == nullptr) return {};
  return ScanOn(*snapshot, spec, findings_);
}

void Session::ExpectRow(const TableSpec& table, const Row& key,
                        const std::optional<Row>& row, std::string_view what) {
  ExpectEqual(Get(table, key), row, what, findings_);
}

void Session::ExpectRows(const ScanSpec& spec, const std::vector<Row>& rows,
                         std::string_view what) {
  ExpectEqual(Scan(spec), rows, fmt::format("{}: {}", what, Describe(spec)),
              findings_);
}

void Session::ExpectPosition(Position position, std::string_view what) {
  ExpectEqual(store_->LastPosition(), position,
              fmt::format("{}: LastPosition()", what), findings_);
  const auto snapshot = TakeSnapshot();
  if (snapshot == nullptr) return;
  ExpectEqual(snapshot->position(), position,
              fmt::format("{}: position of a snapshot", what), findings_);
}

}  // namespace conformance

const Schema& ConformanceSchema() {
  static const Schema schema{{conformance::kNumbers, conformance::kPairs,
                              conformance::kDocuments, conformance::kLinks},
                             1};
  return schema;
}

std::span<const StoreCheck> StoreChecks() {
  static const std::vector<StoreCheck> checks = [] {
    std::vector<StoreCheck> all;
    for (const auto part :
         {conformance::BasicChecks(), conformance::BatchChecks(),
          conformance::ScanChecks(), conformance::ConcurrencyChecks(),
          conformance::LinearizabilityChecks(), conformance::DurabilityChecks(),
          conformance::MigrationChecks()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return checks;
}

}  // namespace matrixcore
