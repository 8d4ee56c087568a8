#include "matrixcore/store/recall_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>

#include "matrixcore/base/lru.h"
#include "store/recent_rows.h"
#include "store/row_bytes.h"
#include "store/row_name.h"

namespace matrixcore {
namespace {

// Parts of a table, by the hash of the first key column.
constexpr size_t kParts = 256;
// Larger answers are not kept.
constexpr size_t kMaxAnswerBytes = 4096;
// Who asks for more rows at once is not likely to ask for the same again.
constexpr size_t kMaxKeys = 8;
// Of the budget of all caches.
constexpr uint32_t kShare = 4;

// When one part of a table was written.  A commit is counted before it begins;
// so whoever sees no commit under way sees the times of all that a snapshot
// taken before can contain.
struct Part {
  std::atomic<int> pending{0};
  // The log's position after the newest commit here.
  std::atomic<Position> position{0};
  // The time of the newest commit here, by RecallStore's own clock.
  std::atomic<uint64_t> time{0};

  // `last` is the log's position after the commit; nothing when it wrote
  // nothing.
  void End(std::optional<Position> last, uint64_t now) {
    if (last.has_value()) {
      Raise(position, *last);
      Raise(time, now);
    }
    pending.fetch_sub(1);
  }

  template <typename T>
  static void Raise(std::atomic<T>& value, T to) {
    T seen = value.load();
    while (seen < to && !value.compare_exchange_weak(seen, to)) {
    }
  }
};

struct Watched {
  const TableSpec* spec = nullptr;
  std::optional<uint32_t> position_column;
  size_t number = 0;
  // Of a log.
  std::unique_ptr<RecentRows> recent;
  std::array<Part, kParts> parts;
  // Commits whose rows may belong to any part, and all commits.
  Part unknown;
  Part any;
};

size_t HashOfCell(int64_t number) { return std::hash<int64_t>()(number); }
size_t HashOfCell(const std::string& text) {
  return std::hash<std::string_view>()(text);
}
size_t HashOfCell(const Blob& blob) {
  return std::hash<std::string_view>()(blob.bytes);
}

// The times between changes of logs that are no additions.
class LogEpoch {
 public:
  void Begin() { pending_.fetch_add(1); }
  void End() {
    number_.fetch_add(1);
    pending_.fetch_sub(1);
  }
  uint64_t number() const { return number_.load(); }
  // Whether nothing but additions happened since that number was read.
  bool Lasts(uint64_t number) const {
    return pending_.load() == 0 && number_.load() == number;
  }

 private:
  std::atomic<int> pending_{0};
  std::atomic<uint64_t> number_{0};
};

// What a batch does to logs.
struct LogChanges {
  std::vector<std::pair<RecentRows*, BatchRow>> added;
  std::vector<RecentRows*> others;

  void Begin(LogEpoch& epoch) const {
    if (!others.empty()) epoch.Begin();
    for (RecentRows* log : others) log->BeginOther();
  }
  void End(LogEpoch& epoch, const CommitInfo* info) const {
    if (info != nullptr) {
      for (const auto& [log, row] : added) log->Add(row, info->first);
    }
    for (RecentRows* log : others) log->EndOther();
    if (!others.empty()) epoch.End();
  }
  // Nobody knows whether the rows were added: forgets those before, too.
  void Distrust(LogEpoch& epoch) const {
    epoch.Begin();
    for (const auto& [log, row] : added) {
      log->BeginOther();
      log->EndOther();
    }
    epoch.End();
  }
};

// The part where rows with that first key cell are; nothing for a cell that is
// not known yet, or none.
template <typename CellType>
std::optional<size_t> PartOf(const CellType& cell) {
  return std::visit(
      [](const auto& value) -> std::optional<size_t> {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::monostate> ||
                      std::is_same_v<T, PositionRef>) {
          return std::nullopt;
        } else {
          return HashOfCell(value) % kParts;
        }
      },
      cell);
}

void AppendBound(std::string* out,
                 const std::optional<ScanSpec::Bound>& bound) {
  if (!bound) {
    out->push_back('-');
    return;
  }
  out->push_back(bound->inclusive ? 'i' : 'e');
  AppendCell(out, bound->value);
}

std::string NameOf(const Watched& table, char kind) {
  std::string name(1, kind);
  AppendNumber(&name, table.number);
  return name;
}

std::string NameOfGet(const Watched& table, const Row& key) {
  std::string name = NameOf(table, 'g');
  AppendCells(&name, key);
  return name;
}

std::string NameOfScan(const Watched& table, const ScanSpec& scan) {
  std::string name = NameOf(table, scan.descending ? 'd' : 'a');
  AppendNumber(&name, scan.index ? *scan.index + 1 : 0);
  AppendNumber(&name, scan.limit);
  AppendNumber(&name, scan.prefix.size());
  AppendCells(&name, scan.prefix);
  AppendBound(&name, scan.from);
  AppendBound(&name, scan.to);
  for (const uint32_t column : scan.columns) AppendNumber(&name, column);
  return name;
}

size_t BytesOf(const std::vector<Row>& rows) {
  size_t bytes = HeapBlock(rows.capacity() * sizeof(Row));
  for (const Row& row : rows) bytes += HeapBytesOf(row);
  return bytes;
}

// The column that a scan bounds or begins with at that place of its order.
std::optional<uint32_t> ColumnAt(const ScanSpec& scan, size_t place) {
  if (!scan.index) {
    if (place >= scan.table->key_columns) return std::nullopt;
    return static_cast<uint32_t>(place);
  }
  const std::vector<uint32_t>& columns =
      scan.table->indexes[*scan.index].columns;
  if (place < columns.size()) return columns[place];
  return std::nullopt;
}

}  // namespace

