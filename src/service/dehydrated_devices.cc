#include "matrixcore/service/dehydrated_devices.h"

#include <fmt/format.h>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/keys.h"
#include "service/device_list.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::CrossSigningKeys;
using tables::DehydratedDevices;
using tables::DeviceListChanges;
using tables::kCrossSigningKeys;
using tables::kDehydratedDevices;
using tables::kDeviceListChanges;
using tables::kDevices;

// How devices are called that their client has not named.
constexpr char kDefaultName[] = "Dehydrated device";

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

Status NoDevice() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND",
                "There is no dehydrated device");
}

Status CheckBody(json::Value body) {
  for (const std::string_view field :
       {"device_id", "device_data", "device_keys"}) {
    if (body[field].IsMissing() || body[field].IsNull()) {
      return Invalid("M_MISSING_PARAM", fmt::format("'{}' is missing", field));
    }
  }
  const json::Value name = body["initial_device_display_name"];
  if (!body["device_id"].IsString() || !body["device_data"].IsObject() ||
      !body["device_keys"].IsObject() ||
      (name && !name.IsNull() && !name.IsString())) {
    return Invalid("M_BAD_JSON", "The dehydrated device is malformed");
  }
  const std::string_view id = body["device_id"].StringOr("");
  if (id.empty() || id.size() > kMaxIdentifierBytes ||
      name.StringOr("").size() > kMaxIdentifierBytes) {
    return Invalid("M_INVALID_PARAM",
                   "The device id and name have at most 255 bytes");
  }
  if (body["device_data"].raw().size() >
      DehydratedDeviceService::kMaxDataBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "The device's data is too large");
  }
  // Nobody could use a device without an identity.
  if (body["device_keys"]["keys"][fmt::format("ed25519:{}", id)].IsMissing()) {
    return Invalid("M_INVALID_PARAM", "The device has no ed25519 key");
  }
  return OkStatus();
}

// No device of the user, and none of their public keys, has that id.
Status CheckIdIsFree(Snapshot& snapshot, const std::string& user,
                     const std::string& device) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> known,
                      snapshot.Get(kDevices, {user, device}));
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> keys,
      snapshot.Scan({.table = &kCrossSigningKeys, .prefix = {Cell(user)}}));
  bool free = !known;
  for (const Row& key : keys) {
    free = free && CellText(key[CrossSigningKeys::kPublicKey]) != device;
  }
  if (free) return OkStatus();
  return Invalid("M_INVALID_PARAM", "The device id is in use");
}

// The user's dehydrated device, if there is one.
Result<std::optional<DehydratedDeviceService::Device>> Find(
    Snapshot& snapshot, std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kDehydratedDevices,
                                     .prefix = {TextCell(user_id)},
                                     .limit = 1}));
  std::optional<DehydratedDeviceService::Device> device;
  if (!rows.empty()) {
    device.emplace();
    device->device_id = CellText(rows[0][DehydratedDevices::kDevice]);
    device->data = CellText(rows[0][DehydratedDevices::kData]);
  }
  return device;
}

}  // namespace

DehydratedDeviceService::DehydratedDeviceService(Store& store,
                                                 AccountService& accounts)
    : store_(store), accounts_(accounts) {
  accounts.OnDeviceDeleted([](WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id) {
    batch.DeleteRow(kDehydratedDevices, {user_id, device_id});
  });
}

Result<std::string> DehydratedDeviceService::Put(std::string_view user_id,
                                                 json::Value body) {
  MC_RETURN_IF_ERROR(CheckBody(body));
  const std::string user(user_id);
  const std::string device(body["device_id"].StringOr(""));
  const std::string name(
      body["initial_device_display_name"].StringOr(kDefaultName));
  std::optional<Device> replaced;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_RETURN_IF_ERROR(RequireSameDeviceList(snapshot, batch, user));
    MC_ASSIGN_OR_RETURN(replaced, Find(snapshot, user));
    if (replaced) {
      accounts_.AddDeletion(batch, user, replaced->device_id);
    } else {
      MC_RETURN_IF_ERROR(accounts_.CheckDeviceCount(snapshot, user));
    }
    if (!replaced || replaced->device_id != device) {
      MC_RETURN_IF_ERROR(CheckIdIsFree(snapshot, user, device));
    }
    MC_RETURN_IF_ERROR(KeyService::AddNewDevice(user, device, body, batch));
    batch.InsertRow(kDevices, {user, device, name, int64_t{0}});
    batch.PutRow(kDehydratedDevices,
                 {user, device, std::string(body["device_data"].raw())});
    return OkStatus();
  };
  const Status done = Transact(store_, attempt).status();
  if (replaced) accounts_.ForgetDevice(user, replaced->device_id);
  if (MayBeWritten(done)) accounts_.DeviceListChanged(user);
  MC_RETURN_IF_ERROR(done);
  return device;
}

Result<DehydratedDeviceService::Device> DehydratedDeviceService::Get(
    std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(std::optional<Device> device, Find(*snapshot, user_id));
  if (!device) return NoDevice();
  return std::move(*device);
}

Result<std::string> DehydratedDeviceService::Delete(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const Device device, Get(user_id));
  MC_RETURN_IF_ERROR(accounts_.DeleteDevices(user_id, {&device.device_id, 1}));
  return device.device_id;
}

}  // namespace matrixcore
