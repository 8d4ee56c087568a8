// OpenID tokens: a user proves to a third party who they are (spec:
// client-server API, "OpenID"; server-server API, "OpenID").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Tokens have 190 random bits and are stored as their SHA-256.  Waits for the
// store.  Thread-safe.
class OpenIdService {
 public:
  static constexpr int64_t kLifeSeconds = 3600;

  struct Deps {
    Store& store;
    const Clock& clock;
    Random& random;
  };
  explicit OpenIdService(const Deps& deps) : deps_(deps) {}

  // A token that proves for kLifeSeconds who `user_id` is.
  Result<std::string> MakeToken(std::string_view user_id);
  // Whose token it is; nothing for one that is unknown or too old.
  Result<std::optional<std::string>> UserOf(std::string_view token);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