struct RecallStore::Rep {
  // What a read found when its part of the table was last written at `time`.
  struct Answer {
    uint64_t time = 0;
    std::vector<Row> rows;
  };
  using AnswerPtr = std::shared_ptr<const Answer>;

  Rep(Store& s, CacheBudget& budget)
      : store(s), answers(budget, "recalled_reads", kShare, BytesOfAnswer) {}

  static size_t BytesOfAnswer(const AnswerPtr& answer) {
    return SharedBlock<Answer>() + BytesOf(answer->rows);
  }

  Watched* Find(const TableSpec* table) {
    const auto found = watched.find(table);
    return found == watched.end() ? nullptr : found->second.get();
  }

  // The parts that a batch writes, each once.
  std::vector<Part*> PartsOf(const WriteBatch& batch);
  LogChanges LogChangesOf(const WriteBatch& batch);

  Store& store;
  std::unordered_map<const TableSpec*, std::unique_ptr<Watched>> watched;
  // Ticks with every commit to a watched table.
  std::atomic<uint64_t> clock{0};
  LogEpoch log_epoch;
  // The log's position up to which every commit has been noted.
  std::atomic<Position> noted{0};
  LruCache<std::string, AnswerPtr> answers;
  std::atomic<uint64_t> recalled{0};
  std::atomic<uint64_t> passed_on{0};
};

