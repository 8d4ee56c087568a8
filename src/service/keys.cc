#include "matrixcore/service/keys.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "service/key_answers.h"
#include "service/key_claims.h"
#include "service/key_signatures.h"
#include "service/key_upload.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::ClaimedKeys;
using tables::DeviceKeys;
using tables::FallbackKeys;
using tables::kClaimedKeys;
using tables::kDeviceKeys;
using tables::kDeviceListChanges;
using tables::kDevices;
using tables::kFallbackKeys;
using tables::kKeyCountChanges;
using tables::kOneTimeKeyCounts;
using tables::kOneTimeKeys;
using tables::OneTimeKeyCounts;
using tables::OneTimeKeys;

// Remembered claims that one upload forgets.
constexpr size_t kForgottenAtOnce = 500;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status TooLarge(std::string message) {
  return Status(StatusCode::kTooLarge, "M_TOO_LARGE", std::move(message));
}

Result<bool> SameJson(std::string_view a, std::string_view b) {
  MC_ASSIGN_OR_RETURN(const json::Document left, json::Document::ParseView(a));
  MC_ASSIGN_OR_RETURN(const json::Document right, json::Document::ParseView(b));
  return json::Equal(left.root(), right.root());
}

// What a device has before an upload.
struct Stock {
  std::map<std::string, std::string, std::less<>> one_time_keys =
      {};                                                      // Id, JSON.
  std::map<std::string, int64_t, std::less<>> uploaded = {};   // By algorithm.
  std::map<std::string, Row, std::less<>> fallback_keys = {};  // By algorithm.
  // What was given away, by id; long ago: then it is to be forgotten.
  struct Claimed {
    std::string public_key;
    bool long_ago = false;
  };
  std::map<std::string, Claimed, std::less<>> claimed = {};
  bool new_device = false;
};

// One upload, turned into the rows of a batch.
class Uploader {
 public:
  Uploader(const std::string& user_id, const std::string& device_id,
           WriteBatch& batch)
      : user_(user_id), device_(device_id), batch_(batch) {}

  // `stock` is that of the device.
  Status AddKeys(const KeyUpload& upload, const Stock& stock) {
    MC_RETURN_IF_ERROR(AddOneTimeKeys(upload.one_time_keys, stock));
    size_t algorithms = stock.fallback_keys.size();
    for (const UploadedKey& key : upload.fallback_keys) {
      const auto old = stock.fallback_keys.find(key.algorithm);
      if (old == stock.fallback_keys.end()) {
        ++algorithms;
      } else {
        // Uploading the present key again does not make it unused.
        MC_ASSIGN_OR_RETURN(const bool same, SameFallback(old->second, key));
        if (same) continue;
      }
      batch_.PutRow(kFallbackKeys, {user_, device_, key.algorithm, key.key_id,
                                    key.json, int64_t{0}});
    }
    if (algorithms > KeyService::kMaxFallbackAlgorithms) {
      return TooLarge("The device has too many fallback keys");
    }
    return OkStatus();
  }

  // Whether the device keys are news.
  Result<bool> AddDeviceKeys(const std::string& json,
                             const std::optional<Row>& old) {
    std::string now = json;
    if (old) {
      MC_ASSIGN_OR_RETURN(
          const json::Document stored,
          json::Document::ParseView(CellText((*old)[DeviceKeys::kJson])));
      MC_ASSIGN_OR_RETURN(const json::Document keys,
                          json::Document::ParseView(json));
      // The same keys keep the signatures that they have got meanwhile.
      if (SignedPart(stored.root()) == SignedPart(keys.root())) {
        now = WithSignaturesOf(stored.root(), keys.root());
        MC_ASSIGN_OR_RETURN(const json::Document merged,
                            json::Document::ParseView(now));
        if (json::Equal(merged.root(), stored.root())) return false;
      }
    }
    batch_.PutRow(kDeviceKeys, {user_, device_, std::move(now)});
    batch_.PutRow(kDeviceListChanges, {user_, batch_.NewPosition()});
    return true;
  }

 private:
  // Keys that are there already are no news; the same id for another key is an
  // error.
  Status AddOneTimeKeys(const std::vector<UploadedKey>& keys,
                        const Stock& stock) {
    std::map<std::string, int64_t> added;
    std::optional<PositionRef> position;
    int64_t index = 0;
    for (const UploadedKey& key : keys) {
      if (const auto old = stock.one_time_keys.find(key.key_id);
          old != stock.one_time_keys.end()) {
        MC_ASSIGN_OR_RETURN(const bool same, SameJson(old->second, key.json));
        if (same) continue;
        return Status(
            StatusCode::kInvalidArgument, "M_INVALID_PARAM",
            fmt::format("One-time key {} already exists", key.key_id));
      }
      const auto claimed = stock.claimed.find(key.key_id);
      const bool reused = claimed != stock.claimed.end();
      if (reused && !claimed->second.long_ago &&
          claimed->second.public_key == key.public_key) {
        continue;
      }
      // It may be uploaded and given away at the same time, by a request that
      // is repeated before the first answer.
      const Row place = {user_, device_, key.key_id};
      if (reused) {
        batch_.Require(WriteBatch::ColumnEquals{&kClaimedKeys, place,
                                                ClaimedKeys::kKey,
                                                claimed->second.public_key});
      } else if (!stock.new_device) {
        batch_.Require(WriteBatch::RowAbsent{&kClaimedKeys, place});
      }
      if (!position) position = batch_.NewPosition();
      batch_.InsertRow(kOneTimeKeys, {user_, device_, key.algorithm, *position,
                                      index++, key.key_id, key.json});
      ++added[key.algorithm];
    }
    if (static_cast<int64_t>(stock.one_time_keys.size()) + index >
        KeyService::kMaxOneTimeKeys) {
      return TooLarge("The device has too many one-time keys");
    }
    for (const auto& [algorithm, more] : added) {
      const auto uploaded = stock.uploaded.find(algorithm);
      AddCount(algorithm, more,
               uploaded == stock.uploaded.end()
                   ? std::nullopt
                   : std::optional<int64_t>(uploaded->second));
    }
    return OkStatus();
  }

