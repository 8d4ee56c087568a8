// Small things that the services about rooms share.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

inline Status ForbiddenError(std::string message) {
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                std::move(message));
}
inline Status InvalidParamError(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}
inline Status BadJsonError(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}
// Spec: PUT /rooms/{roomId}/state/{eventType}/{stateKey}.
inline Status BadAliasError(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_ALIAS",
                std::move(message));
}
// Spec: client-server API, "Account suspension".
inline Status SuspendedError() {
  return Status(StatusCode::kPermissionDenied, "M_USER_SUSPENDED",
                "You cannot perform this action while suspended.");
}
inline Status NotFoundError(std::string message) {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", std::move(message));
}

// Whether a room exists is nobody's business who is not in it: the RoomWriter's
// kNotFound for a room, which has no errcode, becomes M_FORBIDDEN.
inline Status HideUnknownRoom(Status status) {
  if (status.code() != StatusCode::kNotFound || !status.errcode().empty()) {
    return status;
  }
  return ForbiddenError("You are not in this room.");
}

}  // namespace matrixcore
