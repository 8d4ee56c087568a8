// AccountService: making accounts and changing them.
#include <algorithm>
#include <utility>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/erasure.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/user_directory.h"
#include "service/accounts_rep.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using accounts::AccountOf;
using accounts::DeactivatedError;
using accounts::Key;
using accounts::NoSuchAccount;
using tables::kAccountData;
using tables::kProfiles;
using tables::kUsers;
using tables::Users;

// Unfinished work: what the departure hooks do.  Its key says whether the user
// was erased too.
constexpr std::string_view kDeparture = "departure";
constexpr std::string_view kErased = "erased";
constexpr int kDepartureTries = 5;  // At once.

Status WrongPassword() {
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                "Invalid username or password");
}

}  // namespace

AccountService::AccountService(Options options, const Deps& deps)
    : options_(options), rep_(std::make_shared<Rep>(options_, deps)) {
  deps.unfinished.Handle(
      std::string(kDeparture),
      [this](const std::shared_ptr<UnfinishedWork::Try>& work) {
        work->End(Depart(work->item().user_id, work->item().key == kErased));
      });
}

AccountService::~AccountService() = default;

Result<std::optional<Account>> AccountService::Find(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      rep_->deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(kUsers, Key(user_id)));
  if (!row) return std::optional<Account>();
  return std::optional<Account>(AccountOf(*row));
}

Result<std::optional<NewSession>> AccountService::Create(
    const NewAccount& account,
    const std::function<Status(Snapshot&, WriteBatch&)>& also) {
  BatchCell hash;
  if (account.password) {
    MC_ASSIGN_OR_RETURN(
        hash, HashPassword(*account.password, rep_->options.password_cost));
  }
  Opening opening;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kUsers, Key(account.user_id)));
    if (row) {
      return Status(StatusCode::kAlreadyExists, "M_USER_IN_USE",
                    "This user name is taken");
    }
    batch.InsertRow(kUsers, {account.user_id,
                             hash,
                             rep_->deps.clock.Now().ms,
                             int64_t{account.is_guest},
                             int64_t{account.is_admin},
                             {},
                             int64_t{0},
                             int64_t{0},
                             int64_t{0}});
    UserDirectory::Index(batch, account.user_id, "");
    if (account.session) {
      MC_RETURN_IF_ERROR(AddSession(snapshot, batch, account.user_id,
                                    *account.session, &opening));
    }
    return also ? also(snapshot, batch) : OkStatus();
  };
  MC_RETURN_IF_ERROR(Transact(rep_->deps.store, attempt).status());
  std::optional<NewSession> session;
  if (account.session) session = Opened(account.user_id, std::move(opening));
  return session;
}

Status AccountService::CheckPassword(std::string_view user_id,
                                     std::string_view password) {
  std::string hash;
  bool deactivated = false;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        rep_->deps.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot->Get(kUsers, Key(user_id)));
    if (row) {
      hash = CellText((*row)[Users::kPasswordHash]);
      deactivated = AccountOf(*row).deactivated;
    }
  }
  const bool has_password = !hash.empty();
  if (!has_password) {
    MutexLock lock(rep_->hash_mutex);
    if (rep_->no_password_hash.empty()) {
      MC_ASSIGN_OR_RETURN(rep_->no_password_hash,
                          HashPassword("", rep_->options.password_cost));
    }
    hash = rep_->no_password_hash;
  }
  const bool matches = VerifyPassword(password, hash);
  if (deactivated) return DeactivatedError();
  if (!has_password || !matches) return WrongPassword();
  if (!PasswordNeedsRehash(hash, rep_->options.password_cost))
    return OkStatus();
  if (Status status = SetPassword(user_id, password); !status.ok()) {
    rep_->deps.log.Warn("accounts", "could not renew a password hash",
                        {{"user", user_id}, {"error", status.ToString()}});
  }
  return OkStatus();
}

Status AccountService::SetPassword(
    std::string_view user_id, std::string_view password,
    std::optional<std::string_view> only_device) {
  MC_ASSIGN_OR_RETURN(const std::string hash,
                      HashPassword(password, rep_->options.password_cost));
  const std::string user(user_id);
  std::vector<std::string> devices;
  const auto change = [&](Snapshot& snapshot, WriteBatch& batch,
                          BatchRow& row) -> Status {
    row[Users::kPasswordHash] = hash;
    if (!only_device) return OkStatus();
    return AddDeletions(snapshot, batch, user, *only_device, &devices);
  };
  const Result<CommitInfo> done = ChangeUser(user, change);
  if (only_device) ForgetDevices(user, devices, done.status());
  return done.status();
}

