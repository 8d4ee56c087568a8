// Devices (spec: client-server API, "Device Management").
#include "matrixcore/service/devices.h"

#include "api/params.h"
#include "api/routes.h"
#include "api/uia_call.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore::api {
namespace {

void WriteDevice(json::Writer& w, const std::string& user_id,
                 const Device& device) {
  w.Field("device_id", device.device_id);
  w.Field("user_id", user_id);  // Not in the specification; clients of Synapse
                                // read it.
  if (device.display_name) w.Field("display_name", *device.display_name);
  if (device.last_seen_ip) w.Field("last_seen_ip", *device.last_seen_ip);
  if (device.last_seen) w.Field("last_seen_ts", device.last_seen->ms);
}

Result<Reply> GetDevices(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::vector<Device> devices,
                      call.services.devices.List(call.user_id()));
  return ObjectReply([&](json::Writer& w) {
    w.Key("devices").BeginArray();
    for (const Device& device : devices) {
      w.BeginObject();
      WriteDevice(w, call.user_id(), device);
      w.EndObject();
    }
    w.EndArray();
  });
}

Result<Reply> GetDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(const Device device,
                      call.services.devices.Get(call.user_id(), call.path[0]));
  return ObjectReply(
      [&](json::Writer& w) { WriteDevice(w, call.user_id(), device); });
}

Result<Reply> UpdateDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto name,
                      OptionalString(call.root(), "display_name"));
  if (name) {
    MC_RETURN_IF_ERROR(
        call.services.devices.Rename(call.user_id(), call.path[0], *name));
  } else {
    MC_ASSIGN_OR_RETURN(
        [[maybe_unused]] const Device device,
        call.services.devices.Get(call.user_id(), call.path[0]));
  }
  return EmptyReply();
}

Result<Reply> DeleteDevice(Call& call) {
  return WithPassword(call, "deleteDevice", [&]() -> Result<Reply> {
    MC_RETURN_IF_ERROR(call.services.accounts.DeleteDevices(
        call.user_id(), {&call.path[0], 1}));
    return EmptyReply();
  });
}

Result<Reply> DeleteDevices(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> devices,
                      OptionalStrings(call.root(), "devices"));
  return WithPassword(call, "deleteDevices", [&]() -> Result<Reply> {
    if (call.root()["devices"].IsMissing()) return MissingParam("devices");
    MC_RETURN_IF_ERROR(
        call.services.accounts.DeleteDevices(call.user_id(), devices));
    return EmptyReply();
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/devices", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetDevices,
     "getDevices"},
    {HttpMethod::kGet, "/_matrix/client/v3/devices/{deviceId}", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetDevice,
     "getDevice"},
    {HttpMethod::kPut, "/_matrix/client/v3/devices/{deviceId}", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &UpdateDevice,
     "updateDevice"},
    {HttpMethod::kDelete, "/_matrix/client/v3/devices/{deviceId}", Auth::kUser,
     RateLimit::kDefault, Lane::kBackground, Body::kOptionalObject,
     &DeleteDevice, "deleteDevice"},
    {HttpMethod::kPost, "/_matrix/client/v3/delete_devices", Auth::kUser,
     RateLimit::kDefault, Lane::kBackground, Body::kObject, &DeleteDevices,
     "deleteDevices"},
};

}  // namespace

std::span<const Route> DeviceRoutes() { return kRoutes; }

}  // namespace matrixcore::api
