#include "matrixcore/service/key_backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/restored.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::BackedUpKeys;
using tables::kBackedUpKeys;
using tables::KeyBackups;
using tables::kKeyBackups;

// Rows that a reader holds, and a batch removes, at a time.
constexpr size_t kPage = 1000;

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

Status TooLarge(std::string message) {
  return Status(StatusCode::kTooLarge, "M_TOO_LARGE", std::move(message));
}

Status NoSuchBackup() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such backup");
}

// The number of a version, or 0, which no backup has.
int64_t ParseVersion(std::string_view text) {
  int64_t version = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, version);
  const bool good =
      error == std::errc() && stop == end && version > 0 && text.front() != '0';
  return good ? version : 0;
}

KeyBackupInfo ToInfo(const Row& row) {
  return {.version = CellInt(row[KeyBackups::kVersion]),
          .algorithm = std::string(CellText(row[KeyBackups::kAlgorithm])),
          .auth_data = std::string(CellText(row[KeyBackups::kAuthData])),
          .count = CellInt(row[KeyBackups::kCount]),
          .etag = CellInt(row[KeyBackups::kEtag])};
}

bool IsDeleted(const Row& row) {
  return CellInt(row[KeyBackups::kDeleted]) != 0;
}

// One that is not deleted; kNotFound.
Result<Row> FindBackup(Snapshot& snapshot, std::string_view user_id,
                       std::string_view version) {
  MC_ASSIGN_OR_RETURN(
      std::optional<Row> row,
      snapshot.Get(kKeyBackups, {TextCell(user_id), ParseVersion(version)}));
  if (!row || IsDeleted(*row)) return NoSuchBackup();
  return std::move(*row);
}

// The newest rows first.
Result<std::vector<Row>> Newest(Snapshot& snapshot, std::string_view user_id,
                                size_t limit) {
  return snapshot.Scan({.table = &kKeyBackups,
                        .prefix = {TextCell(user_id)},
                        .descending = true,
                        .limit = limit});
}

// The newest one that is not deleted; kNotFound.
Result<Row> FindCurrent(Snapshot& snapshot, std::string_view user_id) {
  // Only the very newest may be there and deleted.
  MC_ASSIGN_OR_RETURN(std::vector<Row> rows, Newest(snapshot, user_id, 2));
  for (Row& row : rows) {
    if (!IsDeleted(row)) return std::move(row);
  }
  return NoSuchBackup();
}

// --- Keys ---

struct UploadedKey {
  std::string room_id;
  std::string session_id;
  int64_t first_index = 0;
  int64_t forwarded = 0;
  bool verified = false;
  std::string json = {};
};

Result<UploadedKey> ParseKey(std::string_view room_id,
                             std::string_view session_id, json::Value key) {
  const auto first = key["first_message_index"].AsInt();
  const auto forwarded = key["forwarded_count"].AsInt();
  const auto verified = key["is_verified"].AsBool();
  if (!key.IsObject() || !first || !forwarded || !verified ||
      !key["session_data"].IsObject()) {
    return Invalid("M_BAD_JSON", "A key is malformed");
  }
  if (*first < 0 || *forwarded < 0) {
    return Invalid("M_INVALID_PARAM", "Counts cannot be negative");
  }
  if (room_id.empty() || room_id.size() > kMaxIdentifierBytes ||
      session_id.empty() || session_id.size() > kMaxIdentifierBytes) {
    return Invalid("M_INVALID_PARAM",
                   "Room and session ids have 1 to 255 bytes");
  }
  UploadedKey uploaded{.room_id = std::string(room_id),
                       .session_id = std::string(session_id),
                       .first_index = *first,
                       .forwarded = *forwarded,
                       .verified = *verified};
  json::Writer w(&uploaded.json);
  w.BeginObject().Field("first_message_index", *first);
  w.Field("forwarded_count", *forwarded).Field("is_verified", *verified);
  w.RawField("session_data", key["session_data"].raw()).EndObject();
  if (uploaded.json.size() > KeyBackupService::kMaxKeyBytes) {
    return TooLarge("A key is too large");
  }
  return uploaded;
}

Status ParseRoom(std::string_view room_id, json::Value body,
                 std::vector<UploadedKey>* keys) {
  const json::Value sessions = body["sessions"];
  if (!sessions.IsObject()) {
    return Invalid("M_BAD_JSON", "'sessions' must be an object");
  }
  for (const auto& [session_id, key] : sessions.members()) {
    MC_ASSIGN_OR_RETURN(UploadedKey parsed, ParseKey(room_id, session_id, key));
    keys->push_back(std::move(parsed));
  }
  return OkStatus();
}

