#include "matrixcore/service/devices.h"

#include <utility>

#include "matrixcore/service/account_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::DeviceActivity;
using tables::Devices;
using tables::kDeviceActivity;
using tables::kDeviceListChanges;
using tables::kDevices;

constexpr size_t kMaxNameBytes = 255;

Status NoSuchDevice() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such device");
}

}  // namespace

Result<std::vector<Device>> DeviceService::Read(Snapshot& snapshot,
                                                std::string_view user_id,
                                                std::span<const Row> rows) {
  std::vector<Row> keys;
  keys.reserve(rows.size());
  for (const Row& row : rows) {
    keys.push_back({row[Devices::kUser], row[Devices::kDevice]});
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> activity,
                      snapshot.GetMany(kDeviceActivity, keys));
  std::vector<Device> devices;
  devices.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    Device& device = devices.emplace_back();
    device.device_id = CellText(rows[i][Devices::kDevice]);
    if (const Cell& name = rows[i][Devices::kDisplayName]; !IsNull(name)) {
      device.display_name = CellText(name);
    }
    if (const auto seen = accounts_.LastSeen(user_id, device.device_id)) {
      device.last_seen_ip = seen->address;
      device.last_seen = seen->ts;
    } else if (activity[i]) {
      device.last_seen_ip = CellText((*activity[i])[DeviceActivity::kAddress]);
      device.last_seen =
          Timestamp{CellInt((*activity[i])[DeviceActivity::kTs])};
    }
  }
  return devices;
}

Result<std::vector<Device>> DeviceService::List(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot->Scan({.table = &kDevices, .prefix = {TextCell(user_id)}}));
  return Read(*snapshot, user_id, rows);
}

Result<Device> DeviceService::Get(std::string_view user_id,
                                  std::string_view device_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot->Get(kDevices, {TextCell(user_id), TextCell(device_id)}));
  if (!row) return NoSuchDevice();
  MC_ASSIGN_OR_RETURN(std::vector<Device> devices,
                      Read(*snapshot, user_id, {&*row, 1}));
  return std::move(devices[0]);
}

Status DeviceService::Rename(std::string_view user_id,
                             std::string_view device_id,
                             std::string_view display_name) {
  if (display_name.size() > kMaxNameBytes) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "The display name is too long");
  }
  const Row key = {TextCell(user_id), TextCell(device_id)};
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kDevices, key));
    if (!row) return NoSuchDevice();
    if (CellText((*row)[Devices::kDisplayName]) == display_name &&
        !IsNull((*row)[Devices::kDisplayName])) {
      return OkStatus();
    }
    batch.Require(WriteBatch::ColumnEquals{
        &kDevices, key, Devices::kDisplayName, (*row)[Devices::kDisplayName]});
    BatchRow changed = ToBatchRow(*row);
    changed[Devices::kDisplayName] = std::string(display_name);
    batch.PutRow(kDevices, std::move(changed));
    batch.PutRow(kDeviceListChanges,
                 {std::string(user_id), batch.NewPosition()});
    return OkStatus();
  };
  Status done = Transact(store_, attempt).status();
  if (MayBeWritten(done)) accounts_.DeviceListChanged(std::string(user_id));
  return done;
}

}  // namespace matrixcore
