#include "matrixcore/service/accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "matrixcore/base/mutex.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/restored.h"
#include "service/accounts_rep.h"
#include "service/device_list.h"
#include "service/token_cache.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using accounts::AccountOf;
using accounts::DeactivatedError;
using accounts::Key;
using accounts::LockedError;
using accounts::NoSuchAccount;
using accounts::ToBlob;
using tables::AccessTokens;
using tables::DeviceActivity;
using tables::Devices;
using tables::kAccessTokens;
using tables::kDeviceActivity;
using tables::kDeviceListChanges;
using tables::kDevices;
using tables::kRefreshTokens;
using tables::kUsers;
using tables::RefreshTokens;
using tables::Users;

constexpr size_t kMaxDeviceIdBytes = 255;
constexpr size_t kCachedTokens = 20'000;
constexpr int64_t kActivityIntervalMs = 60'000;
constexpr std::string_view kDeviceIdAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr int kDeviceIdLength = 10;

Status UnknownToken() {
  return Status(StatusCode::kUnauthenticated, "M_UNKNOWN_TOKEN",
                "Unknown refresh token");
}

}  // namespace

// --- Access tokens ---

Result<TokenCheck> AccountService::Authenticate(std::string_view access_token,
                                                std::string_view address) {
  const Sha256Digest hash = Sha256(access_token);
  if (const TokenCache::EntryPtr entry = rep_->cache.Get(hash)) {
    return rep_->Judge(*entry, address);
  }
  return rep_->Load(hash, address);
}

Result<TokenCheck> AccountService::Rep::Judge(TokenCache::Entry& entry,
                                              std::string_view address) {
  TokenCheck check;
  if (entry.expires_ms != 0 && entry.expires_ms <= deps.clock.Now().ms) {
    check.state = TokenCheck::State::kExpired;
    return check;
  }
  Note(entry, address);
  check.state = TokenCheck::State::kValid;
  check.session = entry.session;
  return check;
}

Result<TokenCheck> AccountService::Rep::Load(const Sha256Digest& hash,
                                             std::string_view address) {
  const uint64_t epoch = cache.epoch();
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> token,
                      FindByIndex(*snapshot, kAccessTokens,
                                  AccessTokens::kByHash, {ToBlob(hash)}));
  if (!token) {
    TokenCheck check;
    MC_ASSIGN_OR_RETURN(const LostTimes lost, LostTimes::Read(*snapshot));
    if (lost.MayHaveLostTokens(deps.clock.Now())) {
      check.state = TokenCheck::State::kExpired;
    }
    return check;
  }
  const std::string user_id(CellText((*token)[AccessTokens::kUser]));
  MC_ASSIGN_OR_RETURN(const std::optional<Row> user,
                      snapshot->Get(kUsers, Key(user_id)));
  if (!user) return TokenCheck();
  snapshot.reset();

  const Account account = AccountOf(*user);
  auto entry = std::make_shared<TokenCache::Entry>();
  entry->session = {
      .user_id = user_id,
      .device_id = std::string(CellText((*token)[AccessTokens::kDevice])),
      .is_guest = account.is_guest,
      .is_admin = account.is_admin ||
                  std::count(options.admin_users.begin(),
                             options.admin_users.end(), user_id) != 0,
      .is_locked = account.locked,
      .is_suspended = account.suspended};
  entry->expires_ms = CellInt((*token)[AccessTokens::kExpires]);
  MC_ASSIGN_OR_RETURN(TokenCheck check, Judge(*entry, address));
  if (check.state != TokenCheck::State::kValid) return check;
  if (const Cell& replaces = (*token)[AccessTokens::kReplaces];
      !IsNull(replaces)) {
    MC_RETURN_IF_ERROR(RetirePredecessor(user_id, entry->session.device_id,
                                         *std::get_if<Blob>(&replaces)));
    // Something was deleted, so the cache keeps this token from its next use
    // on.
    return check;
  }
  cache.Put(hash, std::move(entry), epoch);
  return check;
}