// Spec: "Backing up keys": verified before unverified, then the lower index,
// then the fewer forwards.
bool IsBetter(const UploadedKey& a, bool verified, int64_t first_index,
              int64_t forwarded) {
  return std::tuple(!a.verified, a.first_index, a.forwarded) <
         std::tuple(!verified, first_index, forwarded);
}

Result<std::vector<UploadedKey>> ParseKeys(const KeyBackupService::Place& place,
                                           json::Value body) {
  std::vector<UploadedKey> keys;
  if (!place.session_id.empty()) {
    MC_ASSIGN_OR_RETURN(UploadedKey key,
                        ParseKey(place.room_id, place.session_id, body));
    keys.push_back(std::move(key));
    return keys;
  }
  if (!place.room_id.empty()) {
    MC_RETURN_IF_ERROR(ParseRoom(place.room_id, body, &keys));
  } else {
    const json::Value rooms = body["rooms"];
    if (!rooms.IsObject()) {
      return Invalid("M_BAD_JSON", "'rooms' must be an object");
    }
    for (const auto& [room_id, room] : rooms.members()) {
      MC_RETURN_IF_ERROR(ParseRoom(room_id, room, &keys));
    }
  }
  // Of a repeated key, the best one counts.
  std::stable_sort(keys.begin(), keys.end(),
                   [](const UploadedKey& a, const UploadedKey& b) {
                     return std::tie(a.room_id, a.session_id) <
                            std::tie(b.room_id, b.session_id);
                   });
  std::vector<UploadedKey> unique;
  for (UploadedKey& key : keys) {
    if (unique.empty() || unique.back().room_id != key.room_id ||
        unique.back().session_id != key.session_id) {
      unique.push_back(std::move(key));
    } else if (const UploadedKey& best = unique.back();
               IsBetter(key, best.verified, best.first_index, best.forwarded)) {
      unique.back() = std::move(key);
    }
  }
  return unique;
}

Row PrefixOf(const KeyBackupService::Place& place, int64_t version) {
  Row prefix = {TextCell(place.user_id), version};
  if (!place.room_id.empty()) prefix.push_back(TextCell(place.room_id));
  if (!place.session_id.empty()) prefix.push_back(TextCell(place.session_id));
  return prefix;
}

// What changed in a backup: its new count and etag, bound to the old ones.
KeyBackupService::Change AddChange(WriteBatch& batch, const Row& backup,
                                   int64_t more) {
  const KeyBackupInfo info = ToInfo(backup);
  const Row key = {backup[KeyBackups::kUser], backup[KeyBackups::kVersion]};
  batch.Require(WriteBatch::ColumnEquals{&kKeyBackups, key, KeyBackups::kEtag,
                                         backup[KeyBackups::kEtag]});
  batch.Require(WriteBatch::ColumnEquals{&kKeyBackups, key,
                                         KeyBackups::kDeleted, int64_t{0}});
  batch.AddTo(kKeyBackups, ToBatchRow(key), KeyBackups::kCount, more);
  batch.AddTo(kKeyBackups, ToBatchRow(key), KeyBackups::kEtag, 1);
  return {.count = info.count + more, .etag = info.etag + 1};
}

// Writes {"session": key} of one room, page by page.
Status WriteSessions(json::Writer& w, Snapshot& snapshot, const Row& prefix) {
  ScanSpec spec{.table = &kBackedUpKeys, .prefix = prefix, .limit = kPage};
  w.BeginObject().Key("sessions").BeginObject();
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(spec));
    for (const Row& row : rows) {
      w.RawField(CellText(row[BackedUpKeys::kSessionId]),
                 CellText(row[BackedUpKeys::kJson]));
    }
    if (rows.size() < kPage) break;
    spec.from = ScanSpec::Bound{rows.back()[BackedUpKeys::kSessionId], false};
  }
  w.EndObject().EndObject();
  return OkStatus();
}

// Adds the removal of the first keys with that prefix, a page of them at most;
// how many.
Result<size_t> AddRemoval(Snapshot& snapshot, WriteBatch& batch,
                          const Row& prefix) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan(
          {.table = &kBackedUpKeys, .prefix = prefix, .limit = kPage}));
  for (const Row& row : rows) {
    batch.DeleteRow(
        kBackedUpKeys,
        ToBatchRow(Row(row.begin(), row.begin() + kBackedUpKeys.key_columns)));
  }
  return rows.size();
}

// The next room with keys after `last`; "" if there is none.
Result<std::string> NextRoom(Snapshot& snapshot, const Row& prefix,
                             const std::string& last) {
  ScanSpec spec{.table = &kBackedUpKeys, .prefix = prefix, .limit = 1};
  if (!last.empty()) spec.from = ScanSpec::Bound{last, false};
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(spec));
  if (rows.empty()) return std::string();
  return std::string(CellText(rows[0][BackedUpKeys::kRoomId]));
}

}  // namespace

