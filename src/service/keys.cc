#include "matrixcore/service/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/e2ee_tables.h"
#include "service/key_upload.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::DeviceKeys;
using tables::Devices;
using tables::FallbackKeys;
using tables::kDeviceKeys;
using tables::kDeviceListChanges;
using tables::kDevices;
using tables::kFallbackKeys;
using tables::kKeySignatures;
using tables::kOneTimeKeyCounts;
using tables::kOneTimeKeys;
using tables::OneTimeKeys;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Result<bool> SameJson(std::string_view a, std::string_view b) {
  MC_ASSIGN_OR_RETURN(const json::Document left, json::Document::ParseView(a));
  MC_ASSIGN_OR_RETURN(const json::Document right, json::Document::ParseView(b));
  return json::Equal(left.root(), right.root());
}

// One upload, turned into the rows of a batch.
class Uploader {
 public:
  Uploader(const std::string& user_id, const std::string& device_id,
           Snapshot& snapshot, WriteBatch& batch)
      : user_(user_id),
        device_(device_id),
        snapshot_(snapshot),
        batch_(batch) {}

  Status Add(const KeyUpload& upload) {
    if (upload.device_keys) MC_RETURN_IF_ERROR(AddDevice(*upload.device_keys));
    MC_RETURN_IF_ERROR(AddOneTimeKeys(upload.one_time_keys));
    for (const UploadedKey& key : upload.fallback_keys) {
      MC_RETURN_IF_ERROR(AddFallback(key));
    }
    return OkStatus();
  }

 private:
  Status AddDevice(const std::string& json) {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> old,
                        snapshot_.Get(kDeviceKeys, {user_, device_}));
    if (old) {
      MC_ASSIGN_OR_RETURN(const bool same,
                          SameJson(CellText((*old)[DeviceKeys::kJson]), json));
      if (same) return OkStatus();
    }
    // They are signatures of the keys that were.
    if (old) batch_.DeleteRows(kKeySignatures, {user_, device_});
    batch_.PutRow(kDeviceKeys, {user_, device_, json});
    batch_.PutRow(kDeviceListChanges, {user_, batch_.NewPosition()});
    return OkStatus();
  }

  // Keys that are there already are no news; the same id for another key is an
  // error.
  Status AddOneTimeKeys(const std::vector<UploadedKey>& keys) {
    std::map<std::string, int64_t> added;
    std::optional<PositionRef> position;
    int64_t index = 0;
    for (const UploadedKey& key : keys) {
      MC_ASSIGN_OR_RETURN(
          const std::optional<Row> old,
          FindByIndex(snapshot_, kOneTimeKeys, OneTimeKeys::kByKeyId,
                      {user_, device_, key.algorithm, key.key_id}));
      if (old) {
        MC_ASSIGN_OR_RETURN(
            const bool same,
            SameJson(CellText((*old)[OneTimeKeys::kJson]), key.json));
        if (same) continue;
        return Status(
            StatusCode::kInvalidArgument, "M_INVALID_PARAM",
            fmt::format("One-time key {} already exists", key.key_id));
      }
      if (!position) position = batch_.NewPosition();
      batch_.InsertRow(kOneTimeKeys, {user_, device_, key.algorithm, *position,
                                      index++, key.key_id, key.json});
      ++added[key.algorithm];
    }
    for (const auto& [algorithm, count] : added) {
      MC_RETURN_IF_ERROR(AddCount(algorithm, count));
    }
    return OkStatus();
  }

  Status AddCount(const std::string& algorithm, int64_t more) {
    const Row key = {user_, device_, algorithm};
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot_.Get(kOneTimeKeyCounts, key));
    const int64_t count =
        row ? CellInt((*row)[tables::OneTimeKeyCounts::kCount]) : 0;
    if (count + more > KeyService::kMaxOneTimeKeys) {
      return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                    "The device has too many one-time keys");
    }
    if (row) {
      batch_.Require(WriteBatch::RowPresent{&kOneTimeKeyCounts, key});
      batch_.AddTo(kOneTimeKeyCounts, {user_, device_, algorithm},
                   tables::OneTimeKeyCounts::kCount, more);
    } else {
      batch_.InsertRow(kOneTimeKeyCounts, {user_, device_, algorithm, more});
    }
    return OkStatus();
  }

  // Uploading the present key again does not make it unused.
  Status AddFallback(const UploadedKey& key) {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> old,
        snapshot_.Get(kFallbackKeys, {user_, device_, key.algorithm}));
    if (old && CellText((*old)[FallbackKeys::kKeyId]) == key.key_id) {
      MC_ASSIGN_OR_RETURN(
          const bool same,
          SameJson(CellText((*old)[FallbackKeys::kJson]), key.json));
      if (same) return OkStatus();
    }
    batch_.PutRow(kFallbackKeys, {user_, device_, key.algorithm, key.key_id,
                                  key.json, int64_t{0}});
    return OkStatus();
  }

  const std::string& user_;
  const std::string& device_;
  Snapshot& snapshot_;
  WriteBatch& batch_;
};

