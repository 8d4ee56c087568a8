// Accounts: users, their passwords, devices and access tokens.
//
// Part of the service floor: no HTTP; each function is a use case and answers with
// a Status whose errcode is the specification's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

// Who holds an access token.
struct Session {
  std::string user_id;
  std::string device_id;
  bool is_guest = false;
  bool is_admin = false;
};

}  // namespace matrixcore
