#include "matrixcore/service/consistency.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/sliding_tables.h"
#include "matrixcore/service/unread_tables.h"
#include "matrixcore/store/catalog.h"

namespace matrixcore {
namespace {

using namespace tables;

constexpr size_t kMostProblems = 100;
// Rows that are looked up at once.
constexpr size_t kChunk = 500;

// The first `columns` of `table`, or of its index, are the key of a row of
// `target`, or of `other`.
struct Reference {
  const TableSpec& table;
  std::optional<uint32_t> index;
  size_t columns;
  const TableSpec& target;
  const TableSpec* other = nullptr;
};

constexpr std::nullopt_t kByKey = std::nullopt;

std::vector<Reference> References() {
  return {
      {kRoomPreviews, kByKey, 1, kRooms},
      {kEvents, kByKey, 1, kRooms},
      {kLateEvents, kByKey, 1, kRooms},
      {kStateKeys, kByKey, 1, kRooms},
      {kStateSnaps, kByKey, 1, kRooms},
      {kAuthEdges, kByKey, 1, kRooms},
      {kMemberships, Memberships::kByRoom, 1, kRooms},
      {kAliases, Aliases::kByRoom, 1, kRooms},
      {kRelations, kByKey, 1, kRooms},
      {kRelationTargets, kByKey, 1, kRooms},
      {kThreadUsers, kByKey, 1, kRooms},
      {kReceipts, kByKey, 1, kRooms},
      {kNotices, kByKey, 1, kRooms},
      {kThreadNotices, kByKey, 1, kRooms},
      {kNoticeThreads, kByKey, 1, kRooms},
      {kDevices, kByKey, 1, kUsers},
      {kAccountData, kByKey, 1, kUsers},
      {kFilters, kByKey, 1, kUsers},
      {kKeyBackups, kByKey, 1, kUsers},
      {kDehydratedDevices, kByKey, 1, kUsers},
      {kAccessTokens, kByKey, 2, kDevices},
      {kRefreshTokens, kByKey, 2, kDevices},
      {kSlidingStates, kByKey, 2, kDevices},
      {kOneTimeKeys, kByKey, 2, kDevices, &kDehydratedDevices},
      {kFallbackKeys, kByKey, 2, kDevices, &kDehydratedDevices},
      {kToDevice, kByKey, 2, kDevices, &kDehydratedDevices},
  };
}

std::string KeyText(const Row& key) {
  std::string text;
  for (const Cell& cell : key) {
    if (!text.empty()) text += ", ";
    text += std::holds_alternative<int64_t>(cell)
                ? fmt::to_string(CellInt(cell))
                : fmt::format("\"{}\"", CellText(cell));
  }
  return text;
}

class Finder {
 public:
  explicit Finder(Snapshot& snapshot) : snapshot_(snapshot) {}

  Status CheckReference(const Reference& reference);
  Status CheckRooms();
  Status CheckLog();
  std::vector<std::string> Take() { return std::move(problems_); }

 private:
  void Note(std::string problem) {
    if (problems_.size() < kMostProblems) {
      problems_.push_back(std::move(problem));
    }
  }
  // Every value that the leading columns have after `prefix`.
  Status Walk(const Reference& reference, Row prefix);
  Status Flush(const Reference& reference);
  Status CheckRoomsAt(const std::vector<Row>& rooms);

  Snapshot& snapshot_;
  std::vector<Row> keys_;  // To be looked up.
  std::vector<std::string> problems_;
};

Status Finder::CheckReference(const Reference& reference) {
  MC_RETURN_IF_ERROR(Walk(reference, {}));
  return Flush(reference);
}

Status Finder::Walk(const Reference& reference, Row prefix) {
  const uint32_t column =
      ScanOrder(reference.table, reference.index)[prefix.size()];
  ScanSpec next{.table = &reference.table,
                .index = reference.index,
                .prefix = prefix,
                .limit = 1};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(next));
    if (rows.empty()) return OkStatus();
    const Cell value = rows[0][column];
    next.from = {value, false};
    Row key = prefix;
    key.push_back(value);
    if (key.size() < reference.columns) {
      MC_RETURN_IF_ERROR(Walk(reference, std::move(key)));
      continue;
    }
    keys_.push_back(std::move(key));
    if (keys_.size() == kChunk) MC_RETURN_IF_ERROR(Flush(reference));
  }
}

