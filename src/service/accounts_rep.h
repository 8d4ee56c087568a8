// What the parts of AccountService share.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "service/token_cache.h"
#include "service/transact.h"

namespace matrixcore {
namespace accounts {

inline Status NoSuchAccount() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such account");
}

inline Status DeactivatedError() {
  return Status(StatusCode::kPermissionDenied, "M_USER_DEACTIVATED",
                "This account has been deactivated");
}

inline Status LockedError() {
  return Status(StatusCode::kUnauthenticated, "M_USER_LOCKED",
                "This account has been locked");
}

inline Blob ToBlob(const Sha256Digest& hash) {
  return Blob{std::string(AsText(ByteView(hash)))};
}

inline Row Key(std::string_view user_id) { return {TextCell(user_id)}; }
inline Row Key(std::string_view user_id, std::string_view device_id) {
  return {TextCell(user_id), TextCell(device_id)};
}

inline Account AccountOf(const Row& row) {
  return {.user_id = std::string(CellText(row[tables::Users::kUser])),
          .created = {CellInt(row[tables::Users::kCreated])},
          .is_guest = CellInt(row[tables::Users::kGuest]) != 0,
          .is_admin = CellInt(row[tables::Users::kAdmin]) != 0,
          .deactivated = !IsNull(row[tables::Users::kDeactivated]),
          .has_password = !IsNull(row[tables::Users::kPasswordHash]),
          .locked = CellInt(row[tables::Users::kLocked]) != 0,
          .suspended = CellInt(row[tables::Users::kSuspended]) != 0};
}

}  // namespace accounts

struct AccountService::Rep : std::enable_shared_from_this<Rep> {
  Rep(const Options& o, const Deps& d) : options(o), deps(d), cache(d.caches) {}

  // --- Tokens ---
  struct Tokens {
    std::string access, refresh;
    Sha256Digest access_hash{}, refresh_hash{};
    std::optional<int64_t> expires;
  };
  Tokens NewTokens(bool refreshable) {
    constexpr int kTokenLength = 32;
    Tokens tokens;
    tokens.access = "mca_" + deps.random.AlphaNumeric(kTokenLength);
    tokens.access_hash = Sha256(tokens.access);
    if (refreshable) {
      tokens.refresh = "mcr_" + deps.random.AlphaNumeric(kTokenLength);
      tokens.refresh_hash = Sha256(tokens.refresh);
      tokens.expires = deps.clock.Now().ms + options.access_token_lifetime_ms;
    }
    return tokens;
  }
  // `replaces` is the refresh token's row that the tokens were got with.
  static void WriteTokens(WriteBatch& batch, const std::string& user_id,
                          const std::string& device_id, const Tokens& tokens,
                          const BatchCell& replaces) {
    BatchCell expires;
    if (tokens.expires) expires = *tokens.expires;
    batch.InsertRow(tables::kAccessTokens,
                    {user_id, device_id, accounts::ToBlob(tokens.access_hash),
                     expires, replaces});
    if (tokens.refresh.empty()) return;
    batch.InsertRow(tables::kRefreshTokens,
                    {user_id,
                     device_id,
                     accounts::ToBlob(tokens.refresh_hash),
                     accounts::ToBlob(tokens.access_hash),
                     {},
                     {},
                     replaces});
  }
  NewSession ToSession(std::string user_id, std::string device_id,
                       Tokens tokens) const {
    return {
        .user_id = std::move(user_id),
        .device_id = std::move(device_id),
        .access_token = std::move(tokens.access),
        .refresh_token = std::move(tokens.refresh),
        .expires_in_ms = tokens.expires ? options.access_token_lifetime_ms : 0};
  }
  Status RetirePredecessor(const std::string& user_id,
                           const std::string& device_id, const Blob& replaced);
  Result<TokenCheck> Load(const Sha256Digest& hash, std::string_view address);
  Result<TokenCheck> Judge(TokenCache::Entry& entry, std::string_view address);

  // --- Activity ---
  struct Seen {
    std::string address;
    int64_t ts = 0;
  };
  void Note(TokenCache::Entry& entry, std::string_view address);
  void FlushActivity();

  const Options options;
  const Deps deps;
  TokenCache cache;
  std::vector<DeviceHook> device_hooks;
  std::vector<DepartureHook> departure_hooks;
  std::vector<DeviceListHook> device_list_hooks;

  Mutex mutex;
  std::map<std::pair<std::string, std::string>, Seen> seen MC_GUARDED_BY(mutex);
  bool flush_planned MC_GUARDED_BY(mutex) = false;
  // What an unknown user's password is compared with.
  Mutex hash_mutex;
  std::string no_password_hash MC_GUARDED_BY(hash_mutex);
};

// A session on its way into the store.
struct AccountService::Opening {
  std::string device = {};
  bool known_device = false;
  Rep::Tokens tokens = {};
};

}  // namespace matrixcore
