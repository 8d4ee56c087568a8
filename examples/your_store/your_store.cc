#include "your_store/your_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <span>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/store/commit_queue.h"
#include "your_store/records.h"

namespace your {
namespace {

using matrixcore::BatchCell;
using matrixcore::BatchRow;
using matrixcore::Blob;
using matrixcore::Catalog;
using matrixcore::Cell;
using matrixcore::CellInt;
using matrixcore::ColumnSpec;
using matrixcore::ColumnType;
using matrixcore::CommitInfo;
using matrixcore::CommitQueue;
using matrixcore::CompareCells;
using matrixcore::IndexSpec;
using matrixcore::IsNull;
using matrixcore::Mutex;
using matrixcore::MutexLock;
using matrixcore::OkStatus;
using matrixcore::Position;
using matrixcore::PositionRef;
using matrixcore::Result;
using matrixcore::Row;
using matrixcore::ScanSpec;
using matrixcore::Schema;
using matrixcore::Snapshot;
using matrixcore::Status;
using matrixcore::StatusCode;
using matrixcore::Store;
using matrixcore::TableSpec;
using matrixcore::ValidateSchema;
using matrixcore::WriteBatch;

struct RowLess {
  bool operator()(const Row& a, const Row& b) const {
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      const int side = CompareCells(a[i], b[i]);
      if (side != 0) return side < 0;
    }
    return a.size() < b.size();
  }
};
using Rows = std::map<Row, Row, RowLess>;  // By key.

// Every table, by its number in the catalog, at one position.
struct State {
  std::vector<std::shared_ptr<const Rows>> tables;
  Position position = 0;
};

Row Cells(const Row& row, const std::vector<uint32_t>& columns) {
  Row cells;
  for (const uint32_t column : columns) cells.push_back(row[column]);
  return cells;
}

Row KeyOf(const TableSpec& table, const Row& row) {
  return Row(row.begin(), row.begin() + table.key_columns);
}

bool StartsWith(const Row& row, const Row& prefix) {
  return std::equal(prefix.begin(), prefix.end(), row.begin());
}

// Notes for the file that a row was set or, without one, removed: the table and
// the cells, by name.
void NoteChange(Encoder& out, const TableSpec& table, const Row& key,
                const std::optional<Row>& row) {
  const Row& cells = row.has_value() ? *row : key;
  out.Text(table.name);
  out.Number(row.has_value() ? 1 : 0);
  out.Number(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    out.Text(table.columns[i].name);
    out.Cell(cells[i]);
  }
}

// --- Reading ---

class YourSnapshot : public Snapshot {
 public:
  YourSnapshot(const Catalog& catalog, std::shared_ptr<const State> state)
      : catalog_(catalog), state_(std::move(state)) {}

  Position position() const override { return state_->position; }

  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    MC_RETURN_IF_ERROR(catalog_.CheckKey(table, key));
    const Rows& rows = *state_->tables[catalog_.Find(&table)->number];
    const auto found = rows.find(key);
    if (found == rows.end()) return std::optional<Row>();
    return std::optional<Row>(found->second);
  }

  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    std::vector<std::optional<Row>> rows;
    for (const Row& key : keys) {
      MC_ASSIGN_OR_RETURN(auto row, Get(table, key));
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    MC_RETURN_IF_ERROR(catalog_.CheckScan(spec));
    const Catalog::Table& table = *catalog_.Find(spec.table);
    const auto& order = table.orders[spec.index ? *spec.index + 1 : 0];
    std::vector<std::pair<Row, const Row*>> found;  // In the scan's order.
    for (const auto& [key, row] : *state_->tables[table.number]) {
      Row ordered = Cells(row, order);
      if (!StartsWith(ordered, spec.prefix) || !InBounds(ordered, spec)) {
        continue;
      }
      found.emplace_back(std::move(ordered), &row);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return RowLess()(a.first, b.first);
    });
    if (spec.descending) std::reverse(found.begin(), found.end());
    found.resize(std::min(found.size(), spec.limit));
    std::vector<Row> rows;
    for (const auto& [ordered, row] : found) {
      rows.push_back(Project(*row, spec));
    }
    return rows;
  }

 private:
  static bool InBounds(const Row& ordered, const ScanSpec& spec) {
    if (!spec.from && !spec.to) return true;
    const Cell& cell = ordered[spec.prefix.size()];
    if (IsNull(cell)) return false;
    const int from = spec.from ? CompareCells(cell, spec.from->value) : 1;
    const int to = spec.to ? CompareCells(cell, spec.to->value) : -1;
    return (from > 0 || (from == 0 && spec.from->inclusive)) &&
           (to < 0 || (to == 0 && spec.to->inclusive));
  }

  const Catalog& catalog_;
  const std::shared_ptr<const State> state_;
};

