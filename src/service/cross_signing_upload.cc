// Uploads of cross-signing keys and of signatures.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/e2ee_tables.h"
#include "service/key_signatures.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::CrossSigningKeys;
using tables::DeviceKeys;
using tables::kCrossSigningKeys;
using tables::kDeviceKeys;
using tables::kDeviceListChanges;
using tables::kDevices;
using tables::KeySignatures;
using tables::kKeySignatures;
using tables::kOwnSignatureChanges;

constexpr size_t kMaxKeyBytes = 65536;
constexpr std::string_view kEd25519 = "ed25519:";

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

Status BadSignature(std::string message) {
  return Invalid("M_INVALID_SIGNATURE", std::move(message));
}

std::string KeyId(std::string_view name) {
  return fmt::format("{}{}", kEd25519, name);
}

Result<bool> SameKey(std::string_view stored, json::Value key) {
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(stored));
  const std::string part = SignedPart(key);
  return !part.empty() && SignedPart(document.root()) == part;
}

// --- Keys ---

struct NewKey {
  std::string usage;
  std::string public_key;
  std::string json;
  json::Value value;
  Ed25519PublicKey key{};
};

// What is kept and shown: without what the server says, and with the owner's
// signatures only.
std::string StoredKey(json::Value key, std::string_view user_id) {
  json::Object object = json::Object::From(key);
  object.Erase("unsigned");
  object.Erase("signatures");
  if (const json::Value own = key["signatures"][user_id]; own.IsObject()) {
    json::Object signatures;
    signatures.SetRaw(user_id, std::string(own.raw()));
    object.SetRaw("signatures", signatures.ToJson());
  }
  return object.ToJson();
}

Result<NewKey> ParseKey(json::Value value, std::string_view field,
                        std::string_view user_id) {
  if (!value.IsObject() || !value["keys"].IsObject() ||
      !value["usage"].IsArray()) {
    return Invalid("M_BAD_JSON", fmt::format("'{}' is malformed", field));
  }
  if (value.raw().size() > kMaxKeyBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE", "A key is too large");
  }
  if (value["user_id"].StringOr("") != user_id) {
    return Invalid("M_INVALID_PARAM",
                   fmt::format("'{}.user_id' is not the asking user", field));
  }
  NewKey key;
  key.usage = field.substr(0, field.size() - std::string_view("_key").size());
  bool usable = false;
  for (const json::Value use : value["usage"]) {
    usable = usable || use.StringOr("") == key.usage;
  }
  if (!usable) {
    return Invalid("M_INVALID_PARAM",
                   fmt::format("'{}' is for another usage", field));
  }
  const json::Value keys = value["keys"];
  if (keys.size() == 1) key.public_key = (*keys.begin()).StringOr("");
  const auto parsed = ParseEd25519PublicKey(key.public_key);
  if (!parsed || keys.begin().key() != KeyId(key.public_key)) {
    return Invalid(
        "M_INVALID_PARAM",
        fmt::format("'{}' must hold one ed25519 key, named by itself", field));
  }
  key.key = *parsed;
  key.json = StoredKey(value, user_id);
  key.value = value;
  return key;
}

// One upload of keys, turned into the rows of a batch.
class KeysUpload {
 public:
  static Result<KeysUpload> Parse(json::Value body, std::string_view user_id) {
    KeysUpload upload(user_id);
    for (const std::string_view field :
         {"master_key", "self_signing_key", "user_signing_key"}) {
      const json::Value value = body[field];
      if (value.IsMissing() || value.IsNull()) continue;
      MC_ASSIGN_OR_RETURN(NewKey key, ParseKey(value, field, user_id));
      upload.keys_.push_back(std::move(key));
    }
    return upload;
  }

  bool needs_authentication() const { return needs_authentication_; }
  bool news() const { return !changed_.empty(); }

  Status Add(Snapshot& snapshot, WriteBatch& batch, bool authenticated) {
    changed_.clear();
    needs_authentication_ = false;
    MC_RETURN_IF_ERROR(Load(snapshot));
    MC_RETURN_IF_ERROR(CheckChain());
    for (const NewKey& key : keys_) {
      const Row* old = Stored(key.usage);
      bool same = false;
      if (old != nullptr) {
        MC_ASSIGN_OR_RETURN(
            same,
            SameKey(CellText((*old)[CrossSigningKeys::kJson]), key.value));
      }
      if (!same) changed_.push_back(&key);
    }
    if (changed_.empty()) return OkStatus();
    if (Stored("master") != nullptr && !authenticated) {
      needs_authentication_ = true;
      return OkStatus();
    }
    MC_RETURN_IF_ERROR(CheckIds(snapshot, batch));
    Write(batch);
    return OkStatus();
  }

 private:
  explicit KeysUpload(std::string_view user_id) : user_(user_id) {}