// A token that was got with the refresh token `replaced` is used for the first
// time: the refresh token and its access token have done their work.
Status AccountService::Rep::RetirePredecessor(const std::string& user_id,
                                              const std::string& device_id,
                                              const Blob& replaced) {
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> old,
        snapshot.Get(kRefreshTokens, {user_id, device_id, replaced}));
    if (!old) return OkStatus();
    const auto cell = [&old](uint32_t column) {
      return ToBatchRow(*old)[column];
    };
    batch.Require(WriteBatch::ColumnEquals{&kRefreshTokens,
                                           {user_id, device_id, replaced},
                                           RefreshTokens::kNextAccess,
                                           (*old)[RefreshTokens::kNextAccess]});
    batch.DeleteRow(kRefreshTokens, {user_id, device_id, replaced});
    batch.DeleteRow(kAccessTokens,
                    {user_id, device_id, cell(RefreshTokens::kAccess)});
    // The successors stand on their own from now on.
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> access,
        snapshot.Get(kAccessTokens,
                     {user_id, device_id, (*old)[RefreshTokens::kNextAccess]}));
    if (access) {
      BatchRow row = ToBatchRow(*access);
      row[AccessTokens::kReplaces] = {};
      batch.PutRow(kAccessTokens, std::move(row));
    }
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> refresh,
        snapshot.Get(kRefreshTokens, {user_id, device_id,
                                      (*old)[RefreshTokens::kNextRefresh]}));
    if (refresh) {
      BatchRow row = ToBatchRow(*refresh);
      row[RefreshTokens::kReplaces] = {};
      batch.PutRow(kRefreshTokens, std::move(row));
    }
    return OkStatus();
  };
  const Result<CommitInfo> done = Transact(deps.store, attempt);
  cache.EraseDevice(user_id, device_id);  // It may have been written anyway.
  return done.status();
}

namespace {

// Spec: "Cross-signing": device ids must not collide with the user's public
// keys, because both are named in the same way in signatures.
Status CheckIsNoKey(Snapshot& snapshot, const std::string& user,
                    const std::string& device) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> keys,
                      snapshot.Scan({.table = &tables::kCrossSigningKeys,
                                     .prefix = {Cell(user)}}));
  for (const Row& key : keys) {
    if (CellText(key[tables::CrossSigningKeys::kPublicKey]) == device) {
      return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                    "The device id is one of the user's public keys");
    }
  }
  return OkStatus();
}

}  // namespace

Status AccountService::AddSession(Snapshot& snapshot, WriteBatch& batch,
                                  const std::string& user,
                                  const SessionRequest& request,
                                  Opening* opening) {
  std::string& device = opening->device = request.device_id;
  if (device.size() > kMaxDeviceIdBytes) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "The device id is too long");
  }
  if (device.empty()) {
    device = rep_->deps.random.String(kDeviceIdLength, kDeviceIdAlphabet);
  }
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kDevices, Key(user, device)));
  opening->known_device = row.has_value();
  if (opening->known_device) {
    batch.Require(WriteBatch::RowPresent{&kDevices, Key(user, device)});
    batch.DeleteRows(kAccessTokens, {user, device});
    batch.DeleteRows(kRefreshTokens, {user, device});
  } else {
    MC_RETURN_IF_ERROR(CheckIsNoKey(snapshot, user, device));
    MC_RETURN_IF_ERROR(CheckDeviceCount(snapshot, user));
    BatchCell name;
    if (request.initial_display_name) name = *request.initial_display_name;
    batch.InsertRow(kDevices, {user, device, name, rep_->deps.clock.Now().ms});
    batch.PutRow(kDeviceListChanges, {user, batch.NewPosition()});
  }
  opening->tokens = rep_->NewTokens(request.refreshable);
  Rep::WriteTokens(batch, user, device, opening->tokens, {});
  return OkStatus();
}

// It is in the store.
NewSession AccountService::Opened(const std::string& user, Opening opening) {
  if (!opening.known_device) DeviceListChanged(user);
  return rep_->ToSession(user, std::move(opening.device),
                         std::move(opening.tokens));
}

Result<NewSession> AccountService::OpenSession(std::string_view user_id,
                                               const SessionRequest& request) {
  const std::string user(user_id);
  Opening opening;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> account,
                        snapshot.Get(kUsers, Key(user)));
    if (!account) return NoSuchAccount();
    if (AccountOf(*account).deactivated) return DeactivatedError();
    if (AccountOf(*account).locked) return LockedError();
    batch.Require(WriteBatch::ColumnEquals{&kUsers, Key(user),
                                           Users::kDeactivated, Cell()});
    return AddSession(snapshot, batch, user, request, &opening);
  };
  const Result<CommitInfo> done = Transact(rep_->deps.store, attempt);
  if (opening.known_device) rep_->cache.EraseDevice(user, opening.device);
  MC_RETURN_IF_ERROR(done.status());
  return Opened(user, std::move(opening));
}