  // `uploaded`: by the device's row, if it has one.  What another upload has
  // added meanwhile was not looked at, so the batch requires that there is
  // none.
  void AddCount(const std::string& algorithm, int64_t more,
                std::optional<int64_t> uploaded) {
    if (!uploaded) {
      return batch_.InsertRow(kOneTimeKeyCounts,
                              {user_, device_, algorithm, more, more});
    }
    const Row place = {user_, device_, algorithm};
    batch_.Require(WriteBatch::ColumnEquals{
        &kOneTimeKeyCounts, place, OneTimeKeyCounts::kUploaded, *uploaded});
    for (const auto column :
         {OneTimeKeyCounts::kCount, OneTimeKeyCounts::kUploaded}) {
      batch_.AddTo(kOneTimeKeyCounts, ToBatchRow(place), column, more);
    }
  }

  static Result<bool> SameFallback(const Row& old, const UploadedKey& key) {
    if (CellText(old[FallbackKeys::kKeyId]) != key.key_id) return false;
    return SameJson(CellText(old[FallbackKeys::kJson]), key.json);
  }

  const std::string& user_;
  const std::string& device_;
  WriteBatch& batch_;
};

// What was given away of a device's keys.  Claims from so long ago that no
// upload of their keys can be on its way are to be forgotten.
Status ReadClaims(Snapshot& snapshot, const Row& device, Timestamp now,
                  Stock* stock) {
  const int64_t limit =
      now.ms - std::chrono::duration_cast<std::chrono::milliseconds>(
                   KeyService::kClaimsRemembered)
                   .count();
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> claims,
      snapshot.Scan({.table = &kClaimedKeys, .prefix = device}));
  size_t old = 0;
  for (const Row& claim : claims) {
    const bool long_ago =
        CellInt(claim[ClaimedKeys::kTs]) <= limit && old++ < kForgottenAtOnce;
    stock->claimed.emplace(
        CellText(claim[ClaimedKeys::kKeyId]),
        Stock::Claimed{std::string(CellText(claim[ClaimedKeys::kKey])),
                       long_ago});
  }
  return OkStatus();
}

Result<Stock> ReadStock(Snapshot& snapshot, const Session& session,
                        const KeyUpload& upload, Timestamp now) {
  Stock stock;
  const Row device = {session.user_id, session.device_id};
  if (!upload.one_time_keys.empty()) {
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> keys,
        snapshot.Scan({.table = &kOneTimeKeys, .prefix = device}));
    for (const Row& key : keys) {
      stock.one_time_keys.emplace(CellText(key[OneTimeKeys::kKeyId]),
                                  CellText(key[OneTimeKeys::kJson]));
    }
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> counts,
        snapshot.Scan({.table = &kOneTimeKeyCounts, .prefix = device}));
    for (const Row& count : counts) {
      stock.uploaded.emplace(CellText(count[OneTimeKeyCounts::kAlgorithm]),
                             CellInt(count[OneTimeKeyCounts::kUploaded]));
    }
    MC_RETURN_IF_ERROR(ReadClaims(snapshot, device, now, &stock));
  }
  if (!upload.fallback_keys.empty()) {
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> keys,
        snapshot.Scan({.table = &kFallbackKeys, .prefix = device}));
    for (Row& key : keys) {
      std::string algorithm(CellText(key[FallbackKeys::kAlgorithm]));
      stock.fallback_keys.emplace(std::move(algorithm), std::move(key));
    }
  }
  return stock;
}

}  // namespace

KeyService::KeyService(Deps deps, AccountService& accounts)
    : deps_(std::move(deps)),
      accounts_(accounts),
      claims_(std::make_unique<KeyClaims>(deps_.store, deps_.clock,
                                          deps_.notifier)) {
  accounts.OnDeviceDeleted([](WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id) {
    for (const TableSpec* table :
         {&kDeviceKeys, &kOneTimeKeys, &kOneTimeKeyCounts, &kKeyCountChanges,
          &kClaimedKeys, &kFallbackKeys}) {
      batch.DeleteRows(*table, {user_id, device_id});
    }
  });
}

KeyService::~KeyService() = default;

