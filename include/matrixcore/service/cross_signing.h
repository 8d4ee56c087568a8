// Cross-signing (spec: client-server API, "Cross-signing"): the public keys of
// a user's identity, and the signatures that users put on keys.
//
// Guarantees: no key is stored whose signature chain does not hold (each
// self-signing and user-signing key is signed by the stored master key), and no
// uploaded signature that is not good; both were checked against the keys of
// the snapshot that the commit required to be unchanged.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class CrossSigningService {
 public:
  struct Deps {
    Store& store;
    Notifier& notifier;
    std::string server_name = {};
  };
  CrossSigningService(Deps deps, AccountService& accounts)
      : deps_(std::move(deps)), accounts_(accounts) {}

  // POST /keys/device_signing/upload: master_key, self_signing_key and
  // user_signing_key of `body`, each optional.  Keys that are there already are
  // no news; a new master key replaces all three.  kNeedsAuthentication, with
  // nothing stored, when the upload changes keys of a user who has a master key
  // and `authenticated` is false.
  // Errors: kInvalidArgument M_BAD_JSON, M_INVALID_PARAM (keys of another user,
  // of another usage, or not exactly one ed25519 key), M_MISSING_PARAM (no
  // master key), M_INVALID_SIGNATURE; kPermissionDenied M_FORBIDDEN (the key is
  // the id of a device of the user); kTooLarge M_TOO_LARGE.
  enum class Outcome { kDone, kNeedsAuthentication };
  Result<Outcome> UploadKeys(std::string_view user_id, json::Value body,
                             bool authenticated);

  // POST /keys/signatures/upload: user -> device id or public key -> signed
  // object.  What is good is stored, whatever else fails.
  struct Failure {
    std::string user_id;
    std::string key;
    Status status;
  };
  // Errors: kInvalidArgument M_BAD_JSON; kTooLarge M_TOO_LARGE for more than
  // kMaxSigned objects.
  static constexpr size_t kMaxSigned = 1000;
  Result<std::vector<Failure>> UploadSignatures(std::string_view user_id,
                                                json::Value body);

  // --- For queries and sync ---
  // A user's keys as `asker` may see them: JSON, "" for what there is none of.
  // `signed_by_asker`: HasSigned said so.
  struct Keys {
    std::string master;
    std::string self_signing;
    std::string user_signing;  // Only for the user themselves.
  };
  static Result<Keys> Read(Snapshot& snapshot, std::string_view user_id,
                           std::string_view asker, bool signed_by_asker);
  // Whether `asker` may have signed the master keys of those users.
  static Result<std::vector<bool>> HasSigned(
      Snapshot& snapshot, std::string_view asker,
      std::span<const std::string> user_ids);
  // Whose keys look different to `user_id`, and to nobody else, since a
  // position.
  static Result<std::vector<std::string>> OwnChanges(Snapshot& snapshot,
                                                     std::string_view user_id,
                                                     Position after);

 private:
  const Deps deps_;
  AccountService& accounts_;
};

}  // namespace matrixcore