KeyBackupService::KeyBackupService(Options options, Store& store,
                                   AccountService& accounts)
    : options_(options), store_(store) {
  accounts.OnDeactivated([this](const std::string& user_id, bool) -> Status {
    for (;;) {
      const Result<KeyBackupInfo> current = Get(user_id, std::nullopt);
      if (current.status().code() == StatusCode::kNotFound) return OkStatus();
      MC_RETURN_IF_ERROR(current.status());
      MC_RETURN_IF_ERROR(Delete(user_id, fmt::to_string(current->version)));
    }
  });
}

Mutex& KeyBackupService::LockOf(std::string_view user_id) {
  return locks_[StringHash{}(user_id) % kLocks];
}

// --- Backups ---

Result<int64_t> KeyBackupService::Create(std::string_view user_id,
                                         std::string_view algorithm,
                                         json::Value auth_data) {
  if (algorithm.empty() || algorithm.size() > kMaxIdentifierBytes) {
    return Invalid("M_INVALID_PARAM",
                   "The algorithm's name has 1 to 255 bytes");
  }
  if (auth_data.raw().size() > kMaxAuthDataBytes) {
    return TooLarge("The backup's description is too large");
  }
  int64_t version = 0;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> backups,
                        Newest(snapshot, user_id, kMaxBackups));
    version = 1;
    bool full = backups.size() == kMaxBackups;
    if (!backups.empty()) {
      version = CellInt(backups[0][KeyBackups::kVersion]) + 1;
      if (IsDeleted(backups[0])) {
        full = false;
        batch.DeleteRow(kKeyBackups, {std::string(user_id), version - 1});
      }
    }
    MC_ASSIGN_OR_RETURN(const LostTimes lost, LostTimes::Read(snapshot));
    version = std::max(version, lost.first_number());
    if (full) return TooLarge("There are too many backups: delete one first");
    batch.InsertRow(
        kKeyBackups,
        {std::string(user_id), version, std::string(algorithm),
         std::string(auth_data.raw()), int64_t{0}, int64_t{0}, int64_t{0}});
    return OkStatus();
  };
  MutexLock lock(LockOf(user_id));
  MC_RETURN_IF_ERROR(Transact(store_, attempt).status());
  return version;
}

Result<KeyBackupInfo> KeyBackupService::Get(
    std::string_view user_id, std::optional<std::string_view> version) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const Row row,
                      version ? FindBackup(*snapshot, user_id, *version)
                              : FindCurrent(*snapshot, user_id));
  return ToInfo(row);
}

Status KeyBackupService::Update(std::string_view user_id,
                                std::string_view version,
                                std::string_view algorithm,
                                json::Value auth_data) {
  if (auth_data.raw().size() > kMaxAuthDataBytes) {
    return TooLarge("The backup's description is too large");
  }
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const Row row, FindBackup(snapshot, user_id, version));
    if (CellText(row[KeyBackups::kAlgorithm]) != algorithm) {
      return Invalid("M_INVALID_PARAM", "Algorithm does not match");
    }
    const Row key = {row[KeyBackups::kUser], row[KeyBackups::kVersion]};
    for (const uint32_t column : {KeyBackups::kEtag, KeyBackups::kDeleted}) {
      batch.Require(
          WriteBatch::ColumnEquals{&kKeyBackups, key, column, row[column]});
    }
    BatchRow changed = ToBatchRow(row);
    changed[KeyBackups::kAuthData] = std::string(auth_data.raw());
    batch.PutRow(kKeyBackups, std::move(changed));
    return OkStatus();
  };
  MutexLock lock(LockOf(user_id));
  return Transact(store_, attempt).status();
}

Status KeyBackupService::Delete(std::string_view user_id,
                                std::string_view version) {
  const int64_t number = ParseVersion(version);
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> last,
                        Newest(snapshot, user_id, 1));
    const int64_t newest =
        last.empty() ? 0 : CellInt(last[0][KeyBackups::kVersion]);
    if (number == 0 || number > newest) return NoSuchBackup();
    if (number < newest) {
      batch.DeleteRow(kKeyBackups, {std::string(user_id), number});
      return OkStatus();
    }
    if (IsDeleted(last[0])) return OkStatus();
    BatchRow deleted = ToBatchRow(last[0]);
    deleted[KeyBackups::kAuthData] = std::string();
    deleted[KeyBackups::kCount] = int64_t{0};
    deleted[KeyBackups::kDeleted] = int64_t{1};
    batch.PutRow(kKeyBackups, std::move(deleted));
    // It must still be the newest one.
    batch.Require(
        WriteBatch::RowAbsent{&kKeyBackups, {TextCell(user_id), number + 1}});
    return OkStatus();
  };
  {
    MutexLock lock(LockOf(user_id));
    MC_RETURN_IF_ERROR(Transact(store_, attempt).status());
  }
  // Nobody writes or reads there any more.  Also for one that was deleted
  // before: that may have been cut short.
  return RemoveKeys(user_id, number);
}

