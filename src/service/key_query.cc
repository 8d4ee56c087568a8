// POST /keys/query.
#include <map>
#include <set>
#include <utility>

#include "matrixcore/id/identifiers.h"
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

// {"device": keys with unsigned.device_display_name} of a local user.  The
// stored keys are spliced in as they are: they have everything but `unsigned`.
Status WriteDeviceKeys(json::Writer& w, Snapshot& snapshot,
                       std::string_view user_id, const Names& wanted) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &kDeviceKeys, .prefix = {TextCell(user_id)}}));
  w.BeginObject();
  if (rows.empty()) {
    w.EndObject();
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> devices,
      snapshot.Scan({.table = &kDevices, .prefix = {TextCell(user_id)}}));
  // Both are in the order of device ids.
  auto device = devices.begin();
  std::string keys;
  for (const Row& row : rows) {
    const std::string_view id = CellText(row[DeviceKeys::kDevice]);
    if (!wanted.empty() && !wanted.contains(id)) continue;
    while (device != devices.end() &&
           CellText((*device)[Devices::kDevice]) < id) {
      ++device;
    }
    const std::string_view json = CellText(row[DeviceKeys::kJson]);
    keys.assign(json.substr(0, json.size() - 1)).append(R"(,"unsigned":{)");
    if (device != devices.end() &&
        CellText((*device)[Devices::kDevice]) == id &&
        !IsNull((*device)[Devices::kDisplayName])) {
      keys.append(R"("device_display_name":)");
      json::AppendString(&keys, CellText((*device)[Devices::kDisplayName]));
    }
    keys.append("}}");
    w.RawField(id, keys);
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
  std::vector<std::string> users;
  std::vector<Row> places;
  for (const auto& [user_id, devices] : wanted.users) {
    users.push_back(user_id);
    places.push_back({user_id});
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> known,
                      snapshot->GetMany(kUsers, places));
  MC_ASSIGN_OR_RETURN(const std::vector<bool> has_signed,
                      CrossSigningService::HasSigned(*snapshot, asker, users));
  IdentityKeys identities;
  std::string out;
  json::Writer w(&out);
  w.BeginObject().Key("device_keys").BeginObject();
  for (size_t i = 0; i < users.size(); ++i) {
    if (!known[i]) continue;
    const std::string& user_id = users[i];
    w.Key(user_id);
    MC_RETURN_IF_ERROR(
        WriteDeviceKeys(w, *snapshot, user_id, wanted.users.at(user_id)));
    MC_ASSIGN_OR_RETURN(
        const CrossSigningService::Keys keys,
        CrossSigningService::Read(*snapshot, user_id, asker, has_signed[i]));
    identities.Add(user_id, keys);
  }
  w.EndObject();
  identities.Write(w);
  WriteFailures(w, wanted.unreachable);
  w.EndObject();
  return out;
}

}  // namespace matrixcore
