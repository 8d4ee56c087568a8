// Answers of logins and registrations.
#pragma once

#include <string_view>

#include "matrixcore/json/writer.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore::api {

// user_id, access_token, device_id, ... of a session that was just opened, as
// members of an object that is being written.
inline void WriteSession(json::Writer& w, const NewSession& session,
                         std::string_view server_name) {
  w.Field("user_id", session.user_id);
  w.Field("access_token", session.access_token);
  w.Field("device_id", session.device_id);
  w.Field("home_server", server_name);  // Deprecated, still read by clients.
  if (!session.refresh_token.empty()) {
    w.Field("refresh_token", session.refresh_token);
  }
  if (session.expires_in_ms != 0) {
    w.Field("expires_in_ms", session.expires_in_ms);
  }
}

}  // namespace matrixcore::api
