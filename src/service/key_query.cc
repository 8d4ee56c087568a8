// POST /keys/query.
#include <map>
#include <set>
#include <utility>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/keys.h"
#include "service/key_answers.h"
#include "service/key_claims.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::DeviceKeys;
using tables::Devices;
using tables::kDeviceKeys;
using tables::kDevices;
using tables::kUsers;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

using Names = std::set<std::string, std::less<>>;

// Which devices of which local users a query is about, and which servers it
// cannot ask.
struct Wanted {
  std::map<std::string, Names> users;  // All devices of a user if empty.
  std::set<std::string> unreachable;
};

// The devices of one user that a query names.  (Clients also send an empty
// object for an empty list.)
Result<Names> QueriedDevices(json::Value list) {
  Names devices;
  if (list.IsObject() && list.empty()) return devices;
  if (!list.IsArray()) return BadJson("'device_keys' must hold arrays");
  for (const json::Value device : list) {
    if (!device.IsString()) return BadJson("device ids must be strings");
    devices.emplace(*device.AsString());
  }
  return devices;
}

Result<Wanted> ParseQuery(json::Value body, std::string_view server_name) {
  MC_RETURN_IF_ERROR(CheckTimeout(body));
  const json::Value users = body["device_keys"];
  if (!users.IsObject()) return BadJson("'device_keys' must be an object");
  Wanted wanted;
  for (const auto& [user_id, list] : users.members()) {
    MC_ASSIGN_OR_RETURN(Names devices, QueriedDevices(list));
    if (!IsUserId(user_id)) continue;
    if (DomainOf(user_id) != server_name) {
      wanted.unreachable.emplace(DomainOf(user_id));
    } else {
      wanted.users[std::string(user_id)] = std::move(devices);
    }
  }
  return wanted;
}

// {"device": keys with unsigned.device_display_name} of a local user.
Status WriteDeviceKeys(json::Writer& w, Snapshot& snapshot,
                       std::string_view user_id, const Names& wanted,
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
    if (!wanted.empty() && !wanted.contains(device)) continue;
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
  MC_ASSIGN_OR_RETURN(const Wanted wanted, ParseQuery(body, deps_.server_name));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  std::vector<Row> users;
  users.reserve(wanted.users.size());
  for (const auto& [user_id, devices] : wanted.users)
    users.push_back({user_id});
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> known,
                      snapshot->GetMany(kUsers, users));
  IdentityKeys identities;
  std::string out;
  json::Writer w(&out);
  w.BeginObject().Key("device_keys").BeginObject();
  size_t index = 0;
  for (const auto& [user_id, devices] : wanted.users) {
    if (!known[index++]) continue;
    w.Key(user_id);
    MC_ASSIGN_OR_RETURN(
        const CrossSigningService::Signatures signatures,
        CrossSigningService::ReadSignatures(*snapshot, user_id, asker));
    MC_RETURN_IF_ERROR(
        WriteDeviceKeys(w, *snapshot, user_id, devices, signatures));
    MC_ASSIGN_OR_RETURN(
        const CrossSigningService::Keys keys,
        CrossSigningService::Read(*snapshot, user_id, asker, signatures));
    identities.Add(user_id, keys);
  }
  w.EndObject();
  identities.Write(w);
  WriteFailures(w, wanted.unreachable);
  w.EndObject();
  return out;
}

}  // namespace matrixcore