// --- Writing ---

// One batch on a copy of the newest state.  What it changes is noted for the
// file.
class Change {
 public:
  Change(const Catalog& catalog, State state)
      : catalog_(catalog), state_(std::move(state)) {}

  const State& state() const { return state_; }
  const std::string& notes() const { return notes_.out; }

  Result<CommitInfo> Apply(const WriteBatch& batch) {
    for (const auto& precondition : batch.preconditions()) {
      if (!std::visit([this](const auto& p) { return Holds(p); },
                      precondition)) {
        return Status(StatusCode::kAborted, "a precondition failed");
      }
    }
    first_ = state_.position + 1;
    for (const auto& operation : batch.operations()) {
      MC_RETURN_IF_ERROR(
          std::visit([this](const auto& op) { return Do(op); }, operation));
    }
    CommitInfo info{state_.position, state_.position + batch.positions()};
    if (batch.positions() > 0) info.first = first_;
    state_.position = info.last;
    return info;
  }

  // Sets a row; no row removes.
  void Set(const Catalog::Table& table, const Row& key,
           std::optional<Row> row) {
    std::shared_ptr<Rows>& own = own_[table.number];
    if (own == nullptr) {  // The state's may be in a snapshot.
      own = std::make_shared<Rows>(*state_.tables[table.number]);
      state_.tables[table.number] = own;
    }
    NoteChange(notes_, *table.spec, key, row);
    if (row.has_value()) {
      (*own)[key] = *std::move(row);
    } else {
      own->erase(key);
    }
  }

 private:
  const Row* Find(const TableSpec* table, const Row& key) const {
    const Rows& rows = *state_.tables[catalog_.Find(table)->number];
    const auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
  }

  bool Holds(const WriteBatch::RowAbsent& p) const {
    return Find(p.table, p.key) == nullptr;
  }
  bool Holds(const WriteBatch::RowPresent& p) const {
    return Find(p.table, p.key) != nullptr;
  }
  bool Holds(const WriteBatch::ColumnEquals& p) const {
    const Row* row = Find(p.table, p.key);
    return row != nullptr && (*row)[p.column] == p.value;
  }

  Row Resolve(const BatchRow& cells) const {
    Row row;
    for (const BatchCell& cell : cells) {
      std::visit(
          [&](const auto& value) {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, PositionRef>) {
              row.emplace_back(first_ + int64_t{value.index});
            } else {
              row.emplace_back(value);
            }
          },
          cell);
    }
    return row;
  }

  Status Write(const TableSpec* spec, Row row) {
    const Catalog::Table& table = *catalog_.Find(spec);
    Row key = KeyOf(*table.spec, row);
    for (const IndexSpec& index : table.spec->indexes) {
      const Row cells = Cells(row, index.columns);
      if (!index.unique || std::any_of(cells.begin(), cells.end(), IsNull)) {
        continue;
      }
      for (const auto& [other_key, other] : *state_.tables[table.number]) {
        if (other_key != key && Cells(other, index.columns) == cells) {
          return {StatusCode::kAborted, "a unique index has the value"};
        }
      }
    }
    Set(table, key, std::move(row));
    return OkStatus();
  }

  Status Do(const WriteBatch::Put& op) {
    return Write(op.table, Resolve(op.row));
  }
  Status Do(const WriteBatch::Insert& op) {
    Row row = Resolve(op.row);
    if (Find(op.table, KeyOf(*op.table, row)) != nullptr) {
      return {StatusCode::kAborted, "the row exists"};
    }
    return Write(op.table, std::move(row));
  }
  Status Do(const WriteBatch::Delete& op) {
    Set(*catalog_.Find(op.table), Resolve(op.key), std::nullopt);
    return OkStatus();
  }
  Status Do(const WriteBatch::DeletePrefix& op) {
    const Catalog::Table& table = *catalog_.Find(op.table);
    const Row prefix = Resolve(op.prefix);
    const std::shared_ptr<const Rows> rows = state_.tables[table.number];
    std::vector<Row> keys;
    for (const auto& [key, row] : *rows) {
      if (StartsWith(key, prefix)) keys.push_back(key);
    }
    for (const Row& key : keys) Set(table, key, std::nullopt);
    return OkStatus();
  }
  Status Do(const WriteBatch::Add& op) {
    const Row* found = Find(op.table, Resolve(op.key));
    if (found == nullptr) return OkStatus();
    Row row = *found;
    int64_t sum = 0;
    if (__builtin_add_overflow(CellInt(row[op.column]), op.amount, &sum)) {
      return {StatusCode::kFailedPrecondition, "the sum does not fit"};
    }
    row[op.column] = sum;
    return Write(op.table, std::move(row));
  }

  const Catalog& catalog_;
  State state_;
  std::map<uint32_t, std::shared_ptr<Rows>> own_;
  Encoder notes_;
  Position first_ = 0;
};