  Status Load(Snapshot& snapshot) {
    MC_ASSIGN_OR_RETURN(stored_, snapshot.Scan({.table = &kCrossSigningKeys,
                                                .prefix = {Cell(user_)}}));
    return OkStatus();
  }
  const Row* Stored(std::string_view usage) const {
    for (const Row& row : stored_) {
      if (CellText(row[CrossSigningKeys::kUsage]) == usage) return &row;
    }
    return nullptr;
  }

  // The master key signs the others.
  Status CheckChain() const {
    std::string master;
    if (!keys_.empty() && keys_[0].usage == "master") {
      master = keys_[0].public_key;
    } else if (const Row* row = Stored("master")) {
      master = CellText((*row)[CrossSigningKeys::kPublicKey]);
    } else {
      return Invalid("M_MISSING_PARAM", "There is no master signing key");
    }
    const auto key = ParseEd25519PublicKey(master);
    for (const NewKey& other : keys_) {
      if (other.usage == "master") continue;
      if (!key || !VerifyJson(other.value, user_, KeyId(master), *key)) {
        return BadSignature(fmt::format(
            "The {} key is not signed by the master key", other.usage));
      }
    }
    return OkStatus();
  }

  Status CheckIds(Snapshot& snapshot, WriteBatch& batch) const {
    std::vector<Row> ids;
    for (const NewKey* key : changed_) ids.push_back({user_, key->public_key});
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> devices,
                        snapshot.GetMany(kDevices, ids));
    for (size_t i = 0; i < ids.size(); ++i) {
      if (devices[i]) {
        return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                      "Key ID in use");
      }
      batch.Require(WriteBatch::RowAbsent{&kDevices, ids[i]});
    }
    return OkStatus();
  }

  void Write(WriteBatch& batch) const {
    for (const std::string_view usage :
         {"master", "self_signing", "user_signing"}) {
      const Row key = {user_, std::string(usage)};
      if (const Row* old = Stored(usage)) {
        batch.Require(WriteBatch::ColumnEquals{
            &kCrossSigningKeys, key, CrossSigningKeys::kJson,
            (*old)[CrossSigningKeys::kJson]});
      } else {
        batch.Require(WriteBatch::RowAbsent{&kCrossSigningKeys, key});
      }
    }
    const bool new_master = changed_[0]->usage == "master";
    bool others_see_it = new_master;
    for (const Row& old : stored_) {
      const std::string_view usage = CellText(old[CrossSigningKeys::kUsage]);
      const bool replaced = std::any_of(
          changed_.begin(), changed_.end(),
          [usage](const NewKey* key) { return key->usage == usage; });
      const bool kept = std::any_of(
          keys_.begin(), keys_.end(),
          [usage](const NewKey& key) { return key.usage == usage; });
      // What the master key before had signed is nobody's any more.
      if (replaced || (new_master && !kept)) {
        batch.DeleteRow(kCrossSigningKeys, {user_, std::string(usage)});
        batch.DeleteRows(
            kKeySignatures,
            {user_, std::string(CellText(old[CrossSigningKeys::kPublicKey]))});
      }
    }
    for (const NewKey& key : keys_) {
      const bool changed =
          std::find(changed_.begin(), changed_.end(), &key) != changed_.end();
      // With a new master key, the others come with its signature.
      if (!changed && !new_master) continue;
      others_see_it = others_see_it || key.usage == "self_signing";
      batch.PutRow(kCrossSigningKeys,
                   {user_, key.usage, key.public_key, key.json});
    }
    if (others_see_it) {
      batch.PutRow(kDeviceListChanges, {user_, batch.NewPosition()});
    } else {
      batch.PutRow(kOwnSignatureChanges, {user_, user_, batch.NewPosition()});
    }
  }

  std::string user_;
  std::vector<NewKey> keys_;  // The master key first.
  std::vector<Row> stored_;
  std::vector<const NewKey*> changed_;
  bool needs_authentication_ = false;
};

// --- Signatures ---

// One upload of signatures, turned into the rows of a batch.
class SignaturesUpload {
 public:
  using Failure = CrossSigningService::Failure;

  SignaturesUpload(const std::string& user_id, const std::string& server_name,
                   Snapshot& snapshot, WriteBatch& batch)
      : user_(user_id),
        server_name_(server_name),
        snapshot_(snapshot),
        batch_(batch) {}

  Status Add(json::Value body) {
    MC_ASSIGN_OR_RETURN(own_, KeysOf(user_));
    for (const auto& [user, objects] : body.members()) {
      for (const auto& [key, object] : objects.members()) {
        const Status judged =
            AddOne(std::string(user), std::string(key), object);
        if (judged.ok()) continue;
        // What is no judgement is a failure of the store.
        if (judged.errcode().empty()) return judged;
        failures_.push_back({std::string(user), std::string(key), judged});
      }
    }
    if (own_news_) {
      batch_.PutRow(kDeviceListChanges, {user_, batch_.NewPosition()});
    }
    return OkStatus();
  }

