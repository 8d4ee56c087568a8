// Keys of devices: identity keys, one-time keys, fallback keys (spec:
// client-server API, "End-to-End Encryption", "Key management API").
//
// The server keeps keys and hands them out; it cannot use them.
//
// Guarantees: a one-time key is given away once, whatever the interleaving, the
// number of processes and crashes; also when its device, which had no answer,
// uploads it again afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

class KeyClaims;

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class KeyService {
 public:
  struct Deps {
    Store& store;  // With AccountTables().
    const Clock& clock;
    Notifier& notifier;  // Hears of devices that lost keys to claims.
    std::string server_name = {};
  };
  // Registers with `accounts`, so that keys go with their device.
  KeyService(Deps deps, AccountService& accounts);
  ~KeyService();

  // How many one-time keys a device has, by algorithm; algorithms with none may
  // be missing.
  using Counts = std::map<std::string, int64_t>;

  // --- Limits: M_TOO_LARGE ---
  static constexpr int64_t kMaxOneTimeKeys = 1000;      // Of a device.
  static constexpr size_t kMaxFallbackAlgorithms = 20;  // Of a device.
  static constexpr size_t kMaxClaims = 10'000;          // Of one request.

  // POST /keys/upload: `body` has device_keys, one_time_keys and fallback_keys,
  // each optional.  All of it is stored or nothing.  A one-time key that is
  // there, or was given away in the last kClaimsRemembered, is no news.
  // Errors: kInvalidArgument M_BAD_JSON (wrong types), M_INVALID_PARAM (device
  // keys of another user or device; a one-time key id that is in use for
  // another key), M_INVALID_SIGNATURE (device keys that are not signed by their
  // own ed25519 key); kTooLarge M_TOO_LARGE.
  static constexpr Duration kClaimsRemembered = std::chrono::hours(7 * 24);
  Result<Counts> Upload(const Session& session, json::Value body);

  // POST /keys/query: the answer's JSON, with the cross-signing keys and the
  // signatures that `asker` may see.  Users that do not exist are missing;
  // users of other servers are listed under `failures` by their server.
  // kInvalidArgument M_BAD_JSON.
  Result<std::string> Query(std::string_view asker, json::Value body);

  // POST /keys/claim: the answer's JSON.  Each one-time key is handed out once,
  // the oldest first; after the last one, the fallback key again and again.
  // Devices whose counts fell, or whose fallback key is used now, learn it from
  // a parked /sync.  kInvalidArgument M_BAD_JSON; kTooLarge M_TOO_LARGE.
  Result<std::string> Claim(json::Value body);

  // Adds the keys of a device that the same batch makes: `body` as for Upload,
  // and its errors.
  static Status AddNewDevice(const std::string& user_id,
                             const std::string& device_id, json::Value body,
                             WriteBatch& batch);

  // --- For sync ---
  static Result<Counts> OneTimeKeyCounts(Snapshot& snapshot,
                                         std::string_view user_id,
                                         std::string_view device_id);
  // The algorithms whose fallback key nobody has been given yet, sorted.
  static Result<std::vector<std::string>> UnusedFallbackAlgorithms(
      Snapshot& snapshot, std::string_view user_id, std::string_view device_id);
  // Whether the device lost a key, or its fallback key was used, after `since`.
  static Result<bool> LostKeysSince(Snapshot& snapshot,
                                    std::string_view user_id,
                                    std::string_view device_id, Position since);

 private:
  const Deps deps_;
  AccountService& accounts_;
  const std::unique_ptr<KeyClaims> claims_;
};

}  // namespace matrixcore