Status Finder::Flush(const Reference& reference) {
  const std::vector<Row> keys = std::exchange(keys_, {});
  MC_ASSIGN_OR_RETURN(auto found, snapshot_.GetMany(reference.target, keys));
  std::vector<std::optional<Row>> others(keys.size());
  if (reference.other != nullptr) {
    MC_ASSIGN_OR_RETURN(others, snapshot_.GetMany(*reference.other, keys));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (found[i] || others[i]) continue;
    Note(fmt::format("{} has rows of {}, which is not in {}",
                     reference.table.name, KeyText(keys[i]),
                     reference.target.name));
  }
  return OkStatus();
}

Status Finder::CheckRooms() {
  ScanSpec next{.table = &kRooms, .limit = kChunk};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rooms, snapshot_.Scan(next));
    if (rooms.empty()) return OkStatus();
    MC_RETURN_IF_ERROR(CheckRoomsAt(rooms));
    next.from = {rooms.back()[Rooms::kNid], false};
  }
}

Status Finder::CheckRoomsAt(const std::vector<Row>& rooms) {
  std::vector<Row> events;
  std::vector<Row> states;
  for (const Row& room : rooms) {
    events.push_back({room[Rooms::kNid], room[Rooms::kLastIdx]});
    states.push_back({room[Rooms::kNid], room[Rooms::kState]});
  }
  MC_ASSIGN_OR_RETURN(const auto last, snapshot_.GetMany(kEvents, events));
  MC_ASSIGN_OR_RETURN(const auto state, snapshot_.GetMany(kStateSnaps, states));
  for (size_t i = 0; i < rooms.size(); ++i) {
    const std::string_view id = CellText(rooms[i][Rooms::kRoomId]);
    if (!last[i]) {
      Note(fmt::format("the newest event of room {} is missing", id));
    } else if ((*last[i])[Events::kPos] != rooms[i][Rooms::kLastPos]) {
      Note(fmt::format("room {} does not end with its newest event", id));
    }
    if (!state[i] && CellInt(rooms[i][Rooms::kState]) != 0) {
      Note(fmt::format("the state of room {} is missing", id));
    }
  }
  return OkStatus();
}

// Nothing is newer than the log.
Status Finder::CheckLog() {
  const std::pair<const TableSpec*, std::pair<uint32_t, uint32_t>> ends[] = {
      {&kEvents, {Events::kByLog, Events::kPos}},
      {&kPresence, {PresenceTable::kByPos, PresenceTable::kPos}},
      {&kDeviceListChanges,
       {DeviceListChanges::kByPos, DeviceListChanges::kPos}},
  };
  for (const auto& [table, place] : ends) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot_.Scan({.table = table,
                                        .index = place.first,
                                        .descending = true,
                                        .limit = 1}));
    if (rows.empty()) continue;
    const Position newest = CellInt(rows[0][place.second]);
    if (newest <= snapshot_.position()) continue;
    Note(fmt::format("{} has a row of position {}, but the log ends at {}",
                     table->name, newest, snapshot_.position()));
  }
  return OkStatus();
}

}  // namespace

Result<std::vector<std::string>> FindInconsistencies(
    Snapshot& snapshot, uint32_t schema_version,
    const std::function<void(size_t done, size_t total)>& progress) {
  std::vector<Reference> references;
  for (const Reference& reference : References()) {
    if (reference.table.since <= schema_version) {
      references.push_back(reference);
    }
  }
  const size_t total = references.size() + 2;
  size_t done = 0;
  const auto report = [&] {
    ++done;
    if (progress) progress(done, total);
  };
  Finder finder(snapshot);
  MC_RETURN_IF_ERROR(finder.CheckLog());
  report();
  MC_RETURN_IF_ERROR(finder.CheckRooms());
  report();
  for (const Reference& reference : references) {
    MC_RETURN_IF_ERROR(finder.CheckReference(reference));
    report();
  }
  return finder.Take();
}

}  // namespace matrixcore