// {"server": {}} for each server of `servers`.
void WriteFailures(json::Writer& w, const std::set<std::string>& servers) {
  w.Key("failures").BeginObject();
  for (const std::string& server : servers) w.RawField(server, "{}");
  w.EndObject();
}

}  // namespace

KeyService::KeyService(Deps deps, AccountService& accounts)
    : deps_(std::move(deps)), accounts_(accounts) {
  accounts.OnDeviceDeleted([](WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id) {
    for (const TableSpec* table :
         {&kDeviceKeys, &kOneTimeKeys, &kOneTimeKeyCounts, &kFallbackKeys,
          &kKeySignatures}) {
      batch.DeleteRows(*table, {user_id, device_id});
    }
  });
}

Result<KeyService::Counts> KeyService::Upload(const Session& session,
                                              json::Value body) {
  MC_ASSIGN_OR_RETURN(const KeyUpload upload,
                      ParseKeyUpload(body, session.user_id, session.device_id));
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_RETURN_IF_ERROR(
        Uploader(session.user_id, session.device_id, snapshot, batch)
            .Add(upload));
    if (batch.empty()) return OkStatus();
    batch.Require(WriteBatch::RowPresent{&kDevices,
                                         {session.user_id, session.device_id}});
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(deps_.store, attempt));
  if (upload.device_keys) accounts_.DeviceListChanged(session.user_id);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  return OneTimeKeyCounts(*snapshot, session.user_id, session.device_id);
}

Status KeyService::AddNewDevice(const std::string& user_id,
                                const std::string& device_id, json::Value body,
                                Snapshot& snapshot, WriteBatch& batch) {
  MC_ASSIGN_OR_RETURN(const KeyUpload upload,
                      ParseKeyUpload(body, user_id, device_id));
  return Uploader(user_id, device_id, snapshot, batch).Add(upload);
}

Result<KeyService::Counts> KeyService::OneTimeKeyCounts(
    Snapshot& snapshot, std::string_view user_id, std::string_view device_id) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &kOneTimeKeyCounts,
                     .prefix = {TextCell(user_id), TextCell(device_id)}}));
  Counts counts;
  for (const Row& row : rows) {
    counts.emplace(CellText(row[tables::OneTimeKeyCounts::kAlgorithm]),
                   CellInt(row[tables::OneTimeKeyCounts::kCount]));
  }
  return counts;
}

Result<std::vector<std::string>> KeyService::UnusedFallbackAlgorithms(
    Snapshot& snapshot, std::string_view user_id, std::string_view device_id) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &kFallbackKeys,
                     .prefix = {TextCell(user_id), TextCell(device_id)}}));
  std::vector<std::string> algorithms;
  for (const Row& row : rows) {
    if (CellInt(row[FallbackKeys::kUsed]) == 0) {
      algorithms.emplace_back(CellText(row[FallbackKeys::kAlgorithm]));
    }
  }
  return algorithms;
}

