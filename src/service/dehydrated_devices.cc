#include "matrixcore/service/dehydrated_devices.h"

#include <fmt/format.h>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/keys.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::CrossSigningKeys;
using tables::DehydratedDevices;
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

}  // namespace

DehydratedDeviceService::DehydratedDeviceService(Store& store,
                                                 AccountService& accounts)
    : store_(store), accounts_(accounts) {}

Result<std::string> DehydratedDeviceService::Put(std::string_view user_id,
                                                 json::Value body) {
  MC_RETURN_IF_ERROR(CheckBody(body));
  const std::string user(user_id);
  const std::string device(body["device_id"].StringOr(""));
  const std::string name(
      body["initial_device_display_name"].StringOr(kDefaultName));
  // The same id again: what belonged to it must go first.
  const Result<Device> before = Get(user);
  if (before.ok() && before->device_id == device) {
    MC_RETURN_IF_ERROR(Delete(user).status());
  }
  std::string replaced;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_RETURN_IF_ERROR(CheckIdIsFree(snapshot, user, device));
    MC_ASSIGN_OR_RETURN(const std::optional<Row> old,
                        snapshot.Get(kDehydratedDevices, {user}));
    replaced.clear();
    if (old) {
      replaced = CellText((*old)[DehydratedDevices::kDevice]);
      batch.Require(WriteBatch::ColumnEquals{
          &kDehydratedDevices, {user}, DehydratedDevices::kDevice, replaced});
    } else {
      batch.Require(WriteBatch::RowAbsent{&kDehydratedDevices, {user}});
    }
    MC_RETURN_IF_ERROR(
        KeyService::AddNewDevice(user, device, body, snapshot, batch));
    batch.InsertRow(kDevices, {user, device, name, int64_t{0}});
    batch.PutRow(kDeviceListChanges, {user, batch.NewPosition()});
    batch.PutRow(kDehydratedDevices,
                 {user, device, std::string(body["device_data"].raw())});
    return OkStatus();
  };
  MC_RETURN_IF_ERROR(Transact(store_, attempt).status());
  if (!replaced.empty()) {
    MC_RETURN_IF_ERROR(accounts_.DeleteDevices(user, {&replaced, 1}));
  }
  accounts_.DeviceListChanged(user);
  return device;
}

Result<DehydratedDeviceService::Device> DehydratedDeviceService::Get(
    std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(kDehydratedDevices, {TextCell(user_id)}));
  if (!row) return NoDevice();
  Device device{std::string(CellText((*row)[DehydratedDevices::kDevice])),
                std::string(CellText((*row)[DehydratedDevices::kData]))};
  // It may have been deleted like any other device.
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> known,
      snapshot->Get(kDevices, {TextCell(user_id), device.device_id}));
  if (!known) return NoDevice();
  return device;
}

Result<std::string> DehydratedDeviceService::Delete(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const Device device, Get(user_id));
  MC_RETURN_IF_ERROR(accounts_.DeleteDevices(user_id, {&device.device_id, 1}));
  WriteBatch batch;
  batch.Require(WriteBatch::ColumnEquals{&kDehydratedDevices,
                                         {TextCell(user_id)},
                                         DehydratedDevices::kDevice,
                                         device.device_id});
  batch.DeleteRow(kDehydratedDevices, {std::string(user_id)});
  const Result<CommitInfo> done = store_.Commit(std::move(batch));
  // Somebody has put another one in its place meanwhile.
  if (done.status().code() == StatusCode::kAborted) return device.device_id;
  MC_RETURN_IF_ERROR(done.status());
  return device.device_id;
}

}  // namespace matrixcore
