// Dehydrated devices (MSC3814): a device without a session that receives keys
// while its user is signed in nowhere.  A user has at most one; for everybody
// else it is a device like others.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class DehydratedDeviceService {
 public:
  // Registers with `accounts`, so that what is kept goes with the device.
  DehydratedDeviceService(Store& store, AccountService& accounts);

  struct Device {
    std::string device_id;
    std::string data;  // JSON: what a client makes the device again from.
  };

  // Makes the device with its keys, in one commit; the one before is deleted
  // with all that belongs to it.  `body` has device_id, device_data,
  // device_keys and, optionally, one_time_keys, fallback_keys and
  // initial_device_display_name.  Errors: kInvalidArgument M_MISSING_PARAM,
  // M_BAD_JSON, M_INVALID_PARAM (keys that are not the device's own; the id of
  // another device or of a public key), M_INVALID_SIGNATURE; kTooLarge
  // M_TOO_LARGE; kPermissionDenied M_FORBIDDEN for a device too many.
  static constexpr size_t kMaxDataBytes = 65536;
  Result<std::string> Put(std::string_view user_id, json::Value body);
  // kNotFound M_NOT_FOUND.
  Result<Device> Get(std::string_view user_id);
  // The id of the device that was deleted.  kNotFound M_NOT_FOUND.
  Result<std::string> Delete(std::string_view user_id);

 private:
  Store& store_;
  AccountService& accounts_;
};

}  // namespace matrixcore