// --- The file ---

Status Failed(const std::string& path, std::string_view what) {
  const int error = errno;
  return {StatusCode::kUnavailable, path + ": cannot " + std::string(what) +
                                        ": " +
                                        std::generic_category().message(error)};
}

// The file, open and ours alone, as long as it lives.
class File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }

  const std::string& path() const { return path_; }

  // Its records, up to the first that is not whole.
  Result<std::vector<std::string>> Open() {
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return Failed(path_, "open it");
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      return Status(StatusCode::kUnavailable,
                    path_ + ": another program has it open; stop that first");
    }
    MC_ASSIGN_OR_RETURN(const std::string bytes, ReadAll());
    if (!kMagic.starts_with(bytes.substr(0, kMagic.size()))) {
      return Status(StatusCode::kDataLoss,
                    path_ + ": not a file of this store; check the path");
    }
    std::vector<std::string> records;
    size_ = std::min(bytes.size(), kMagic.size());
    std::string_view rest = std::string_view(bytes).substr(size_);
    while (rest.size() >= kHeaderBytes) {
      Decoder header(rest);
      const uint64_t size = header.Number();
      const uint64_t checksum = header.Number();
      if (size > rest.size() - kHeaderBytes) break;
      const std::string_view payload = rest.substr(kHeaderBytes, size);
      if (Checksum(payload) != checksum) break;
      records.emplace_back(payload);
      rest.remove_prefix(kHeaderBytes + size);
      size_ += kHeaderBytes + size;
    }
    return records;
  }

  // Adds a record and makes it durable.  After a failure nobody knows what the
  // disk holds: nothing more is written until the file is opened again.
  Status Append(const std::string& payload) {
    if (!broken_.ok()) return broken_;
    if (size_ < kMagic.size()) size_ = 0;
    broken_ = Write((size_ == 0 ? std::string(kMagic) : "") + Frame(payload));
    return broken_;
  }

 private:
  Result<std::string> ReadAll() {
    std::string bytes;
    char buffer[65536];
    for (;;) {
      const ssize_t got =
          pread(fd_, buffer, sizeof buffer, static_cast<off_t>(bytes.size()));
      if (got < 0) return Failed(path_, "read it");
      if (got == 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(got));
    }
  }

  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put =
          pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (put < 0) return Failed(path_, "write it (is the disk full?)");
      bytes.remove_prefix(static_cast<size_t>(put));
      size_ += static_cast<size_t>(put);
    }
    if (fdatasync(fd_) != 0) return Failed(path_, "make it durable");
    return OkStatus();
  }

  const std::string path_;
  int fd_ = -1;
  size_t size_ = 0;  // Where the next record begins.
  Status broken_;
};

Cell EmptyCell(const ColumnSpec& column) {
  if (column.nullable) return {};
  if (column.type == ColumnType::kInt64) return int64_t{0};
  if (column.type == ColumnType::kText) return std::string();
  return Blob{};
}

// A row as it was noted, with an empty cell for each column that came later;
// nothing when a column is unknown.
std::optional<Row> ReadRow(Decoder& in, const TableSpec& table) {
  Row row;
  for (const ColumnSpec& column : table.columns) {
    row.push_back(EmptyCell(column));
  }
  for (uint64_t left = in.Number(); left > 0; --left) {
    const std::string_view name = in.Text();
    const auto column =
        std::find_if(table.columns.begin(), table.columns.end(),
                     [name](const ColumnSpec& c) { return c.name == name; });
    if (!in.ok() || column == table.columns.end()) return std::nullopt;
    row[static_cast<size_t>(column - table.columns.begin())] = in.Cell();
  }
  return row;
}

// --- The store ---

