// Server access control lists (spec: m.room.server_acl).
#pragma once

#include <string_view>
#include <vector>

#include "matrixcore/event/event.h"
#include "matrixcore/event/glob.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

// The compiled list of a room.  A value; thread-safe.
class ServerAcl {
 public:
  // `event` is the room's m.room.server_acl event, or null: everyone may.
  explicit ServerAcl(const Event* event);
  // Of the content of such an event.
  static ServerAcl FromContent(json::Value content);

  // Whether the server may take part in the room.  Its port does not matter.
  bool Allows(std::string_view server_name) const;

 private:
  bool present_ = false;
  bool allow_ip_literals_ = true;
  std::vector<Glob> allow_;
  std::vector<Glob> deny_;
};

}  // namespace matrixcore
