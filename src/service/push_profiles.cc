#include "matrixcore/service/push_profiles.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/service/push_rules.h"
#include "matrixcore/service/unread_tables.h"
#include "service/sync_account.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kPushUsers;
using tables::PushUsers;

// Of the budget of all caches.
constexpr uint32_t kShare = 5;

size_t BytesOf(const PushProfilePtr& profile) {
  return SharedBlock<PushProfile>() + profile->rules.HeapBytes() +
         HeapBytes(profile->ignored);
}

Result<PushProfilePtr> ReadProfile(Snapshot& snapshot,
                                   const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const std::string rules,
                      PushRuleService::Get(snapshot, user_id));
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(rules));
  MC_ASSIGN_OR_RETURN(IgnoredUsers ignored,
                      ReadIgnoredUsers(snapshot, user_id));
  MC_ASSIGN_OR_RETURN(const bool threads,
                      PushProfiles::UsesThreads(snapshot, user_id));
  return PushProfilePtr(std::make_shared<const PushProfile>(
      PushProfile{.rules = PushRuleset(document.root()["global"]),
                  .ignored = std::move(ignored),
                  .threads = threads}));
}

}  // namespace

bool PushProfile::Ignores(std::string_view user_id) const {
  return std::binary_search(ignored.begin(), ignored.end(), user_id);
}

struct PushProfiles::Rep {
  Rep(Store& s, CacheBudget& budget)
      : store(s), profiles(budget, "push_rules", kShare, BytesOf) {}

  Status Load() MC_REQUIRES(mutex) {
    if (loaded) return OkStatus();
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot->Scan({.table = &kPushUsers}));
    for (const Row& row : rows) users.emplace(CellText(row[PushUsers::kUser]));
    loaded = true;
    return OkStatus();
  }

  Store& store;
  LruCache<std::string, PushProfilePtr> profiles;
  std::atomic<uint64_t> version{1};
  Mutex mutex;
  bool loaded MC_GUARDED_BY(mutex) = false;
  absl::flat_hash_set<std::string, StringHash, StringEq> users
      MC_GUARDED_BY(mutex);
};

PushProfiles::PushProfiles(Store& store, CacheBudget& budget)
    : rep_(std::make_unique<Rep>(store, budget)) {}
PushProfiles::~PushProfiles() = default;

uint64_t PushProfiles::version() const { return rep_->version.load(); }

Result<bool> PushProfiles::Has(std::string_view user_id) {
  MutexLock lock(rep_->mutex);
  MC_RETURN_IF_ERROR(rep_->Load());
  return rep_->users.contains(user_id);
}

Result<std::vector<std::string>> PushProfiles::Among(const JoinedUsers& joined,
                                                     RoomNid room) {
  std::vector<std::string> found;
  MutexLock lock(rep_->mutex);
  MC_RETURN_IF_ERROR(rep_->Load());
  if (rep_->users.size() < joined.Count(room)) {
    for (const std::string& user : rep_->users) {
      if (joined.Contains(room, user)) found.push_back(user);
    }
  } else {
    joined.ForEach(room, [&](std::string_view user) MC_NO_THREAD_SAFETY {
      if (rep_->users.contains(user)) found.emplace_back(user);
    });
  }
  std::sort(found.begin(), found.end());
  return found;
}

Result<std::vector<PushProfilePtr>> PushProfiles::Get(
    std::span<const std::string> user_ids) {
  std::vector<PushProfilePtr> profiles;
  profiles.reserve(user_ids.size());
  std::unique_ptr<Snapshot> snapshot;
  uint64_t seen = 0;
  for (const std::string& user : user_ids) {
    if (const auto known = rep_->profiles.Get(user)) {
      profiles.push_back(*known);
      continue;
    }
    if (snapshot == nullptr) {
      seen = version();  // Before the snapshot.
      MC_ASSIGN_OR_RETURN(snapshot, rep_->store.NewSnapshot());
    }
    MC_ASSIGN_OR_RETURN(PushProfilePtr read, ReadProfile(*snapshot, user));
    // What changed meanwhile must not be hidden by what was read before.
    MutexLock lock(rep_->mutex);
    if (version() == seen) rep_->profiles.Put(user, read);
    profiles.push_back(std::move(read));
  }
  return profiles;
}

Status PushProfiles::AddUser(Snapshot& snapshot, WriteBatch& batch,
                             std::string_view user_id) {
  Row key = {TextCell(user_id)};
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kPushUsers, key));
  if (row) return OkStatus();
  batch.Require(WriteBatch::RowAbsent{&kPushUsers, std::move(key)});
  batch.PutRow(kPushUsers, {std::string(user_id), int64_t{0}});
  return OkStatus();
}

void PushProfiles::AddThreadsUser(WriteBatch& batch, std::string_view user_id) {
  batch.PutRow(kPushUsers, {std::string(user_id), int64_t{1}});
}

void PushProfiles::Changed(const std::string& user_id) {
  MutexLock lock(rep_->mutex);
  rep_->users.insert(user_id);
  rep_->profiles.Erase(user_id);
  ++rep_->version;
}

Result<bool> PushProfiles::UsesThreads(Snapshot& snapshot,
                                       std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kPushUsers, {TextCell(user_id)}));
  return row && CellInt((*row)[PushUsers::kThreads]) != 0;
}

}  // namespace matrixcore