std::vector<Part*> RecallStore::Rep::PartsOf(const WriteBatch& batch) {
  std::vector<Part*> parts;
  const auto add = [&](const TableSpec* spec, const BatchRow& cells) {
    Watched* const table = Find(spec);
    if (table == nullptr) return;
    const auto part =
        cells.empty() ? std::nullopt : PartOf<BatchCell>(cells[0]);
    parts.push_back(part ? &table->parts[*part] : &table->unknown);
    parts.push_back(&table->any);
  };
  for (const WriteBatch::Operation& operation : batch.operations()) {
    std::visit(
        [&add](const auto& op) {
          using T = std::decay_t<decltype(op)>;
          if constexpr (std::is_same_v<T, WriteBatch::DeletePrefix>) {
            add(op.table, op.prefix);
          } else if constexpr (std::is_same_v<T, WriteBatch::Put> ||
                               std::is_same_v<T, WriteBatch::Insert>) {
            add(op.table, op.row);
          } else {
            add(op.table, op.key);
          }
        },
        operation);
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  return parts;
}

LogChanges RecallStore::Rep::LogChangesOf(const WriteBatch& batch) {
  LogChanges changes;
  const auto look = [&](const auto& op) {
    using T = std::decay_t<decltype(op)>;
    const Watched* const table = Find(op.table);
    if (table == nullptr || table->recent == nullptr) return;
    RecentRows* const log = table->recent.get();
    if constexpr (std::is_same_v<T, WriteBatch::Put> ||
                  std::is_same_v<T, WriteBatch::Insert>) {
      if (log->IsAddition(op.row)) {
        changes.added.emplace_back(log, op.row);
        return;
      }
    }
    changes.others.push_back(log);
  };
  for (const WriteBatch::Operation& operation : batch.operations()) {
    std::visit(look, operation);
  }
  return changes;
}

// A snapshot that asks the one behind it only for what is not known.
class RecallStore::View : public Snapshot {
 public:
  // `time` and `epoch` were read before the snapshot was taken: commits up to
  // them are in the snapshot.
  View(std::shared_ptr<Rep> rep, uint64_t time, uint64_t epoch,
       std::unique_ptr<Snapshot> behind)
      : rep_(std::move(rep)),
        time_(time),
        epoch_(epoch),
        behind_(std::move(behind)) {}

  Position position() const override { return behind_->position(); }

  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    Watched* const watched = rep_->Find(&table);
    if (watched == nullptr || key.empty()) return behind_->Get(table, key);
    RowQuestion question = Ask(*watched, key);
    if (question.known) return RowOf(*question.known);
    MC_ASSIGN_OR_RETURN(std::optional<Row> row, behind_->Get(table, key));
    KeepRow(question, row);
    return row;
  }

  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    Watched* const watched = rep_->Find(&table);
    const bool any_empty = std::any_of(
        keys.begin(), keys.end(), [](const Row& key) { return key.empty(); });
    if (watched == nullptr || keys.size() > kMaxKeys || any_empty) {
      return behind_->GetMany(table, keys);
    }
    std::vector<std::optional<Row>> rows(keys.size());
    std::vector<size_t> places;
    std::vector<Row> unknown;
    std::vector<RowQuestion> questions;
    for (size_t i = 0; i < keys.size(); ++i) {
      RowQuestion question = Ask(*watched, keys[i]);
      if (question.known) {
        rows[i] = RowOf(*question.known);
        continue;
      }
      places.push_back(i);
      unknown.push_back(keys[i]);
      questions.push_back(std::move(question));
    }
    if (unknown.empty()) return rows;
    MC_ASSIGN_OR_RETURN(auto found, behind_->GetMany(table, unknown));
    for (size_t i = 0; i < found.size(); ++i) {
      KeepRow(questions[i], found[i]);
      rows[places[i]] = std::move(found[i]);
    }
    return rows;
  }

  Result<std::vector<Row>> Scan(const ScanSpec& scan) override {
    Watched* const watched =
        scan.table == nullptr ? nullptr : rep_->Find(scan.table);
    if (watched == nullptr ||
        (scan.index && *scan.index >= scan.table->indexes.size())) {
      return behind_->Scan(scan);
    }
    const std::optional<size_t> part =
        scan.prefix.empty() || ColumnAt(scan, 0) != 0
            ? std::nullopt
            : PartOf<Cell>(scan.prefix[0]);
    if (watched->recent != nullptr && IsAllNoted(*watched, part)) {
      if (auto rows = watched->recent->Find(scan, position())) {
        rep_->recalled.fetch_add(1, std::memory_order_relaxed);
        return *std::move(rows);
      }
    }
    if (FindsNothing(*watched, part, scan)) {
      rep_->recalled.fetch_add(1, std::memory_order_relaxed);
      return std::vector<Row>();
    }
    std::string name = NameOfScan(*watched, scan);
    std::optional<uint64_t> written;
    if (IsOfThePast(*watched, scan)) {
      name.push_back('p');
      if (rep_->log_epoch.Lasts(epoch_)) written = epoch_;
    } else {
      written = LastWritten(*watched, part);
    }
    if (const Rep::AnswerPtr known = Recall(name, written)) return known->rows;
    MC_ASSIGN_OR_RETURN(std::vector<Row> rows, behind_->Scan(scan));
    // Not even copied when there are too many.
    if (rows.size() * sizeof(Row) <= kMaxAnswerBytes) Keep(name, written, rows);
    return rows;
  }

 private:
  // A row that is asked for, and its answer if that is known.
  struct RowQuestion {
    std::string name;
    std::optional<uint64_t> written;
    Rep::AnswerPtr known;
  };
  RowQuestion Ask(const Watched& table, const Row& key) {
    RowQuestion question{NameOfGet(table, key),
                         LastWritten(table, PartOf<Cell>(key[0])), nullptr};
    question.known = Recall(question.name, question.written);
    return question;
  }
  static std::optional<Row> RowOf(const Rep::Answer& answer) {
    return answer.rows.empty() ? std::optional<Row>()
                               : std::optional<Row>(answer.rows[0]);
  }
  void KeepRow(const RowQuestion& question, const std::optional<Row>& row) {
    std::vector<Row> rows;
    if (row) rows.push_back(*row);
    Keep(question.name, question.written, std::move(rows));
  }

  // Whether the scan is of a part of a log to which nothing is added any more.
  bool IsOfThePast(const Watched& table, const ScanSpec& scan) const {
    if (table.recent == nullptr || scan.index || !scan.to ||
        scan.prefix.size() + 1 != scan.table->key_columns) {
      return false;
    }
    const auto* const bound = std::get_if<int64_t>(&scan.to->value);
    return bound != nullptr && *bound <= position();
  }

  // Whether every commit to that part which this snapshot contains has been
  // noted.
  bool IsAllNoted(const Watched& table, std::optional<size_t> part) const {
    if (position() <= rep_->noted.load()) return true;
    const auto parts = PartsToAsk(table, part);
    return std::all_of(parts.begin(), parts.end(), [](const Part* one) {
      return one->pending.load() == 0;
    });
  }

  // When rows of that part (of any, without one) were last written, as far as
  // this snapshot can contain it; nothing if that is not certain.
  std::optional<uint64_t> LastWritten(const Watched& table,
                                      std::optional<size_t> part) const {
    uint64_t time = 0;
    for (const Part* one : PartsToAsk(table, part)) {
      if (one->pending.load() > 0) return std::nullopt;
      time = std::max(time, one->time.load());
    }
    if (time > time_) return std::nullopt;
    return time;
  }

  // Whether the scan wants positions above the newest that can be there.
  static bool FindsNothing(const Watched& table, std::optional<size_t> part,
                           const ScanSpec& scan) {
    if (!table.position_column || !scan.from) return false;
    if (ColumnAt(scan, scan.prefix.size()) != table.position_column) {
      return false;
    }
    const auto* const bound = std::get_if<int64_t>(&scan.from->value);
    if (bound == nullptr) return false;
    const auto may_have = [&](const Part* one) {
      if (one->pending.load() > 0) return true;
      const Position newest = one->position.load();
      return scan.from->inclusive ? newest >= *bound : newest > *bound;
    };
    const auto parts = PartsToAsk(table, part);
    return std::none_of(parts.begin(), parts.end(), may_have);
  }

  static std::array<const Part*, 2> PartsToAsk(const Watched& table,
                                               std::optional<size_t> part) {
    if (!part) return {&table.any, &table.any};
    return {&table.parts[*part], &table.unknown};
  }

  Rep::AnswerPtr Recall(const std::string& name,
                        std::optional<uint64_t> written) {
    if (written) {
      const std::optional<Rep::AnswerPtr> known = rep_->answers.Get(name);
      if (known && (*known)->time == *written) {
        rep_->recalled.fetch_add(1, std::memory_order_relaxed);
        return *known;
      }
    }
    rep_->passed_on.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }

  void Keep(const std::string& name, std::optional<uint64_t> written,
            std::vector<Row> rows) {
    if (!written) return;
    if (BytesOf(rows) > kMaxAnswerBytes) return;
    rep_->answers.Put(name, std::make_shared<const Rep::Answer>(
                                Rep::Answer{*written, std::move(rows)}));
  }

  const std::shared_ptr<Rep> rep_;
  const uint64_t time_;
  const uint64_t epoch_;
  const std::unique_ptr<Snapshot> behind_;
};