Result<KeyService::Counts> KeyService::Upload(const Session& session,
                                              json::Value body) {
  MC_ASSIGN_OR_RETURN(const KeyUpload upload,
                      ParseKeyUpload(body, session.user_id, session.device_id));
  bool news = false;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    Uploader uploader(session.user_id, session.device_id, batch);
    if (upload.device_keys) {
      MC_ASSIGN_OR_RETURN(
          const std::optional<Row> old,
          snapshot.Get(kDeviceKeys, {session.user_id, session.device_id}));
      MC_ASSIGN_OR_RETURN(news,
                          uploader.AddDeviceKeys(*upload.device_keys, old));
    }
    MC_ASSIGN_OR_RETURN(const Stock stock, ReadStock(snapshot, session, upload,
                                                     deps_.clock.Now()));
    MC_RETURN_IF_ERROR(uploader.AddKeys(upload, stock));
    if (batch.empty()) return OkStatus();
    for (const auto& [id, claimed] : stock.claimed) {
      if (!claimed.long_ago) continue;
      batch.DeleteRow(kClaimedKeys, {session.user_id, session.device_id, id});
    }
    batch.Require(WriteBatch::RowPresent{&kDevices,
                                         {session.user_id, session.device_id}});
    return OkStatus();
  };
  const Status done = Transact(deps_.store, attempt).status();
  if (news && MayBeWritten(done)) accounts_.DeviceListChanged(session.user_id);
  MC_RETURN_IF_ERROR(done);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  return OneTimeKeyCounts(*snapshot, session.user_id, session.device_id);
}

Status KeyService::AddNewDevice(const std::string& user_id,
                                const std::string& device_id, json::Value body,
                                WriteBatch& batch) {
  MC_ASSIGN_OR_RETURN(const KeyUpload upload,
                      ParseKeyUpload(body, user_id, device_id));
  Uploader uploader(user_id, device_id, batch);
  if (upload.device_keys) {
    MC_RETURN_IF_ERROR(
        uploader.AddDeviceKeys(*upload.device_keys, std::nullopt).status());
  }
  return uploader.AddKeys(upload, Stock{.new_device = true});
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

Result<bool> KeyService::LostKeysSince(Snapshot& snapshot,
                                       std::string_view user_id,
                                       std::string_view device_id,
                                       Position since) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(kKeyCountChanges, {TextCell(user_id), TextCell(device_id)}));
  return row && CellInt((*row)[tables::KeyCountChanges::kPos]) > since;
}

// --- Claims ---

namespace {

// Everything is checked before the first key is taken.
Status CheckClaims(json::Value users) {
  if (!users.IsObject()) return BadJson("'one_time_keys' must be an object");
  size_t claims = 0;
  for (const json::Value devices : users) {
    if (!devices.IsObject()) {
      return BadJson("'one_time_keys' must hold objects");
    }
    for (const json::Value algorithm : devices) {
      if (!algorithm.IsString()) return BadJson("algorithms must be strings");
      ++claims;
    }
  }
  if (claims > KeyService::kMaxClaims) return TooLarge("Too many claims");
  return OkStatus();
}

// {"user": {"device": {"key id": key}}}
void WriteClaimed(json::Writer& w, std::span<const KeyClaim> claims) {
  std::map<std::string_view, std::map<std::string_view, const KeyClaim*>> given;
  for (const KeyClaim& claim : claims) {
    if (!claim.key_id.empty()) given[claim.user_id][claim.device_id] = &claim;
  }
  w.BeginObject();
  for (const auto& [user, devices] : given) {
    w.Key(user).BeginObject();
    for (const auto& [device, claim] : devices) {
      w.Key(device).BeginObject();
      w.RawField(claim->key_id, claim->json).EndObject();
    }
    w.EndObject();
  }
  w.EndObject();
}

}  // namespace

Result<std::string> KeyService::Claim(json::Value body) {
  MC_RETURN_IF_ERROR(CheckTimeout(body));
  const json::Value users = body["one_time_keys"];
  MC_RETURN_IF_ERROR(CheckClaims(users));
  std::set<std::string> unreachable;
  // By user and device: a repeated name is one claim, the last one.
  std::map<std::pair<std::string, std::string>, std::string> wanted;
  for (const auto& [user_id, devices] : users.members()) {
    if (!IsUserId(user_id)) continue;
    if (DomainOf(user_id) != deps_.server_name) {
      unreachable.emplace(DomainOf(user_id));
      continue;
    }
    for (const auto& [device, algorithm] : devices.members()) {
      wanted[{std::string(user_id), std::string(device)}] =
          algorithm.StringOr("");
    }
  }
  std::vector<KeyClaim> claims;
  claims.reserve(wanted.size());
  for (const auto& [device, algorithm] : wanted) {
    claims.push_back({device.first, device.second, algorithm});
  }
  MC_RETURN_IF_ERROR(claims_->Give(claims));
  std::string out;
  json::Writer w(&out);
  w.BeginObject().Key("one_time_keys");
  WriteClaimed(w, claims);
  WriteFailures(w, unreachable);
  w.EndObject();
  return out;
}

}  // namespace matrixcore
