#include "matrixcore/service/registration.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/utf8.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/profiles.h"
#include "matrixcore/service/push_rules.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kRegistrationTokens;
using tables::RegistrationTokens;

constexpr std::string_view kTokenStage = "m.login.registration_token";
constexpr size_t kMaxTokenLength = 64;
constexpr size_t kMaxNonces = 1000;
constexpr size_t kNonceLength = 32;
constexpr Duration kNonceLife = seconds(60);
constexpr int kRandomNameLength = 10;
constexpr std::string_view kNameAlphabet = "abcdefghijklmnopqrstuvwxyz";
constexpr int kNameAttempts = 5;

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

Status NoUseLeft() {
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                "This registration token is not valid");
}

RegistrationToken TokenOf(const Row& row) {
  RegistrationToken token;
  token.token = CellText(row[RegistrationTokens::kToken]);
  if (const Cell& uses = row[RegistrationTokens::kUsesAllowed]; !IsNull(uses)) {
    token.uses_allowed = CellInt(uses);
  }
  token.completed = CellInt(row[RegistrationTokens::kCompleted]);
  if (const Cell& ts = row[RegistrationTokens::kExpires]; !IsNull(ts)) {
    token.expires = Timestamp{CellInt(ts)};
  }
  return token;
}

BatchCell ToCell(const std::optional<int64_t>& number) {
  return number ? BatchCell(*number) : BatchCell();
}
BatchCell ToCell(const std::optional<Timestamp>& ts) {
  return ts ? BatchCell(ts->ms) : BatchCell();
}

Status UseToken(Snapshot& snapshot, WriteBatch& batch,
                const std::string& name) {
  if (name.empty()) return OkStatus();
  const Row key = {name};
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kRegistrationTokens, key));
  if (!row) return NoUseLeft();
  const RegistrationToken token = TokenOf(*row);
  if (token.uses_allowed && token.completed >= *token.uses_allowed) {
    return NoUseLeft();
  }
  batch.Require(WriteBatch::ColumnEquals{&kRegistrationTokens, key,
                                         RegistrationTokens::kCompleted,
                                         token.completed});
  batch.AddTo(kRegistrationTokens, {name}, RegistrationTokens::kCompleted, 1);
  return OkStatus();
}

bool IsExpired(const RegistrationToken& token, Timestamp now) {
  return token.expires && *token.expires <= now;
}

bool IsValid(const RegistrationToken& token, Timestamp now) {
  return !IsExpired(token, now) &&
         (!token.uses_allowed ||
          token.pending + token.completed < *token.uses_allowed);
}

}  // namespace

struct RegistrationService::Rep {
  explicit Rep(const Deps& d) : deps(d) {}

  struct Nonce {
    std::string text;
    MonotonicTime expires;
  };
  int64_t Pending(std::string_view token) {
    return static_cast<int64_t>(deps.uia.CountStageValue(kTokenStage, token));
  }

  const Deps deps;
  Mutex mutex;
  std::deque<Nonce> nonces MC_GUARDED_BY(mutex);  // The oldest first.
};

RegistrationService::RegistrationService(Options options, const Deps& deps)
    : options_(std::move(options)), rep_(std::make_unique<Rep>(deps)) {}

RegistrationService::~RegistrationService() = default;

// --- What may be registered ---

Status RegistrationService::CheckOpen(bool guest) const {
  if (guest ? options_.guests : options_.enabled) return OkStatus();
  return Status(
      StatusCode::kPermissionDenied, "M_FORBIDDEN",
      guest ? "Guest access is disabled" : "Registration is disabled");
}

Result<std::string> RegistrationService::Localpart(
    std::string_view username) const {
  std::string localpart(username);
  for (char& c : localpart) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!IsStrictLocalpart(localpart)) {
    return Invalid("M_INVALID_USERNAME",
                   "A user name has only the characters a-z 0-9 . _ = - / +");
  }
  const std::string user_id = MakeUserId(localpart, options_.server_name);
  if (user_id.size() > kMaxIdentifierBytes) {
    return Invalid("M_INVALID_USERNAME", "The user name is too long");
  }
  return localpart;
}