class YourStore : public Store {
 public:
  YourStore(std::unique_ptr<File> file, const Schema& schema)
      : file_(std::move(file)),
        catalog_(schema),
        queue_({.thread_name = "your-store"},
               [this](std::span<CommitQueue::Item> group) { Apply(group); }) {}
  ~YourStore() override { Close(); }

  // Before anything else.
  Status Load(const std::vector<std::string>& records) {
    State state;
    state.tables.assign(catalog_.tables().size(),
                        std::make_shared<const Rows>());
    Change all(catalog_, state);
    uint64_t version = 0;
    for (const std::string& record : records) {
      Decoder in(record);
      version = in.Number();
      if (version > catalog_.schema().version) {
        return {StatusCode::kFailedPrecondition,
                file_->path() + ": a newer program made it; run that program"};
      }
      state.position = static_cast<Position>(in.Number());
      if (!Replay(in, all)) {
        return {StatusCode::kDataLoss,
                file_->path() +
                    ": it holds what this program does not know; "
                    "restore it from a backup"};
      }
    }
    state.tables = all.state().tables;
    if (version < catalog_.schema().version) {
      MC_RETURN_IF_ERROR(file_->Append(Record(state.position, "")));
    }
    Publish(std::move(state));
    return OkStatus();
  }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    MC_RETURN_IF_ERROR(Check());
    MutexLock lock(mutex_);
    return std::unique_ptr<Snapshot>(
        std::make_unique<YourSnapshot>(catalog_, newest_));
  }

  void CommitAsync(WriteBatch batch, Done done) override {
    Status refused = catalog_.CheckBatch(batch);
    queue_.Push(std::move(batch), std::move(done), std::move(refused));
  }

  Position LastPosition() const override {
    MutexLock lock(mutex_);
    return newest_->position;
  }

  Status Check() override {
    if (!closed_) return OkStatus();
    return {StatusCode::kUnavailable, "the store is closed"};
  }

  void Close() override {
    closed_ = true;
    queue_.Close();
  }

 private:
  std::string Record(Position position, std::string_view notes) const {
    Encoder record;
    record.Number(catalog_.schema().version);
    record.Number(static_cast<uint64_t>(position));
    return record.out.append(notes);
  }

  // Does again what a record notes; false when it cannot be.
  bool Replay(Decoder& in, Change& change) const {
    while (!in.empty()) {
      const TableSpec* spec = catalog_.schema().Find(in.Text());
      if (spec == nullptr) return false;
      const bool put = in.Number() != 0;
      const std::optional<Row> row = ReadRow(in, *spec);
      if (!in.ok() || !row.has_value()) return false;
      change.Set(*catalog_.Find(spec), KeyOf(*spec, *row),
                 put ? row : std::nullopt);
    }
    return in.ok();
  }

  // One group of commits: one record.  On the queue's thread.
  void Apply(std::span<CommitQueue::Item> group) {
    State state = Newest();
    std::string notes;
    for (CommitQueue::Item& item : group) {
      if (!item.status.ok()) continue;
      Change change(catalog_, state);
      const auto result = change.Apply(item.batch);
      item.status = result.status();
      if (!result.ok()) continue;
      item.info = *result;
      notes += change.notes();
      state = change.state();
    }
    const Status written = file_->Append(Record(state.position, notes));
    if (written.ok()) return Publish(std::move(state));
    for (CommitQueue::Item& item : group) {
      if (item.status.ok()) item.status = written;
    }
  }

  State Newest() const {
    MutexLock lock(mutex_);
    return *newest_;
  }
  void Publish(State state) {
    auto next = std::make_shared<const State>(std::move(state));
    MutexLock lock(mutex_);
    newest_.swap(next);
  }

  const std::unique_ptr<File> file_;
  const Catalog catalog_;
  mutable Mutex mutex_;
  std::shared_ptr<const State> newest_ MC_GUARDED_BY(mutex_);
  std::atomic<bool> closed_{false};
  CommitQueue queue_;  // Last: its thread uses all of the above.
};

}  // namespace

Result<std::unique_ptr<Store>> OpenYourStore(const std::string& path,
                                             const Schema& schema) {
  MC_RETURN_IF_ERROR(ValidateSchema(schema));
  auto file = std::make_unique<File>(path);
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> records, file->Open());
  auto store = std::make_unique<YourStore>(std::move(file), schema);
  MC_RETURN_IF_ERROR(store->Load(records));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace your
