// What login and registration say of the session that they want.
#pragma once

#include "api/params.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore::api {

// device_id, initial_device_display_name, refresh_token.
inline Result<SessionRequest> ReadSessionRequest(json::Value body) {
  SessionRequest request;
  MC_ASSIGN_OR_RETURN(const auto device, OptionalString(body, "device_id"));
  if (device) request.device_id = *device;
  MC_ASSIGN_OR_RETURN(const auto name,
                      OptionalString(body, "initial_device_display_name"));
  if (name) request.initial_display_name = *name;
  MC_ASSIGN_OR_RETURN(request.refreshable,
                      OptionalBool(body, "refresh_token", false));
  return request;
}

}  // namespace matrixcore::api