// Page by page, so that no batch holds up the others for long.
Status KeyBackupService::RemoveKeys(std::string_view user_id, int64_t version) {
  for (;;) {
    WriteBatch batch;
    size_t removed = 0;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(
          removed, AddRemoval(*snapshot, batch, {TextCell(user_id), version}));
    }
    if (removed > 0) {
      MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
    }
    if (removed < kPage) return OkStatus();
  }
}

// --- Keys ---

Result<KeyBackupService::Change> KeyBackupService::Put(
    const Place& place, json::Value body, std::optional<int64_t>* current) {
  current->reset();
  MC_ASSIGN_OR_RETURN(const std::vector<UploadedKey> keys,
                      ParseKeys(place, body));
  Change change;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const Row backup, FindCurrent(snapshot, place.user_id));
    const KeyBackupInfo info = ToInfo(backup);
    if (info.version != ParseVersion(place.version)) {
      *current = info.version;
      return Status(StatusCode::kFailedPrecondition,
                    "M_WRONG_ROOM_KEYS_VERSION",
                    "This is not the current backup");
    }
    change = {.count = info.count, .etag = info.etag};
    std::vector<Row> places;
    places.reserve(keys.size());
    for (const UploadedKey& key : keys) {
      places.push_back({backup[KeyBackups::kUser], info.version, key.room_id,
                        key.session_id});
    }
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> stored,
                        snapshot.GetMany(kBackedUpKeys, places));
    int64_t added = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      const UploadedKey& key = keys[i];
      if (stored[i] &&
          !IsBetter(key, CellInt((*stored[i])[BackedUpKeys::kVerified]) != 0,
                    CellInt((*stored[i])[BackedUpKeys::kFirstIndex]),
                    CellInt((*stored[i])[BackedUpKeys::kForwarded]))) {
        continue;
      }
      if (!stored[i]) ++added;
      batch.PutRow(kBackedUpKeys,
                   {std::string(place.user_id), info.version, key.room_id,
                    key.session_id, key.first_index, key.forwarded,
                    int64_t{key.verified ? 1 : 0}, key.json});
    }
    if (batch.empty()) return OkStatus();
    if (added > 0 && info.count + added > options_.max_keys) {
      return TooLarge("The backup is full");
    }
    change = AddChange(batch, backup, added);
    return OkStatus();
  };
  MutexLock lock(LockOf(place.user_id));
  MC_RETURN_IF_ERROR(Transact(store_, attempt).status());
  return change;
}

Result<std::string> KeyBackupService::GetKeys(const Place& place) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const Row backup,
                      FindBackup(*snapshot, place.user_id, place.version));
  const Row prefix = PrefixOf(place, CellInt(backup[KeyBackups::kVersion]));
  if (!place.session_id.empty()) {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> key,
                        snapshot->Get(kBackedUpKeys, prefix));
    if (!key) {
      return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such key");
    }
    return std::string(CellText((*key)[BackedUpKeys::kJson]));
  }
  std::string out;
  json::Writer w(&out);
  if (!place.room_id.empty()) {
    MC_RETURN_IF_ERROR(WriteSessions(w, *snapshot, prefix));
    return out;
  }
  w.BeginObject().Key("rooms").BeginObject();
  for (std::string room;;) {
    MC_ASSIGN_OR_RETURN(room, NextRoom(*snapshot, prefix, room));
    if (room.empty()) break;
    w.Key(room);
    Row of_room = prefix;
    of_room.emplace_back(room);
    MC_RETURN_IF_ERROR(WriteSessions(w, *snapshot, of_room));
  }
  w.EndObject().EndObject();
  return out;
}

Result<KeyBackupService::Change> KeyBackupService::DeleteKeys(
    const Place& place) {
  Change change;
  size_t removed = 0;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const Row backup,
                        FindBackup(snapshot, place.user_id, place.version));
    const KeyBackupInfo info = ToInfo(backup);
    change = {.count = info.count, .etag = info.etag};
    MC_ASSIGN_OR_RETURN(
        removed, AddRemoval(snapshot, batch, PrefixOf(place, info.version)));
    if (removed > 0) {
      change = AddChange(batch, backup, -static_cast<int64_t>(removed));
    }
    return OkStatus();
  };
  do {
    MutexLock lock(LockOf(place.user_id));
    MC_RETURN_IF_ERROR(Transact(store_, attempt).status());
  } while (removed == kPage);
  return change;
}

}  // namespace matrixcore
