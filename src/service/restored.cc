#include "matrixcore/service/restored.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/e2ee_tables.h"
#include "service/key_upload.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using namespace tables;

// Rows of kServerInfo: "restored:UNTIL".  The next character after ":" ends
// them.
constexpr std::string_view kPrefix = "restored:";
constexpr std::string_view kPrefixEnd = "restored;";
constexpr Duration kTokensLostFor = seconds(30 * 86400);
// Users whose rows become one batch.
constexpr size_t kUsersAtOnce = 200;

// All rows of a table whose key begins with a user, a few users at a time, in
// order.
class UserPages {
 public:
  UserPages(Store& store, const TableSpec& table)
      : store_(store), table_(table) {}

  // The next users' rows; none at the end.
  Result<std::vector<Row>> Next() {
    MC_ASSIGN_OR_RETURN(const auto snapshot, store_.NewSnapshot());
    std::vector<Row> rows;
    for (size_t users = 0; users < kUsersAtOnce; ++users) {
      ScanSpec next{.table = &table_, .limit = 1};
      if (!last_.empty()) next.from = {Cell(last_), false};
      MC_ASSIGN_OR_RETURN(const std::vector<Row> first, snapshot->Scan(next));
      if (first.empty()) break;
      last_ = CellText(first[0][0]);
      MC_ASSIGN_OR_RETURN(
          std::vector<Row> own,
          snapshot->Scan({.table = &table_, .prefix = {Cell(last_)}}));
      rows.insert(rows.end(), std::make_move_iterator(own.begin()),
                  std::make_move_iterator(own.end()));
    }
    return rows;
  }

 private:
  Store& store_;
  const TableSpec& table_;
  std::string last_;
};

// Calls `change(rows, batch)` for all rows of a table and commits what it made.
template <typename Change>
Status ForAllUsers(Store& store, const TableSpec& table, Change change) {
  UserPages pages(store, table);
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, pages.Next());
    if (rows.empty()) return OkStatus();
    WriteBatch batch;
    MC_RETURN_IF_ERROR(change(rows, batch));
    if (batch.empty()) continue;
    MC_RETURN_IF_ERROR(store.Commit(std::move(batch)).status());
  }
}

Status NoteLostTime(Store& store, Position after, Position until,
                    Timestamp now) {
  std::string value;
  json::Writer w(&value);
  w.BeginObject();
  w.Field("lost_after", after).Field("restored_ts", now.ms);
  w.EndObject();
  WriteBatch batch;
  batch.PutRow(kServerInfo, {fmt::format("{}{}", kPrefix, until), value});
  return store.Commit(std::move(batch)).status();
}

Status DropOneTimeKeys(Store& store, Timestamp now, RestoredReport& report) {
  return ForAllUsers(
      store, kOneTimeKeys,
      [&](const std::vector<Row>& rows, WriteBatch& batch) -> Status {
        for (const Row& row : rows) {
          MC_ASSIGN_OR_RETURN(const std::string key,
                              PublicKeyText(CellText(row[OneTimeKeys::kJson])));
          batch.DeleteRow(
              kOneTimeKeys,
              ToBatchRow(
                  Row(row.begin(), row.begin() + kOneTimeKeys.key_columns)));
          batch.PutRow(
              kClaimedKeys,
              {std::string(CellText(row[OneTimeKeys::kUser])),
               std::string(CellText(row[OneTimeKeys::kDevice])),
               std::string(CellText(row[OneTimeKeys::kKeyId])), key, now.ms});
          ++report.one_time_keys;
        }
        return OkStatus();
      });
}

// After the keys: a device without keys still has its counts, and hears of it.
Status EmptyCounts(Store& store, RestoredReport& report) {
  return ForAllUsers(
      store, kOneTimeKeyCounts,
      [&](const std::vector<Row>& rows, WriteBatch& batch) -> Status {
        const PositionRef position = batch.NewPosition();
        const Row* before = nullptr;
        for (const Row& row : rows) {
          BatchRow empty = ToBatchRow(row);
          empty[OneTimeKeyCounts::kCount] = int64_t{0};
          batch.PutRow(kOneTimeKeyCounts, std::move(empty));
          const bool same_device =
              before != nullptr &&
              std::equal(row.begin(), row.begin() + 2, before->begin());
          before = &row;
          if (same_device) continue;
          batch.PutRow(kKeyCountChanges,
                       {std::string(CellText(row[OneTimeKeyCounts::kUser])),
                        std::string(CellText(row[OneTimeKeyCounts::kDevice])),
                        position});
          ++report.devices;
        }
        return OkStatus();
      });
}

