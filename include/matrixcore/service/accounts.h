// Accounts: users, their passwords, devices and access tokens.
//
// Part of the service floor: no HTTP; each function is a use case and answers
// with a Status whose errcode is the specification's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/executor.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/crypto/password.h"
#include "matrixcore/service/unfinished.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Who holds an access token.
struct Session {
  std::string user_id = {};
  std::string device_id = {};
  bool is_guest = false;
  bool is_admin = false;
  // Spec: "Account moderation".  A locked user may only log out; what a
  // suspended one may do is decided where it is done.
  bool is_locked = false;
  bool is_suspended = false;
};

// A user of this server.
struct Account {
  std::string user_id = {};
  Timestamp created = {};
  bool is_guest = false;
  bool is_admin = false;
  bool deactivated = false;
  bool has_password = false;
  bool locked = false;
  bool suspended = false;
};

// What a client asks for when it logs in or registers.
struct SessionRequest {
  std::string device_id = {};  // "": the server makes one.
  std::optional<std::string> initial_display_name = {};
  bool refreshable = false;  // The client understands refresh tokens.
};

struct NewAccount {
  std::string user_id = {};
  // Nothing: nobody can log in with one.
  std::optional<std::string> password = {};
  bool is_guest = false;
  bool is_admin = false;
  // The first session; nothing: none is opened.
  std::optional<SessionRequest> session = {};
};

// A session that was opened or refreshed: the only time that tokens are known.
struct NewSession {
  std::string user_id = {};
  std::string device_id = {};
  std::string access_token = {};
  std::string refresh_token = {};  // "" if the client did not ask for one.
  int64_t expires_in_ms = 0;       // 0: the access token does not expire.
};

// When and from where a device was last active.
struct DeviceSighting {
  std::string address = {};
  Timestamp ts = {};
};

// What a token is worth.
struct TokenCheck {
  enum class State {
    kValid,
    kExpired,  // The client may refresh or log in again (soft logout).
    kUnknown,
  };
  State state = State::kUnknown;
  Session session;  // When valid.
};

// Thread-safe.  Tokens have 190 random bits, are stored as their SHA-256 and
// are never logged.  Functions marked "slow" compute a password hash: run them
// on a background lane.  Besides the named ones, all may give the store's
// errors.
class AccountService {
 public:
  struct Options {
    std::string server_name = {};
    PasswordCost password_cost = {};
    int64_t access_token_lifetime_ms = 300'000;  // For clients that refresh.
    std::vector<std::string> admin_users = {};   // Beside those of the store.
    size_t max_devices = 1000;                   // Of a user.
  };
  struct Deps {
    Store& store;
    const Clock& clock;
    Random& random;
    Executor& background;
    Timers& timers;
    Logger& log;
    CacheBudget& caches;         // For the sessions of tokens that were seen.
    UnfinishedWork& unfinished;  // Makes deactivated users leave.
  };
  AccountService(Options options, const Deps& deps);
  ~AccountService();

  // --- Access tokens ---
  // On the path of every request: answers from memory if the token was seen
  // before.  Notes when and from where (`address`) the device was active; that
  // reaches the store at most once a minute.
  Result<TokenCheck> Authenticate(std::string_view access_token,
                                  std::string_view address);
  // Opens a session on a new device, or on a device that the user has: then its
  // old tokens become unknown and it keeps its name.
  // kInvalidArgument M_INVALID_PARAM for a device id over 255 bytes;
  // kNotFound if there is no such account; kUnauthenticated M_USER_LOCKED;
  // kPermissionDenied M_FORBIDDEN for a device too many.
  Result<NewSession> OpenSession(std::string_view user_id,
                                 const SessionRequest& request);
  // Gives new tokens for a refresh token.  It stays good until one of the new
  // tokens is used (spec: "Refreshing access tokens"); so does its access token
  // until it expires.  kUnauthenticated M_UNKNOWN_TOKEN, M_USER_LOCKED.
  Result<NewSession> Refresh(std::string_view refresh_token);
  // Delete devices with all that belongs to them; their tokens are unknown when
  // it returns.  Devices that do not exist are ignored.
  Status DeleteDevices(std::string_view user_id,
                       std::span<const std::string> device_ids);
  Status DeleteAllDevices(std::string_view user_id,
                          std::string_view except_device = {});
  // For deleting a device together with something else: adds the deletion to a
  // batch; to be followed, once that is committed, by ForgetDevice and
  // DeviceListChanged.
  void AddDeletion(WriteBatch& batch, const std::string& user_id,
                   const std::string& device_id);
  void ForgetDevice(const std::string& user_id, const std::string& device_id);
  // kPermissionDenied M_FORBIDDEN if the user has as many devices as they may.
  Status CheckDeviceCount(Snapshot& snapshot, std::string_view user_id);