namespace {

// The devices of one user that a query names: all of them for an empty list.
// (Clients also send an empty object for an empty list.)
Result<std::vector<std::string>> QueriedDevices(json::Value list) {
  std::vector<std::string> devices;
  if (list.IsObject() && list.empty()) return devices;
  if (!list.IsArray()) return BadJson("'device_keys' must hold arrays");
  for (const json::Value device : list) {
    if (!device.IsString()) return BadJson("device ids must be strings");
    devices.emplace_back(*device.AsString());
  }
  return devices;
}

// {"device": keys with unsigned.device_display_name} of a local user.
Status WriteDeviceKeys(json::Writer& w, Snapshot& snapshot,
                       std::string_view user_id,
                       const std::vector<std::string>& wanted,
                       const CrossSigningService::Signatures& signatures) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &kDeviceKeys, .prefix = {TextCell(user_id)}}));
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> devices,
      snapshot.Scan({.table = &kDevices, .prefix = {TextCell(user_id)}}));
  std::map<std::string_view, const Cell*> names;
  for (const Row& row : devices) {
    names.emplace(CellText(row[Devices::kDevice]), &row[Devices::kDisplayName]);
  }
  w.BeginObject();
  for (const Row& row : rows) {
    const std::string_view device = CellText(row[DeviceKeys::kDevice]);
    if (!wanted.empty() &&
        std::find(wanted.begin(), wanted.end(), device) == wanted.end()) {
      continue;
    }
    MC_ASSIGN_OR_RETURN(
        const json::Document keys,
        json::Document::ParseView(CellText(row[DeviceKeys::kJson])));
    json::Object object = json::Object::From(keys.root());
    json::Object extra;
    if (const auto name = names.find(device);
        name != names.end() && !IsNull(*name->second)) {
      extra.SetString("device_display_name", CellText(*name->second));
    }
    object.SetRaw("unsigned", extra.ToJson());
    if (const auto more = signatures.find(device); more != signatures.end()) {
      object.SetRaw("signatures", CrossSigningService::MergedSignatures(
                                      keys.root(), more->second));
    }
    w.RawField(device, object.ToJson());
  }
  w.EndObject();
  return OkStatus();
}

// The answer's three maps of cross-signing keys, as members of the open object.
struct IdentityKeys {
  std::string master = {};
  std::string self_signing = {};
  std::string user_signing = {};

  void Add(std::string_view user_id, const CrossSigningService::Keys& keys) {
    Append(&master, user_id, keys.master);
    Append(&self_signing, user_id, keys.self_signing);
    Append(&user_signing, user_id, keys.user_signing);
  }
  void Write(json::Writer& w) const {
    Write(w, "master_keys", master);
    Write(w, "self_signing_keys", self_signing);
    Write(w, "user_signing_keys", user_signing);
  }

 private:
  static void Write(json::Writer& w, std::string_view name,
                    const std::string& members) {
    if (members.empty()) return;
    w.Key(name).BeginObject().RawMembers(members).EndObject();
  }
  static void Append(std::string* members, std::string_view user_id,
                     const std::string& key) {
    if (key.empty()) return;
    if (!members->empty()) members->push_back(',');
    json::AppendString(members, user_id);
    members->append(":").append(key);
  }
};

}  // namespace

Result<std::string> KeyService::Query(std::string_view asker,
                                      json::Value body) {
  const json::Value users = body["device_keys"];
  if (!users.IsObject()) return BadJson("'device_keys' must be an object");
  if (const json::Value timeout = body["timeout"];
      timeout && !timeout.IsNull() && !timeout.IsInteger()) {
    return BadJson("'timeout' must be an integer");
  }
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  std::set<std::string> unreachable;
  IdentityKeys identities;
  std::string out;
  json::Writer w(&out);
  w.BeginObject().Key("device_keys").BeginObject();
  for (const auto& [user_id, list] : users.members()) {
    MC_ASSIGN_OR_RETURN(const std::vector<std::string> wanted,
                        QueriedDevices(list));
    if (!IsUserId(user_id)) continue;
    if (DomainOf(user_id) != deps_.server_name) {
      unreachable.emplace(DomainOf(user_id));
      continue;
    }
    w.Key(user_id);
    MC_ASSIGN_OR_RETURN(
        const CrossSigningService::Signatures signatures,
        CrossSigningService::ReadSignatures(*snapshot, user_id, asker));
    MC_RETURN_IF_ERROR(
        WriteDeviceKeys(w, *snapshot, user_id, wanted, signatures));
    MC_ASSIGN_OR_RETURN(
        const CrossSigningService::Keys keys,
        CrossSigningService::Read(*snapshot, user_id, asker, signatures));
    identities.Add(user_id, keys);
  }
  w.EndObject();
  identities.Write(w);
  WriteFailures(w, unreachable);
  w.EndObject();
  return out;
}