Result<NewSession> AccountService::Refresh(std::string_view refresh_token) {
  const Blob hash = ToBlob(Sha256(refresh_token));
  std::string user, device;
  Rep::Tokens tokens;
  std::optional<Blob> predecessor;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> row,
        FindByIndex(snapshot, kRefreshTokens, RefreshTokens::kByHash, {hash}));
    if (!row) return UnknownToken();
    user = CellText((*row)[RefreshTokens::kUser]);
    device = CellText((*row)[RefreshTokens::kDevice]);
    MC_ASSIGN_OR_RETURN(const std::optional<Row> account,
                        snapshot.Get(kUsers, Key(user)));
    if (account && AccountOf(*account).locked) return LockedError();
    if (const auto* old =
            std::get_if<Blob>(&(*row)[RefreshTokens::kReplaces])) {
      predecessor = *old;
    }
    batch.Require(
        WriteBatch::ColumnEquals{&kRefreshTokens,
                                 {user, device, hash},
                                 RefreshTokens::kNextRefresh,
                                 (*row)[RefreshTokens::kNextRefresh]});
    BatchRow changed = ToBatchRow(*row);
    // Asked again: the client never got, or lost, what it was given before.
    if (!IsNull((*row)[RefreshTokens::kNextRefresh])) {
      batch.DeleteRow(kAccessTokens,
                      {user, device, changed[RefreshTokens::kNextAccess]});
      batch.DeleteRow(kRefreshTokens,
                      {user, device, changed[RefreshTokens::kNextRefresh]});
    }
    tokens = rep_->NewTokens(true);
    changed[RefreshTokens::kNextAccess] = ToBlob(tokens.access_hash);
    changed[RefreshTokens::kNextRefresh] = ToBlob(tokens.refresh_hash);
    batch.PutRow(kRefreshTokens, std::move(changed));
    Rep::WriteTokens(batch, user, device, tokens, hash);
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(rep_->deps.store, attempt));
  if (predecessor) {
    MC_RETURN_IF_ERROR(rep_->RetirePredecessor(user, device, *predecessor));
  }
  return rep_->ToSession(user, device, std::move(tokens));
}

// --- Devices ---

void AccountService::AddDeletion(WriteBatch& batch, const std::string& user_id,
                                 const std::string& device_id) {
  batch.DeleteRow(kDevices, {user_id, device_id});
  batch.DeleteRow(kDeviceActivity, {user_id, device_id});
  batch.DeleteRows(kAccessTokens, {user_id, device_id});
  batch.DeleteRows(kRefreshTokens, {user_id, device_id});
  for (const DeviceHook& hook : rep_->device_hooks) {
    hook(batch, user_id, device_id);
  }
}

void AccountService::ForgetDevice(const std::string& user_id,
                                  const std::string& device_id) {
  rep_->cache.EraseDevice(user_id, device_id);
  MutexLock lock(rep_->mutex);
  rep_->seen.erase({user_id, device_id});
}

Status AccountService::CheckDeviceCount(Snapshot& snapshot,
                                        std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> devices,
                      snapshot.Scan({.table = &kDevices,
                                     .prefix = Key(user_id),
                                     .limit = options_.max_devices}));
  if (devices.size() < options_.max_devices) return OkStatus();
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                "The account has too many devices: log one of them out first");
}

Status AccountService::DeleteDevices(std::string_view user_id,
                                     std::span<const std::string> device_ids) {
  const std::string user(user_id);
  std::vector<Row> keys;
  keys.reserve(device_ids.size());
  for (const std::string& device : device_ids) {
    keys.push_back(Key(user, device));
  }
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> rows,
                        snapshot.GetMany(kDevices, keys));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i]) AddDeletion(batch, user, device_ids[i]);
    }
    if (!batch.empty()) {
      batch.PutRow(kDeviceListChanges, {user, batch.NewPosition()});
    }
    return OkStatus();
  };
  const Result<CommitInfo> done = Transact(rep_->deps.store, attempt);
  ForgetDevices(user, device_ids, done.status());
  return done.status();
}

