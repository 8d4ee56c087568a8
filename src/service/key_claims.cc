#include "service/key_claims.h"

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "matrixcore/service/account_tables.h"
#include "service/key_upload.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::ClaimedKeys;
using tables::FallbackKeys;
using tables::kClaimedKeys;
using tables::kFallbackKeys;
using tables::kKeyCountChanges;
using tables::kOneTimeKeyCounts;
using tables::kOneTimeKeys;
using tables::OneTimeKeys;

// Claims of one batch, about.
constexpr size_t kClaimsOfBatch = 1000;

// The rows of one batch of claims.
class Giving {
 public:
  Giving(Snapshot& snapshot, WriteBatch& batch, int64_t now)
      : snapshot_(snapshot), batch_(batch), now_(now) {}

  // `claims` ask for the same: the first one gets the oldest key.
  Status Add(std::span<KeyClaim* const> claims) {
    const KeyClaim& first = *claims[0];
    const Row prefix = {first.user_id, first.device_id, first.algorithm};
    MC_ASSIGN_OR_RETURN(const std::vector<Row> keys,
                        snapshot_.Scan({.table = &kOneTimeKeys,
                                        .prefix = prefix,
                                        .limit = claims.size()}));
    for (size_t i = 0; i < keys.size(); ++i) {
      MC_RETURN_IF_ERROR(GiveOneTimeKey(keys[i], *claims[i]));
    }
    if (!keys.empty()) {
      batch_.AddTo(kOneTimeKeyCounts, ToBatchRow(prefix),
                   tables::OneTimeKeyCounts::kCount,
                   -static_cast<int64_t>(keys.size()));
      devices_.emplace(first.user_id, first.device_id);
    }
    if (keys.size() == claims.size()) return OkStatus();
    return GiveFallback(prefix, claims.subspan(keys.size()));
  }

  // Notes whose counts fell; those users.
  std::vector<std::string> Finish() {
    std::vector<std::string> users;
    if (devices_.empty()) return users;
    const PositionRef position = batch_.NewPosition();
    for (const auto& [user, device] : devices_) {
      batch_.PutRow(kKeyCountChanges, {user, device, position});
      if (users.empty() || users.back() != user) users.push_back(user);
    }
    return users;
  }

 private:
  Status GiveOneTimeKey(const Row& row, KeyClaim& claim) {
    const Row key(row.begin(), row.begin() + kOneTimeKeys.key_columns);
    claim.key_id = CellText(row[OneTimeKeys::kKeyId]);
    claim.json = CellText(row[OneTimeKeys::kJson]);
    MC_ASSIGN_OR_RETURN(const std::string public_key,
                        PublicKeyText(claim.json));
    batch_.Require(WriteBatch::RowPresent{&kOneTimeKeys, key});
    batch_.DeleteRow(kOneTimeKeys, ToBatchRow(key));
    batch_.PutRow(kClaimedKeys, {claim.user_id, claim.device_id, claim.key_id,
                                 public_key, now_});
    return OkStatus();
  }

  Status GiveFallback(const Row& key, std::span<KeyClaim* const> claims) {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot_.Get(kFallbackKeys, key));
    if (!row) return OkStatus();
    for (KeyClaim* claim : claims) {
      claim->key_id = CellText((*row)[FallbackKeys::kKeyId]);
      claim->json = CellText((*row)[FallbackKeys::kJson]);
    }
    if (CellInt((*row)[FallbackKeys::kUsed]) != 0) return OkStatus();
    // It may be replaced meanwhile: then the new one is not used.
    batch_.Require(WriteBatch::ColumnEquals{
        &kFallbackKeys, key, FallbackKeys::kJson, (*row)[FallbackKeys::kJson]});
    BatchRow used = ToBatchRow(*row);
    used[FallbackKeys::kUsed] = int64_t{1};
    batch_.PutRow(kFallbackKeys, std::move(used));
    devices_.emplace(claims[0]->user_id, claims[0]->device_id);
    return OkStatus();
  }

  Snapshot& snapshot_;
  WriteBatch& batch_;
  const int64_t now_;
  std::set<std::pair<std::string, std::string>> devices_;
};

}  // namespace

Status KeyClaims::Give(std::span<KeyClaim> claims) {
  if (claims.empty()) return OkStatus();
  Request own{.claims = claims};
  MutexLock lock(mutex_);
  waiting_.push_back(&own);
  if (busy_) {
    while (!own.done && !own.leads) own.wake.Wait(mutex_);
    if (own.done) return own.status;
  }
  // Nobody waits before this one.
  busy_ = true;
  const std::vector<Request*> requests = TakeWaiting();
  mutex_.Unlock();
  Work(requests);
  mutex_.Lock();
  for (Request* request : requests) {
    request->done = true;
    if (request != &own) request->wake.NotifyOne();
  }
  busy_ = !waiting_.empty();
  if (busy_) {
    waiting_.front()->leads = true;
    waiting_.front()->wake.NotifyOne();
  }
  return own.status;
}

std::vector<KeyClaims::Request*> KeyClaims::TakeWaiting() {
  std::vector<Request*> requests;
  size_t claims = 0;
  while (!waiting_.empty() &&
         (requests.empty() ||
          claims + waiting_.front()->claims.size() <= kClaimsOfBatch)) {
    claims += waiting_.front()->claims.size();
    requests.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return requests;
}

void KeyClaims::Work(std::span<Request* const> requests) {
  std::vector<KeyClaim*> claims;
  for (Request* request : requests) {
    for (KeyClaim& claim : request->claims) claims.push_back(&claim);
  }
  const Status status = Commit(claims);
  for (Request* request : requests) request->status = status;
}

Status KeyClaims::Commit(std::span<KeyClaim* const> claims) {
  // Those that ask for the same, in the order in which they came.
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>,
           std::vector<KeyClaim*>>
      groups;
  for (KeyClaim* claim : claims) {
    groups[{claim->user_id, claim->device_id, claim->algorithm}].push_back(
        claim);
  }
  std::vector<std::string> users;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    for (KeyClaim* claim : claims) {
      claim->key_id.clear();
      claim->json.clear();
    }
    Giving giving(snapshot, batch, clock_.Now().ms);
    for (const auto& [what, group] : groups) {
      MC_RETURN_IF_ERROR(giving.Add(group));
    }
    users = giving.Finish();
    return OkStatus();
  };
  Status done = Transact(store_, attempt).status();
  if (MayBeWritten(done)) notifier_.PublishUsers(users);
  return done;
}

}  // namespace matrixcore