Status MarkFallbackKeysUsed(Store& store) {
  return ForAllUsers(
      store, kFallbackKeys,
      [](const std::vector<Row>& rows, WriteBatch& batch) -> Status {
        for (const Row& row : rows) {
          BatchRow used = ToBatchRow(row);
          used[FallbackKeys::kUsed] = int64_t{1};
          batch.PutRow(kFallbackKeys, std::move(used));
        }
        return OkStatus();
      });
}

// `users`: any table whose rows begin with a user.
Status AnnounceDevices(Store& store, const TableSpec& users, uint64_t* count) {
  return ForAllUsers(
      store, users,
      [&](const std::vector<Row>& rows, WriteBatch& batch) -> Status {
        const PositionRef position = batch.NewPosition();
        for (const Row& row : rows) {
          batch.PutRow(kDeviceListChanges,
                       {std::string(CellText(row[0])), position});
        }
        *count += rows.size();
        return OkStatus();
      });
}

Status ChangeEtags(Store& store, Position until) {
  return ForAllUsers(
      store, kKeyBackups,
      [until](const std::vector<Row>& rows, WriteBatch& batch) -> Status {
        for (const Row& row : rows) {
          BatchRow changed = ToBatchRow(row);
          changed[KeyBackups::kEtag] =
              std::max(until, CellInt(row[KeyBackups::kEtag]) + 1);
          batch.PutRow(kKeyBackups, std::move(changed));
        }
        return OkStatus();
      });
}

}  // namespace

Position PositionAfterRestoring(Position backup, Timestamp now) {
  // Ten-microsecond steps since 2020: numbers that take few bytes to store.
  constexpr int64_t kYear2020 = 1'577'836'800'000;
  constexpr int64_t kStepsPerMs = 100;
  constexpr Position kLeast = 1'000'000'000;
  return std::max(backup + kLeast, (now.ms - kYear2020) * kStepsPerMs);
}

Result<RestoredReport> MarkRestored(Store& store, Position backup,
                                    Timestamp now) {
  RestoredReport report;
  report.lost_after = backup;
  report.lost_until = store.LastPosition();
  if (report.lost_until < backup) {
    return Status(StatusCode::kInvalidArgument,
                  "the log is not as far as it was at the backup");
  }
  MC_RETURN_IF_ERROR(NoteLostTime(store, backup, report.lost_until, now));
  MC_RETURN_IF_ERROR(DropOneTimeKeys(store, now, report));
  MC_RETURN_IF_ERROR(EmptyCounts(store, report));
  MC_RETURN_IF_ERROR(MarkFallbackKeysUsed(store));
  // Users of other servers, whose lists we follow, are known by their changes.
  uint64_t followed = 0;
  MC_RETURN_IF_ERROR(AnnounceDevices(store, kDeviceListChanges, &followed));
  MC_RETURN_IF_ERROR(AnnounceDevices(store, kUsers, &report.users));
  MC_RETURN_IF_ERROR(ChangeEtags(store, report.lost_until));
  return report;
}

Result<LostTimes> LostTimes::Read(Snapshot& snapshot) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kServerInfo,
                                     .from = {{TextCell(kPrefix), true}},
                                     .to = {{TextCell(kPrefixEnd), false}}}));
  LostTimes times;
  for (const Row& row : rows) {
    const std::string name(CellText(row[ServerInfo::kName]));
    const Result<json::Document> value =
        json::Document::ParseView(CellText(row[ServerInfo::kValue]));
    const Result<json::Document> until =
        json::Document::Parse(name.substr(kPrefix.size()));
    if (!value.ok() || !until.ok()) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("the row {} of server_info is damaged: restore "
                                "the database from a backup",
                                name));
    }
    times.spans_.push_back(
        {.after = value->root()["lost_after"].AsInt().value_or(0),
         .until = until->root().AsInt().value_or(0),
         .restored = {value->root()["restored_ts"].AsInt().value_or(0)}});
  }
  return times;
}

std::optional<Position> LostTimes::LastKnownBefore(Position position) const {
  for (const Span& span : spans_) {
    if (position > span.after && position <= span.until) return span.after;
  }
  return std::nullopt;
}

int64_t LostTimes::first_number() const {
  int64_t first = 0;
  for (const Span& span : spans_) first = std::max(first, span.until);
  return first;
}

bool LostTimes::MayHaveLostTokens(Timestamp now) const {
  return std::any_of(spans_.begin(), spans_.end(), [now](const Span& span) {
    return now.ms - span.restored.ms <
           std::chrono::duration_cast<milliseconds>(kTokensLostFor).count();
  });
}

}  // namespace matrixcore