Result<std::string> RegistrationService::CheckAvailable(
    std::string_view username) {
  MC_ASSIGN_OR_RETURN(std::string localpart, Localpart(username));
  MC_ASSIGN_OR_RETURN(
      const std::optional<Account> account,
      rep_->deps.accounts.Find(MakeUserId(localpart, options_.server_name)));
  if (account) {
    return Status(StatusCode::kAlreadyExists, "M_USER_IN_USE",
                  "This user name is taken");
  }
  return localpart;
}

Status RegistrationService::CheckPasswordStrength(
    std::string_view password) const {
  if (CountCodePoints(password) >= options_.min_password_length) {
    return OkStatus();
  }
  return Invalid("M_WEAK_PASSWORD",
                 fmt::format("The password must have at least {} characters",
                             options_.min_password_length));
}

std::vector<UiaFlow> RegistrationService::Flows() const {
  if (options_.require_token) return {{std::string(kTokenStage)}};
  return {{"m.login.dummy"}};
}

Result<Registered> RegistrationService::Register(
    const Registration& registration, std::string* tried) {
  NewAccount account;
  account.password = registration.password;
  account.is_guest = registration.is_guest;
  account.is_admin = registration.is_admin;
  if (!registration.inhibit_login) account.session = registration.session;
  // One more account for the token, if it still has a use, and the rows with
  // which every account begins.
  const auto also = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    AccountDataService::AddRow(batch, account.user_id, "", kPushRulesType,
                               PushRuleService::Default(account.user_id));
    if (registration.displayname) {
      MC_RETURN_IF_ERROR(ProfileService::AddName(batch, account.user_id,
                                                 *registration.displayname));
    }
    return UseToken(snapshot, batch, registration.registration_token);
  };
  Result<std::optional<NewSession>> created =
      Status(StatusCode::kInternal, "no attempt");
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    std::string localpart;
    if (registration.username) {
      MC_ASSIGN_OR_RETURN(localpart, Localpart(*registration.username));
    } else {
      localpart = rep_->deps.random.String(kRandomNameLength, kNameAlphabet);
    }
    account.user_id = MakeUserId(localpart, options_.server_name);
    if (tried != nullptr) *tried = account.user_id;
    created = rep_->deps.accounts.Create(account, also);
    // Only a name that the server picked is worth another try.
    if (created.status().code() != StatusCode::kAlreadyExists ||
        registration.username) {
      break;
    }
  }
  MC_RETURN_IF_ERROR(created.status());
  return Registered{.user_id = account.user_id, .session = std::move(*created)};
}

// --- Registration tokens ---

Result<std::optional<RegistrationToken>> RegistrationService::FindToken(
    std::string_view token) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      rep_->deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(kRegistrationTokens, {TextCell(token)}));
  if (!row) return std::optional<RegistrationToken>();
  RegistrationToken found = TokenOf(*row);
  found.pending = rep_->Pending(token);
  return std::optional<RegistrationToken>(std::move(found));
}

Result<bool> RegistrationService::TokenIsValid(std::string_view token) {
  MC_ASSIGN_OR_RETURN(const std::optional<RegistrationToken> found,
                      FindToken(token));
  return found && IsValid(*found, rep_->deps.clock.Now());
}

Result<std::vector<RegistrationToken>> RegistrationService::ListTokens(
    std::optional<bool> valid) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      rep_->deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot->Scan({.table = &kRegistrationTokens}));
  std::vector<RegistrationToken> list;
  for (const Row& row : rows) {
    RegistrationToken token = TokenOf(row);
    token.pending = rep_->Pending(token.token);
    if (!valid || *valid == IsValid(token, rep_->deps.clock.Now())) {
      list.push_back(std::move(token));
    }
  }
  return list;
}

Result<RegistrationToken> RegistrationService::CreateToken(
    const NewToken& wanted) {
  if (wanted.length < 1 || wanted.length > kMaxTokenLength) {
    return Invalid("M_INVALID_PARAM", "The length must be between 1 and 64");
  }
  if (wanted.token &&
      (!IsOpaqueId(*wanted.token) || wanted.token->size() > kMaxTokenLength)) {
    return Invalid("M_INVALID_PARAM",
                   "A token has 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -");
  }
  RegistrationToken token;
  token.uses_allowed = wanted.uses_allowed;
  token.expires = wanted.expires;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    token.token = wanted.token ? *wanted.token
                               : rep_->deps.random.AlphaNumeric(wanted.length);
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kRegistrationTokens, {token.token}));
    if (row) return Invalid("M_INVALID_PARAM", "This token exists already");
    batch.InsertRow(kRegistrationTokens,
                    {token.token, ToCell(token.uses_allowed), int64_t{0},
                     ToCell(token.expires)});
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(rep_->deps.store, attempt));
  return token;
}

