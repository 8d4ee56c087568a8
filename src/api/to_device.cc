// To-device messages (spec: client-server API, "Send-to-Device messaging").
#include "matrixcore/service/to_device.h"

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<Reply> SendToDevice(Call& call) {
  MC_ASSIGN_OR_RETURN(const json::Value messages,
                      RequiredObject(call.root(), "messages"));
  MC_RETURN_IF_ERROR(call.services.to_device.Send(*call.session, call.path[0],
                                                  call.path[1], messages));
  return EmptyReply();
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPut, "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kObject,
     &SendToDevice, "sendToDevice"},
};

}  // namespace

std::span<const Route> ToDeviceRoutes() { return kRoutes; }

}  // namespace matrixcore::api