  std::vector<Failure>& failures() { return failures_; }
  bool own_news() const { return own_news_; }

 private:
  using Keys = std::map<std::string, Row, std::less<>>;  // By usage.
  Result<Keys> KeysOf(const std::string& user) {
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot_.Scan({.table = &kCrossSigningKeys, .prefix = {Cell(user)}}));
    Keys keys;
    for (Row& row : rows) {
      std::string usage(CellText(row[CrossSigningKeys::kUsage]));
      keys.emplace(std::move(usage), std::move(row));
    }
    return keys;
  }

  static std::string_view PublicKey(const Keys& keys, std::string_view usage) {
    const auto it = keys.find(usage);
    return it == keys.end()
               ? std::string_view()
               : CellText(it->second[CrossSigningKeys::kPublicKey]);
  }

  Status AddOne(const std::string& user, const std::string& key,
                json::Value object) {
    if (user != user_) return AddOfOther(user, key, object);
    if (!key.empty() && key == PublicKey(own_, "master")) {
      return AddOfOwnMaster(object);
    }
    MC_ASSIGN_OR_RETURN(const std::optional<Row> device,
                        snapshot_.Get(kDeviceKeys, {user, key}));
    if (!device) return NoSuchKey();
    const std::string_view signer = PublicKey(own_, "self_signing");
    if (signer.empty()) return NoSuchKey();
    MC_RETURN_IF_ERROR(CheckSame((*device)[DeviceKeys::kJson], object));
    return AddToOwn(kDeviceKeys, *device, DeviceKeys::kJson, object,
                    KeyId(signer), signer);
  }

  // Another user's master key, signed by the own user-signing key.
  Status AddOfOther(const std::string& user, const std::string& key,
                    json::Value object) {
    if (!IsUserId(user) || DomainOf(user) != server_name_) return NoSuchKey();
    MC_ASSIGN_OR_RETURN(const Keys theirs, KeysOf(user));
    if (key.empty() || key != PublicKey(theirs, "master")) return NoSuchKey();
    const std::string_view signer = PublicKey(own_, "user_signing");
    if (signer.empty()) return NoSuchKey();
    const Cell& stored = theirs.at("master")[CrossSigningKeys::kJson];
    MC_RETURN_IF_ERROR(CheckSame(stored, object));
    const std::string key_id = KeyId(signer);
    MC_RETURN_IF_ERROR(Verify(object, key_id, signer));
    std::string signature(object["signatures"][user_][key_id].StringOr(""));
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> old,
        snapshot_.Get(kKeySignatures, {user, key, user_, key_id}));
    if (old && CellText((*old)[KeySignatures::kSignature]) == signature) {
      return OkStatus();
    }
    batch_.PutRow(kKeySignatures,
                  {user, key, user_, key_id, std::move(signature)});
    batch_.PutRow(kOwnSignatureChanges, {user_, user, batch_.NewPosition()});
    batch_.Require(WriteBatch::ColumnEquals{&kCrossSigningKeys,
                                            {user, std::string("master")},
                                            CrossSigningKeys::kJson,
                                            stored});
    return OkStatus();
  }

  // The own master key, signed by own devices.
  Status AddOfOwnMaster(json::Value object) {
    const Row& stored = own_.at("master");
    MC_RETURN_IF_ERROR(CheckSame(stored[CrossSigningKeys::kJson], object));
    const json::Value signatures = object["signatures"][user_];
    if (signatures.empty()) return BadSignature("There is no signature");
    for (const auto& [key_id, signature] : signatures.members()) {
      if (!key_id.starts_with(kEd25519)) {
        return BadSignature(fmt::format("'{}' is no ed25519 key", key_id));
      }
      const std::string name(key_id.substr(kEd25519.size()));
      MC_ASSIGN_OR_RETURN(const std::string signer, OwnKey(name));
      MC_RETURN_IF_ERROR(AddToOwn(kCrossSigningKeys, stored,
                                  CrossSigningKeys::kJson, object,
                                  std::string(key_id), signer));
    }
    return OkStatus();
  }

  // The public key that an own key id ("ed25519:NAME") stands for; "" for none.
  Result<std::string> OwnKey(const std::string& name) {
    for (const auto& [usage, row] : own_) {
      if (CellText(row[CrossSigningKeys::kPublicKey]) == name) return name;
    }
    MC_ASSIGN_OR_RETURN(const std::optional<Row> device,
                        snapshot_.Get(kDeviceKeys, {user_, name}));
    if (!device) return std::string();
    MC_ASSIGN_OR_RETURN(
        const json::Document keys,
        json::Document::ParseView(CellText((*device)[DeviceKeys::kJson])));
    return std::string(keys.root()["keys"][KeyId(name)].StringOr(""));
  }

  Status Verify(json::Value object, const std::string& key_id,
                std::string_view public_key) const {
    const auto parsed = ParseEd25519PublicKey(public_key);
    if (parsed && VerifyJson(object, user_, key_id, *parsed)) return OkStatus();
    return BadSignature(fmt::format("No good signature by '{}'", key_id));
  }

  // Puts a signature into a key of the user's own, stored in `row`.
  Status AddToOwn(const TableSpec& table, const Row& row, uint32_t json_column,
                  json::Value object, const std::string& key_id,
                  std::string_view public_key) {
    MC_RETURN_IF_ERROR(Verify(object, key_id, public_key));
    const std::string_view signature =
        object["signatures"][user_][key_id].StringOr("");
    const Row place(row.begin(), row.begin() + table.key_columns);
    // What this upload has put there already.
    const auto known = signed_.find(place);
    const std::string_view stored =
        known == signed_.end() ? CellText(row[json_column]) : known->second;
    MC_ASSIGN_OR_RETURN(const json::Document key,
                        json::Document::ParseView(stored));
    if (key.root()["signatures"][user_][key_id].StringOr("") == signature) {
      return OkStatus();
    }
    std::string more = WithSignature(key.root(), user_, key_id, signature);
    BatchRow changed = ToBatchRow(row);
    changed[json_column] = more;
    batch_.Require(
        WriteBatch::ColumnEquals{&table, place, json_column, row[json_column]});
    batch_.PutRow(table, std::move(changed));
    signed_[place] = std::move(more);
    own_news_ = true;
    return OkStatus();
  }

  static Status CheckSame(const Cell& stored, json::Value object) {
    MC_ASSIGN_OR_RETURN(const bool same, SameKey(CellText(stored), object));
    if (!same) return BadSignature("The key is not the one that is known");
    return OkStatus();
  }

  static Status NoSuchKey() {
    return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such key");
  }

  const std::string& user_;
  const std::string& server_name_;
  Snapshot& snapshot_;
  WriteBatch& batch_;
  Keys own_;
  // The user's keys with the signatures of this upload, by place: device ids
  // are no usages.
  std::map<Row, std::string> signed_;
  std::vector<Failure> failures_;
  bool own_news_ = false;
};