Result<std::optional<RegistrationToken>> RegistrationService::ChangeToken(
    std::string_view token, const TokenChange& change) {
  const Row key = {TextCell(token)};
  std::optional<RegistrationToken> changed;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    changed.reset();
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kRegistrationTokens, key));
    if (!row) return OkStatus();
    changed = TokenOf(*row);
    if (change.uses_allowed) changed->uses_allowed = *change.uses_allowed;
    if (change.expires) changed->expires = *change.expires;
    batch.Require(WriteBatch::ColumnEquals{
        &kRegistrationTokens, key, RegistrationTokens::kCompleted,
        (*row)[RegistrationTokens::kCompleted]});
    batch.PutRow(kRegistrationTokens,
                 {changed->token, ToCell(changed->uses_allowed),
                  changed->completed, ToCell(changed->expires)});
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(rep_->deps.store, attempt));
  if (changed) changed->pending = rep_->Pending(token);
  return changed;
}

Result<bool> RegistrationService::DeleteToken(std::string_view token) {
  bool existed = false;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kRegistrationTokens, {TextCell(token)}));
    existed = row.has_value();
    if (existed) batch.DeleteRow(kRegistrationTokens, {std::string(token)});
    return OkStatus();
  };
  const Status removed = Transact(rep_->deps.store, attempt).status();
  if (removed.ok()) return existed;
  // Asked again, there would be no such token.
  if (MayBeWritten(removed)) {
    MC_ASSIGN_OR_RETURN(const auto left, FindToken(token));
    if (!left) return true;
  }
  return removed;
}

// --- Shared secret ---

Result<std::string> RegistrationService::NewNonce() {
  if (options_.shared_secret.empty()) {
    return Invalid("M_UNKNOWN", "Shared secret registration is not enabled");
  }
  Rep::Nonce nonce{rep_->deps.random.AlphaNumeric(kNonceLength),
                   rep_->deps.clock.Monotonic() + kNonceLife};
  MutexLock lock(rep_->mutex);
  if (rep_->nonces.size() >= kMaxNonces) rep_->nonces.pop_front();
  rep_->nonces.push_back(nonce);
  return nonce.text;
}

Status RegistrationService::CheckSharedSecret(
    const SharedSecretRequest& request) {
  if (options_.shared_secret.empty()) {
    return Invalid("M_UNKNOWN", "Shared secret registration is not enabled");
  }
  {
    MutexLock lock(rep_->mutex);
    const MonotonicTime now = rep_->deps.clock.Monotonic();
    std::deque<Rep::Nonce>& nonces = rep_->nonces;
    while (!nonces.empty() && nonces.front().expires <= now) nonces.pop_front();
    const auto it = std::find_if(
        nonces.begin(), nonces.end(),
        [&](const Rep::Nonce& nonce) { return nonce.text == request.nonce; });
    if (it == nonces.end()) return Invalid("M_UNKNOWN", "Unrecognised nonce");
    nonces.erase(it);
  }
  std::string message;
  for (const std::string_view part :
       {std::string_view(request.nonce), std::string_view(request.username),
        std::string_view(request.password)}) {
    message.append(part).push_back('\0');
  }
  message.append(request.is_admin ? "admin" : "notadmin");
  if (!request.user_type.empty()) {
    message.push_back('\0');
    message.append(request.user_type);
  }
  const auto wanted =
      HmacSha1(AsBytes(options_.shared_secret), AsBytes(message));
  const std::optional<std::string> given = HexDecode(request.mac);
  if (!given || !ConstantTimeEqual(AsBytes(*given), ByteView(wanted))) {
    return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                  "HMAC incorrect");
  }
  return OkStatus();
}

}  // namespace matrixcore
