// Registration: how accounts come into being (spec: client-server API, "Account
// registration", "Token-authenticated registration").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/uia.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// A token that lets people register.
struct RegistrationToken {
  std::string token = {};
  std::optional<int64_t> uses_allowed = {};  // Nothing: any number.
  int64_t pending = 0;    // Registrations that have shown it and are not done.
  int64_t completed = 0;  // Accounts made with it.
  std::optional<Timestamp> expires = {};
};

// One account to be made.
struct Registration {
  std::optional<std::string> username = {};  // Nothing: the server picks one.
  std::optional<std::string> password = {};
  std::optional<std::string> displayname = {};
  bool is_guest = false;
  bool is_admin = false;
  std::string registration_token = {};  // The one that was shown; "" if none.
  bool inhibit_login = false;
  SessionRequest session = {};
};

struct Registered {
  std::string user_id = {};
  std::optional<NewSession> session = {};  // Nothing with inhibit_login.
};

// Thread-safe.
class RegistrationService {
 public:
  struct Options {
    std::string server_name = {};
    bool enabled = true;
    bool guests = false;
    bool require_token = false;
    std::string shared_secret = {};  // "": no registration by shared secret.
    size_t min_password_length = 8;
  };
  struct Deps {
    Store& store;
    AccountService& accounts;
    UiaService& uia;
    const Clock& clock;
    Random& random;
  };
  RegistrationService(Options options, const Deps& deps);
  ~RegistrationService();

  // --- What may be registered ---
  // kPermissionDenied M_FORBIDDEN when nobody may register (guests, if asked).
  Status CheckOpen(bool guest) const;
  // The localpart for a name that a client wishes: in lower case.
  // kInvalidArgument M_INVALID_USERNAME for one outside the grammar or too
  // long.
  Result<std::string> Localpart(std::string_view username) const;
  // Localpart, and kAlreadyExists M_USER_IN_USE when it is taken.
  Result<std::string> CheckAvailable(std::string_view username);
  // kInvalidArgument M_WEAK_PASSWORD.
  Status CheckPasswordStrength(std::string_view password) const;
  // The stages that a registration must go through.
  std::vector<UiaFlow> Flows() const;

  // Makes the account with its first session, all or nothing.  Errors are those
  // of CheckAvailable and of the display name; kPermissionDenied M_FORBIDDEN
  // when the token's uses ran out meanwhile.  `tried`, if given, becomes the
  // user id even when that fails: after kDeadlineExceeded the account may be
  // there.  Slow if there is a password.
  Result<Registered> Register(const Registration& registration,
                              std::string* tried = nullptr);

  // --- Registration tokens ---
  // For the stage m.login.registration_token: whether the token has a use left
  // for the session (a session's own use counts once).
  Result<bool> TokenIsValid(std::string_view token);
  Result<std::optional<RegistrationToken>> FindToken(std::string_view token);
  // With `valid`: only those that are (or are not) valid now.  By token.
  Result<std::vector<RegistrationToken>> ListTokens(std::optional<bool> valid);
  // kInvalidArgument M_INVALID_PARAM for a bad or taken token.
  struct NewToken {
    std::optional<std::string> token = {};  // Nothing: a random one.
    size_t length = 16;                     // Of a random one.
    std::optional<int64_t> uses_allowed = {};
    std::optional<Timestamp> expires = {};
  };
  Result<RegistrationToken> CreateToken(const NewToken& wanted);
  // Changes what is given.  Nothing if there is no such token.
  struct TokenChange {
    std::optional<std::optional<int64_t>> uses_allowed = {};
    std::optional<std::optional<Timestamp>> expires = {};
  };
  Result<std::optional<RegistrationToken>> ChangeToken(
      std::string_view token, const TokenChange& change);
  // False if there was none.
  Result<bool> DeleteToken(std::string_view token);

  // --- Registration by operators who know the shared secret ---
  // A nonce, good once and for 60 seconds.
  // kInvalidArgument M_UNKNOWN when there is no shared secret.
  Result<std::string> NewNonce();
  struct SharedSecretRequest {
    std::string nonce = {};
    std::string username = {};
    std::string password = {};
    bool is_admin = false;
    std::string user_type = {};  // "" if not given.
    std::string mac = {};        // Hexadecimal HMAC-SHA1.
  };
  // Uses the nonce up and checks the MAC.  kInvalidArgument M_UNKNOWN for a
  // nonce that is not good, kPermissionDenied M_FORBIDDEN for a wrong MAC.
  Status CheckSharedSecret(const SharedSecretRequest& request);

 private:
  struct Rep;
  const Options options_;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