Status AccountService::DeleteAllDevices(std::string_view user_id,
                                        std::string_view except_device) {
  const std::string user(user_id);
  std::vector<std::string> devices;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_RETURN_IF_ERROR(
        AddDeletions(snapshot, batch, user, except_device, &devices));
    if (devices.empty()) batch = WriteBatch();  // Nothing but requirements.
    return OkStatus();
  };
  const Result<CommitInfo> done = Transact(rep_->deps.store, attempt);
  ForgetDevices(user, devices, done.status());
  return done.status();
}

// Of all devices that the user has when the batch is committed.
Status AccountService::AddDeletions(Snapshot& snapshot, WriteBatch& batch,
                                    const std::string& user,
                                    std::string_view except_device,
                                    std::vector<std::string>* devices) {
  devices->clear();
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kDevices, .prefix = Key(user)}));
  MC_RETURN_IF_ERROR(RequireSameDeviceList(snapshot, batch, user));
  for (const Row& row : rows) {
    const std::string device(CellText(row[Devices::kDevice]));
    if (device == except_device) continue;
    AddDeletion(batch, user, device);
    devices->push_back(device);
  }
  if (!devices->empty()) {
    batch.PutRow(kDeviceListChanges, {user, batch.NewPosition()});
  }
  return OkStatus();
}

// After the commit that deleted them.  Whatever became of it: they may be gone.
void AccountService::ForgetDevices(const std::string& user,
                                   std::span<const std::string> devices,
                                   const Status& committed) {
  for (const std::string& device : devices) ForgetDevice(user, device);
  if (MayBeWritten(committed)) DeviceListChanged(user);
}

void AccountService::OnDeviceDeleted(DeviceHook hook) {
  rep_->device_hooks.push_back(std::move(hook));
}

void AccountService::OnDeactivated(DepartureHook hook) {
  rep_->departure_hooks.push_back(std::move(hook));
}

void AccountService::OnDeviceListChanged(DeviceListHook hook) {
  rep_->device_list_hooks.push_back(std::move(hook));
}

void AccountService::DeviceListChanged(const std::string& user_id) {
  for (const DeviceListHook& hook : rep_->device_list_hooks) hook(user_id);
}

// --- Activity ---

void AccountService::Rep::Note(TokenCache::Entry& entry,
                               std::string_view address) {
  const int64_t now = deps.clock.Now().ms;
  int64_t last = entry.noted_ms.load(std::memory_order_relaxed);
  if (last != 0 && now - last < kActivityIntervalMs) return;
  if (!entry.noted_ms.compare_exchange_strong(last, now)) return;
  MutexLock lock(mutex);
  seen[{entry.session.user_id, entry.session.device_id}] = {
      std::string(address), now};
  if (flush_planned) return;
  flush_planned = true;
  deps.timers.At(deps.clock.Monotonic() + milliseconds(kActivityIntervalMs),
                 [weak = weak_from_this()] {
                   const auto self = weak.lock();
                   if (self == nullptr) return;
                   self->deps.background.PostAdmitted([weak] {
                     if (const auto rep = weak.lock()) rep->FlushActivity();
                   });
                 });
}

void AccountService::Rep::FlushActivity() {
  std::map<std::pair<std::string, std::string>, Seen> flushed;
  {
    MutexLock lock(mutex);
    flushed.swap(seen);
    flush_planned = false;
  }
  // A batch for each device: one that was deleted meanwhile spoils no other.
  for (auto& [key, activity] : flushed) {
    const auto& [user, device] = key;
    WriteBatch batch;
    batch.Require(WriteBatch::RowPresent{&kDevices, Key(user, device)});
    batch.PutRow(kDeviceActivity,
                 {user, device, std::move(activity.address), activity.ts});
    deps.store.CommitAsync(
        std::move(batch), [self = shared_from_this()](Result<CommitInfo> done) {
          if (done.ok() || done.status().code() == StatusCode::kAborted) return;
          self->deps.log.Warn("accounts", "could not note a device's activity",
                              {{"error", done.status().ToString()}});
        });
  }
}

void AccountService::FlushActivity() { rep_->FlushActivity(); }

std::optional<DeviceSighting> AccountService::LastSeen(
    std::string_view user_id, std::string_view device_id) {
  MutexLock lock(rep_->mutex);
  const auto it =
      rep_->seen.find({std::string(user_id), std::string(device_id)});
  if (it == rep_->seen.end()) return std::nullopt;
  return DeviceSighting{it->second.address, {it->second.ts}};
}

}  // namespace matrixcore