// Takes the oldest one-time key, else the fallback key; nothing if there is
// neither.  The batch requires that the key is still there, so that no two
// claims ever get the same one.
Result<std::vector<KeyService::ClaimedKey>> KeyService::ClaimOne(
    std::string_view user_id, std::string_view device_id,
    std::string_view algorithm) {
  const Row prefix = {TextCell(user_id), TextCell(device_id),
                      TextCell(algorithm)};
  MutexLock lock(
      claim_locks_[(StringHash{}(user_id) ^ StringHash{}(device_id)) %
                   kClaimLocks]);
  std::vector<ClaimedKey> claimed;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    claimed.clear();
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> oldest,
        snapshot.Scan({.table = &kOneTimeKeys, .prefix = prefix, .limit = 1}));
    if (!oldest.empty()) {
      const Row& row = oldest[0];
      const Row key(row.begin(), row.begin() + kOneTimeKeys.key_columns);
      batch.Require(WriteBatch::RowPresent{&kOneTimeKeys, key});
      batch.DeleteRow(kOneTimeKeys, ToBatchRow(key));
      batch.AddTo(kOneTimeKeyCounts, ToBatchRow(prefix),
                  tables::OneTimeKeyCounts::kCount, -1);
      claimed.push_back({std::string(CellText(row[OneTimeKeys::kKeyId])),
                         std::string(CellText(row[OneTimeKeys::kJson]))});
      return OkStatus();
    }
    MC_ASSIGN_OR_RETURN(const std::optional<Row> fallback,
                        snapshot.Get(kFallbackKeys, prefix));
    if (!fallback) return OkStatus();
    claimed.push_back(
        {std::string(CellText((*fallback)[FallbackKeys::kKeyId])),
         std::string(CellText((*fallback)[FallbackKeys::kJson]))});
    if (CellInt((*fallback)[FallbackKeys::kUsed]) != 0) return OkStatus();
    batch.Require(WriteBatch::ColumnEquals{&kFallbackKeys, prefix,
                                           FallbackKeys::kKeyId,
                                           (*fallback)[FallbackKeys::kKeyId]});
    BatchRow used = ToBatchRow(*fallback);
    used[FallbackKeys::kUsed] = int64_t{1};
    batch.PutRow(kFallbackKeys, std::move(used));
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(deps_.store, attempt));
  return claimed;
}

Result<std::string> KeyService::Claim(json::Value body) {
  const json::Value users = body["one_time_keys"];
  if (!users.IsObject()) return BadJson("'one_time_keys' must be an object");
  // Everything is checked before the first key is taken.
  for (const json::Value devices : users) {
    if (!devices.IsObject())
      return BadJson("'one_time_keys' must hold objects");
    for (const json::Value algorithm : devices) {
      if (!algorithm.IsString()) return BadJson("algorithms must be strings");
    }
  }
  std::set<std::string> unreachable;
  std::string out;
  json::Writer w(&out);
  w.BeginObject().Key("one_time_keys").BeginObject();
  for (const auto& [user_id, devices] : users.members()) {
    if (!IsUserId(user_id)) continue;
    if (DomainOf(user_id) != deps_.server_name) {
      unreachable.emplace(DomainOf(user_id));
      continue;
    }
    std::vector<std::pair<std::string, ClaimedKey>> given;
    for (const auto& [device, algorithm] : devices.members()) {
      MC_ASSIGN_OR_RETURN(std::vector<ClaimedKey> keys,
                          ClaimOne(user_id, device, *algorithm.AsString()));
      for (ClaimedKey& key : keys) given.emplace_back(device, std::move(key));
    }
    if (given.empty()) continue;
    w.Key(user_id).BeginObject();
    for (const auto& [device, key] : given) {
      w.Key(device).BeginObject().RawField(key.key_id, key.json).EndObject();
    }
    w.EndObject();
  }
  w.EndObject();
  WriteFailures(w, unreachable);
  w.EndObject();
  return out;
}

}  // namespace matrixcore
