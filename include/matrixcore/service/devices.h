// Devices of users (spec: client-server API, "Device Management").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct Device {
  std::string device_id = {};
  std::optional<std::string> display_name = {};
  std::optional<std::string> last_seen_ip = {};
  std::optional<Timestamp> last_seen = {};
};

// Thread-safe.  Besides the named ones, functions may give the store's errors.
// Deleting devices is AccountService's business.
class DeviceService {
 public:
  DeviceService(Store& store, AccountService& accounts)
      : store_(store), accounts_(accounts) {}

  // Ordered by device id.
  Result<std::vector<Device>> List(std::string_view user_id);
  // kNotFound M_NOT_FOUND.
  Result<Device> Get(std::string_view user_id, std::string_view device_id);
  // kNotFound M_NOT_FOUND; kInvalidArgument M_INVALID_PARAM for a name over 255
  // bytes.  Counts as a change of the user's device list.
  Status Rename(std::string_view user_id, std::string_view device_id,
                std::string_view display_name);

 private:
  Result<std::vector<Device>> Read(Snapshot& snapshot, std::string_view user_id,
                                   std::span<const Row> rows);

  Store& store_;
  AccountService& accounts_;
};

}  // namespace matrixcore
