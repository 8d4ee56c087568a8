// Dehydrated devices (MSC3814).
#include "matrixcore/service/dehydrated_devices.h"

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/to_device.h"

namespace matrixcore::api {
namespace {

Reply DeviceIdReply(const std::string& device_id) {
  return ObjectReply([&](json::Writer& w) { w.Field("device_id", device_id); });
}

Result<Reply> PutDehydratedDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(
      const std::string device_id,
      call.services.dehydrated_devices.Put(call.user_id(), call.root()));
  return DeviceIdReply(device_id);
}

Result<Reply> GetDehydratedDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(const DehydratedDeviceService::Device device,
                      call.services.dehydrated_devices.Get(call.user_id()));
  return ObjectReply([&](json::Writer& w) {
    w.Field("device_id", device.device_id);
    w.RawField("device_data", device.data);
  });
}

Result<Reply> DeleteDehydratedDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string device_id,
                      call.services.dehydrated_devices.Delete(call.user_id()));
  return DeviceIdReply(device_id);
}

// Where a page begins: the proposal has `next_batch` in the query of a GET;
// clients have `from` there, or `next_batch` in the body of a POST.
Result<Position> PageStart(const Call& call) {
  std::optional<std::string_view> text = OptionalQuery(call, "next_batch");
  if (!text) text = OptionalQuery(call, "from");
  if (!text) {
    MC_ASSIGN_OR_RETURN(text, OptionalString(call.root(), "next_batch"));
  }
  if (!text || text->empty()) return Position{0};
  const auto token = StreamToken::Parse(*text);
  if (!token) return InvalidParam("'next_batch' is no token of this server");
  return token->position;
}

// Its messages, a page at a time.  They stay until the device is deleted, so
// that a rehydration that was cut short can begin anew.
Result<Reply> GetDehydratedEvents(Call& call) {
  MC_ASSIGN_OR_RETURN(Position end, PageStart(call));
  MC_ASSIGN_OR_RETURN(const DehydratedDeviceService::Device device,
                      call.services.dehydrated_devices.Get(call.user_id()));
  if (device.device_id != call.path[0]) {
    return Forbidden("This is not the dehydrated device");
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<ToDeviceMessage> messages,
      call.services.to_device.Read(call.user_id(), device.device_id, end,
                                   ToDeviceService::kMaxInAnswer));
  if (!messages.empty()) end = messages.back().pos;
  return ObjectReply([&](json::Writer& w) {
    w.Key("events").BeginArray();
    for (const ToDeviceMessage& message : messages) w.Raw(message.json);
    w.EndArray();
    // Clients that page by GET go on for as long as they are told to.
    const bool last =
        messages.empty() && call.request.method == HttpMethod::kGet;
    if (!last) w.Field("next_batch", StreamToken{end, 0, 0}.ToString());
  });
}

constexpr std::string_view kDevice =
    "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";
constexpr std::string_view kEvents =
    "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/"
    "{deviceId}/events";

constexpr Route kRoutes[] = {
    {HttpMethod::kPut, kDevice, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &PutDehydratedDevice, ""},
    {HttpMethod::kGet, kDevice, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetDehydratedDevice, ""},
    {HttpMethod::kDelete, kDevice, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteDehydratedDevice, ""},
    {HttpMethod::kGet, kEvents, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetDehydratedEvents, ""},
    {HttpMethod::kPost, kEvents, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kOptionalObject, &GetDehydratedEvents, ""},
};

}  // namespace

std::span<const Route> DehydratedDeviceRoutes() { return kRoutes; }

}  // namespace matrixcore::api
