// Keys of devices: identity keys, one-time keys, fallback keys (spec:
// client-server API, "End-to-End Encryption", "Key management API").
//
// The server keeps keys and hands them out; it cannot use them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class KeyService {
 public:
  struct Deps {
    Store& store;
    std::string server_name = {};
  };
  // Registers with `accounts`, so that keys go with their device.
  KeyService(Deps deps, AccountService& accounts);

  // How many one-time keys a device has, by algorithm; algorithms with none may
  // be missing.
  using Counts = std::map<std::string, int64_t>;

  // POST /keys/upload: `body` has device_keys, one_time_keys and fallback_keys,
  // each optional.  All of it is stored or nothing.
  // Errors: kInvalidArgument M_BAD_JSON (wrong types), M_INVALID_PARAM (device
  // keys of another user or device, or without a good signature of their own
  // ed25519 key; a one-time key id that is in use for another key); kTooLarge
  // M_TOO_LARGE (more than kMaxOneTimeKeys of an algorithm).
  static constexpr int64_t kMaxOneTimeKeys = 1000;
  Result<Counts> Upload(const Session& session, json::Value body);

  // POST /keys/query: the answer's JSON, with the cross-signing keys and the
  // signatures that `asker` may see.  Users of other servers are listed under
  // `failures` by their server.  kInvalidArgument M_BAD_JSON.
  Result<std::string> Query(std::string_view asker, json::Value body);

  // POST /keys/claim: the answer's JSON.  Each one-time key is handed out once,
  // the oldest first; after the last one, the fallback key again and again.
  // kInvalidArgument M_BAD_JSON.
  Result<std::string> Claim(json::Value body);

  // Adds the keys of a device that the same batch makes: `body` as for Upload,
  // and its errors.
  static Status AddNewDevice(const std::string& user_id,
                             const std::string& device_id, json::Value body,
                             Snapshot& snapshot, WriteBatch& batch);

  // --- For sync ---
  static Result<Counts> OneTimeKeyCounts(Snapshot& snapshot,
                                         std::string_view user_id,
                                         std::string_view device_id);
  // The algorithms whose fallback key nobody has been given yet, sorted.
  static Result<std::vector<std::string>> UnusedFallbackAlgorithms(
      Snapshot& snapshot, std::string_view user_id, std::string_view device_id);

 private:
  // A key id and the key's JSON.
  struct ClaimedKey {
    std::string key_id = {};
    std::string json = {};
  };
  Result<std::vector<ClaimedKey>> ClaimOne(std::string_view user_id,
                                           std::string_view device_id,
                                           std::string_view algorithm);

  // Claims of one device wait for each other instead of failing each other.
  static constexpr size_t kClaimLocks = 32;
  const Deps deps_;
  AccountService& accounts_;
  std::array<Mutex, kClaimLocks> claim_locks_;
};

}  // namespace matrixcore