Status CheckShape(json::Value body) {
  size_t objects = 0;
  if (!body.IsObject()) return Invalid("M_BAD_JSON", "Not an object");
  for (const json::Value keys : body) {
    if (!keys.IsObject()) return Invalid("M_BAD_JSON", "Users have objects");
    for (const json::Value key : keys) {
      if (!key.IsObject()) return Invalid("M_BAD_JSON", "Keys are objects");
      ++objects;
    }
  }
  if (objects > CrossSigningService::kMaxSigned) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE", "Too many signatures");
  }
  return OkStatus();
}

}  // namespace

Result<CrossSigningService::Outcome> CrossSigningService::UploadKeys(
    std::string_view user_id, json::Value body, bool authenticated) {
  const std::string user(user_id);
  MC_ASSIGN_OR_RETURN(KeysUpload upload, KeysUpload::Parse(body, user));
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    return upload.Add(snapshot, batch, authenticated);
  };
  const Status done = Transact(deps_.store, attempt).status();
  if (done.ok() && upload.needs_authentication()) {
    return Outcome::kNeedsAuthentication;
  }
  if (upload.news() && MayBeWritten(done)) accounts_.DeviceListChanged(user);
  MC_RETURN_IF_ERROR(done);
  return Outcome::kDone;
}

Result<std::vector<CrossSigningService::Failure>>
CrossSigningService::UploadSignatures(std::string_view user_id,
                                      json::Value body) {
  MC_RETURN_IF_ERROR(CheckShape(body));
  const std::string user(user_id);
  std::vector<Failure> failures;
  bool news = false;
  bool own_news = false;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    SignaturesUpload upload(user, deps_.server_name, snapshot, batch);
    MC_RETURN_IF_ERROR(upload.Add(body));
    failures = std::move(upload.failures());
    own_news = upload.own_news();
    news = batch.positions() > 0;
    if (!news) batch = WriteBatch();  // Nothing but requirements.
    return OkStatus();
  };
  const Status done = Transact(deps_.store, attempt).status();
  if (own_news && MayBeWritten(done)) {
    accounts_.DeviceListChanged(user);
  } else if (news && MayBeWritten(done)) {
    deps_.notifier.PublishUsers({&user, 1});
  }
  MC_RETURN_IF_ERROR(done);
  return failures;
}

}  // namespace matrixcore