RecallStore::RecallStore(Store& store, const std::vector<Watch>& watches,
                         CacheBudget& budget)
    : rep_(std::make_shared<Rep>(store, budget)) {
  const Position start = store.LastPosition();
  rep_->noted = start;
  for (const Watch& watch : watches) {
    auto table = std::make_unique<Watched>();
    table->spec = watch.table;
    table->position_column = watch.position_column;
    if (watch.is_log) {
      table->recent = std::make_unique<RecentRows>(*watch.table, budget);
    }
    table->number = rep_->watched.size();
    // What was written before nobody has seen.
    table->unknown.position = start;
    table->any.position = start;
    rep_->watched.emplace(watch.table, std::move(table));
  }
}

RecallStore::~RecallStore() = default;

Result<std::unique_ptr<Snapshot>> RecallStore::NewSnapshot() {
  const uint64_t time = rep_->clock.load();
  const uint64_t epoch = rep_->log_epoch.number();
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> behind,
                      rep_->store.NewSnapshot());
  return std::unique_ptr<Snapshot>(
      std::make_unique<View>(rep_, time, epoch, std::move(behind)));
}

void RecallStore::CommitAsync(WriteBatch batch, Done done) {
  std::vector<Part*> parts = rep_->PartsOf(batch);
  LogChanges logs = rep_->LogChangesOf(batch);
  for (Part* part : parts) part->pending.fetch_add(1);
  logs.Begin(rep_->log_epoch);
  rep_->store.CommitAsync(
      std::move(batch),
      [rep = rep_, parts = std::move(parts), logs = std::move(logs),
       done = std::move(done)](Result<CommitInfo> result) mutable {
        const CommitInfo* const info = result.ok() ? &*result : nullptr;
        const uint64_t now = rep->clock.fetch_add(1) + 1;
        logs.End(rep->log_epoch, info);
        std::optional<Position> last;
        if (info != nullptr) {
          last = info->last;
        } else if (result.status().code() == StatusCode::kDeadlineExceeded) {
          // It may have been written, at the latest by now.
          last = rep->store.LastPosition();
          logs.Distrust(rep->log_epoch);
        }
        for (Part* part : parts) part->End(last, now);
        if (info != nullptr) Part::Raise(rep->noted, info->last);
        done(std::move(result));
      });
}

Position RecallStore::LastPosition() const {
  return rep_->store.LastPosition();
}
Status RecallStore::Check() { return rep_->store.Check(); }
void RecallStore::Close() { rep_->store.Close(); }

RecallStore::Stats RecallStore::stats() const {
  return {.recalled = rep_->recalled.load(),
          .passed_on = rep_->passed_on.load()};
}

}  // namespace matrixcore
