// The discovery information that /.well-known/matrix/client and logins give.
#pragma once

#include <string_view>

#include "matrixcore/json/writer.h"

namespace matrixcore::api {

// {"m.homeserver": {"base_url": "..."}}
inline void WriteWellKnown(json::Writer& w, std::string_view base_url) {
  w.BeginObject().Key("m.homeserver").BeginObject();
  w.Field("base_url", base_url);
  w.EndObject().EndObject();
}

}  // namespace matrixcore::api
