// Backups of room keys (spec: client-server API, "Server-side key backups").
//
// A user has numbered backups; the newest one that is not deleted is current,
// and only into that one keys are written.  Numbers are never used again.
// Costs: one key of a backup is one row however many there are; counts are
// kept, not counted; what removes many keys does it in many small commits.
//
// Guarantees: the count and the etag belong to the commit that they report, and
// a key is only ever replaced by a better one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct KeyBackupInfo {
  int64_t version = 0;
  std::string algorithm = {};
  std::string auth_data = {};  // JSON
  int64_t count = 0;
  int64_t etag = 0;
};

// Thread-safe.  Versions are texts as clients bring them: one that no server
// could have given is one that does not exist.  Besides the named ones,
// functions may give the store's errors.
class KeyBackupService {
 public:
  struct Options {
    int64_t max_keys = 2'000'000;  // Of one backup.
  };
  // Registers with `accounts`: backups go with a deactivated account.
  KeyBackupService(Options options, Store& store, AccountService& accounts);

  // --- Limits: M_TOO_LARGE ---
  static constexpr size_t kMaxBackups = 100;  // Of a user.
  static constexpr size_t kMaxAuthDataBytes = 65536;
  static constexpr size_t kMaxKeyBytes = 16384;

  // --- Backups ---
  // `auth_data` is an object, as the algorithm has it.  kInvalidArgument
  // M_INVALID_PARAM for an algorithm without a name, or with one that is too
  // long; kTooLarge M_TOO_LARGE.
  Result<int64_t> Create(std::string_view user_id, std::string_view algorithm,
                         json::Value auth_data);
  // The current one without a version.  kNotFound M_NOT_FOUND.
  Result<KeyBackupInfo> Get(std::string_view user_id,
                            std::optional<std::string_view> version);
  // Changes auth_data.  kNotFound; kInvalidArgument M_INVALID_PARAM for another
  // algorithm; kTooLarge M_TOO_LARGE.
  Status Update(std::string_view user_id, std::string_view version,
                std::string_view algorithm, json::Value auth_data);
  // It is gone for everybody at once; waits until its keys are.  Also ok for
  // one that is deleted already.  kNotFound.
  Status Delete(std::string_view user_id, std::string_view version);

  // --- Keys ---
  // One, those of a room, or all: what is "" is not asked about.
  struct Place {
    std::string_view user_id;
    std::string_view version;
    std::string_view room_id = {};
    std::string_view session_id = {};
  };
  struct Change {
    int64_t count = 0;
    int64_t etag = 0;
  };
  // `body` is as the specification has it for that place: a key, {"sessions"},
  // or {"rooms"}.  All of it is looked at, or nothing is stored; a key that
  // is no better than what is there is passed over.  kNotFound M_NOT_FOUND if
  // there is no backup at all; kFailedPrecondition M_WRONG_ROOM_KEYS_VERSION if
  // the version is not current: `current` is then the one that is;
  // kInvalidArgument M_BAD_JSON, M_INVALID_PARAM; kTooLarge M_TOO_LARGE.
  Result<Change> Put(const Place& place, json::Value body,
                     std::optional<int64_t>* current);
  // The JSON for that place.  kNotFound M_NOT_FOUND if there is no such backup,
  // or no such key.
  Result<std::string> GetKeys(const Place& place);
  // Ok also if nothing was there.  Many keys go one commit after the other,
  // each of which tells its own count and etag.  kNotFound if there is no such
  // backup.
  Result<Change> DeleteKeys(const Place& place);

 private:
  // Changes of one user's backup wait for each other instead of failing each
  // other.
  static constexpr size_t kLocks = 32;
  Mutex& LockOf(std::string_view user_id);
  Status RemoveKeys(std::string_view user_id, int64_t version);

  const Options options_;
  Store& store_;
  std::array<Mutex, kLocks> locks_;
};

}  // namespace matrixcore