Result<std::optional<NewSession>> AccountService::UpgradeGuest(
    std::string_view user_id, std::string_view password,
    const std::optional<SessionRequest>& session) {
  MC_ASSIGN_OR_RETURN(const std::string hash,
                      HashPassword(password, rep_->options.password_cost));
  const std::string user(user_id);
  Opening opening;
  const auto change = [&](Snapshot& snapshot, WriteBatch& batch,
                          BatchRow& row) -> Status {
    if (row[Users::kGuest] != BatchCell(int64_t{1})) {
      return Status(StatusCode::kFailedPrecondition, "This user is no guest");
    }
    row[Users::kPasswordHash] = hash;
    row[Users::kGuest] = int64_t{0};
    if (!session) return OkStatus();
    return AddSession(snapshot, batch, user, *session, &opening);
  };
  MC_RETURN_IF_ERROR(ChangeUser(user, change).status());
  std::optional<NewSession> opened;
  if (session) opened = Opened(user, std::move(opening));
  return opened;
}

// The row may have changed since it was read in any column; `change` sees it as
// it is when the change is made.
Result<CommitInfo> AccountService::ChangeUser(std::string_view user_id,
                                              const UserChange& change) {
  const Row key = Key(user_id);
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kUsers, key));
    if (!row) return NoSuchAccount();
    for (uint32_t column = Users::kPasswordHash; column <= Users::kSuspended;
         ++column) {
      batch.Require(
          WriteBatch::ColumnEquals{&kUsers, key, column, (*row)[column]});
    }
    BatchRow changed = ToBatchRow(*row);
    MC_RETURN_IF_ERROR(change(snapshot, batch, changed));
    batch.PutRow(kUsers, std::move(changed));
    return OkStatus();
  };
  Result<CommitInfo> done = Transact(rep_->deps.store, attempt);
  rep_->cache.EraseUser(user_id);  // It may have been written anyway.
  return done;
}

Status AccountService::Deactivate(std::string_view user_id, bool erase) {
  const std::string user(user_id);
  UnfinishedWork::Item departure{.kind = std::string(kDeparture),
                                 .user_id = user,
                                 .key = erase ? std::string(kErased) : ""};
  PositionRef pos;
  std::vector<std::string> devices;
  const auto change = [&](Snapshot& snapshot, WriteBatch& batch,
                          BatchRow& row) -> Status {
    row[Users::kPasswordHash] = {};
    row[Users::kDeactivated] = rep_->deps.clock.Now().ms;
    row[Users::kErased] = int64_t{erase};
    MC_RETURN_IF_ERROR(AddDeletions(snapshot, batch, user, {}, &devices));
    UserDirectory::Remove(batch, user);
    if (erase) {
      batch.DeleteRows(kProfiles, {user});
      batch.DeleteRows(kAccountData, {user});
      AddErasure(batch, user);
    }
    pos = UnfinishedWork::Add(batch, departure.kind, user, departure.key);
    return OkStatus();
  };
  const Result<CommitInfo> done = ChangeUser(user, change);
  ForgetDevices(user, devices, done.status());
  if (!done.ok()) {
    if (MayBeWritten(done.status())) rep_->deps.unfinished.LookLater();
    return done.status();
  }
  departure.pos = done->first + pos.index;
  // Where that fails, it is done later.
  rep_->deps.unfinished.Begin(std::move(departure), nullptr);
  return OkStatus();
}

// Runs all hooks.
Status AccountService::Depart(const std::string& user_id, bool erase) {
  Status passing;
  for (const DepartureHook& hook : rep_->departure_hooks) {
    Status status = hook(user_id, erase);
    for (int i = 1; i < kDepartureTries && IsPassing(status); ++i) {
      status = hook(user_id, erase);
    }
    if (IsPassing(status)) {
      passing = std::move(status);
    } else if (!status.ok()) {
      rep_->deps.log.Error("accounts", "a deactivated user could not leave",
                           {{"user", user_id}, {"error", status.ToString()}});
    }
  }
  return passing;
}

Status AccountService::SetLocked(std::string_view user_id, bool locked) {
  const auto change = [locked](Snapshot&, WriteBatch&, BatchRow& row) {
    if (row[Users::kDeactivated] != BatchCell()) return NoSuchAccount();
    row[Users::kLocked] = int64_t{locked};
    return OkStatus();
  };
  return ChangeUser(user_id, change).status();
}

Status AccountService::SetSuspended(std::string_view user_id, bool suspended) {
  const auto change = [suspended](Snapshot&, WriteBatch&, BatchRow& row) {
    if (row[Users::kDeactivated] != BatchCell()) return NoSuchAccount();
    row[Users::kSuspended] = int64_t{suspended};
    return OkStatus();
  };
  return ChangeUser(user_id, change).status();
}

bool AccountService::IsAdmin(const Account& account) const {
  return account.is_admin ||
         std::count(options_.admin_users.begin(), options_.admin_users.end(),
                    account.user_id) != 0;
}

std::string AccountService::FullUserId(std::string_view user) const {
  if (!user.empty() && user.front() == '@') return std::string(user);
  return MakeUserId(user, options_.server_name);
}

}  // namespace matrixcore