  // --- Accounts ---
  // Nothing if there is none.
  Result<std::optional<Account>> Find(std::string_view user_id);
  // Makes the account with its first session, all or nothing.
  // kAlreadyExists M_USER_IN_USE; of the session as OpenSession.  `also` adds
  // rows that become durable together with the account, or says why not; it may
  // be called again after a lost race.  Slow if the account has a password.
  Result<std::optional<NewSession>> Create(
      const NewAccount& account,
      const std::function<Status(Snapshot&, WriteBatch&)>& also = {});
  // Ok when it is the password of an active account.  kPermissionDenied
  // M_FORBIDDEN (the same, after the same time, for an unknown user and for a
  // wrong password) or M_USER_DEACTIVATED.  Slow.
  Status CheckPassword(std::string_view user_id, std::string_view password);
  // Slow.  kNotFound if there is no such account.  With `only_device`, all
  // other devices are deleted with the old password.
  Status SetPassword(std::string_view user_id, std::string_view password,
                     std::optional<std::string_view> only_device = {});
  // Makes a guest a user with a password and, if asked, a new session, all or
  // nothing.  Slow.  kFailedPrecondition M_UNKNOWN if it is no guest; of the
  // session as OpenSession.
  Result<std::optional<NewSession>> UpgradeGuest(
      std::string_view user_id, std::string_view password,
      const std::optional<SessionRequest>& session);
  // For good and at once: no login, no tokens, no devices; `erase` also removes
  // the profile and the account data, and hides what the user said from those
  // who join later (room/erasure.h).  Then the hooks make the user leave all
  // rooms; where they fail, that is done later.
  Status Deactivate(std::string_view user_id, bool erase);

  // Locks or suspends an account, or lifts that; tells at once in every
  // session, and keeps them all.  kNotFound M_NOT_FOUND if there is no such
  // account, or it is deactivated.
  Status SetLocked(std::string_view user_id, bool locked);
  Status SetSuspended(std::string_view user_id, bool suspended);
  // Whether the user has administrators' rights, by the store or the options.
  bool IsAdmin(const Account& account) const;

  const std::string& server_name() const { return options_.server_name; }
  // "@localpart:server" of a localpart or a full user id, as a client gives it
  // at login.
  std::string FullUserId(std::string_view user) const;

  // --- Hooks: set while the server is composed, before it is used ---
  // Adds the removal of what belongs to a device to the batch that deletes it.
  using DeviceHook =
      std::function<void(WriteBatch& batch, const std::string& user_id,
                         const std::string& device_id)>;
  void OnDeviceDeleted(DeviceHook hook);
  // Runs after an account was deactivated, and again after a passing failure of
  // any of the hooks.
  using DepartureHook =
      std::function<Status(const std::string& user_id, bool erase)>;
  void OnDeactivated(DepartureHook hook);
  // Runs after a commit that changed a user's device list.
  using DeviceListHook = std::function<void(const std::string& user_id)>;
  void OnDeviceListChanged(DeviceListHook hook);
  // To be called after such a commit of another service.
  void DeviceListChanged(const std::string& user_id);

  // --- Activity ---
  // What is noted of a device and not in the store yet.
  std::optional<DeviceSighting> LastSeen(std::string_view user_id,
                                         std::string_view device_id);
  // Writes what is noted of active devices.  Called before the store closes.
  void FlushActivity();

 private:
  struct Rep;
  struct Opening;
  Status AddSession(Snapshot& snapshot, WriteBatch& batch,
                    const std::string& user, const SessionRequest& request,
                    Opening* opening);
  NewSession Opened(const std::string& user, Opening opening);
  Status AddDeletions(Snapshot& snapshot, WriteBatch& batch,
                      const std::string& user, std::string_view except_device,
                      std::vector<std::string>* devices);
  void ForgetDevices(const std::string& user,
                     std::span<const std::string> devices,
                     const Status& committed);
  using UserChange =
      std::function<Status(Snapshot&, WriteBatch&, BatchRow& user)>;
  Result<CommitInfo> ChangeUser(std::string_view user_id,
                                const UserChange& change);
  Status Depart(const std::string& user_id, bool erase);
  Options options_;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
