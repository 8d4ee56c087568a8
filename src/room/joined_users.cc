#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <iterator>
#include <optional>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {

struct JoinedUsers::Rep {
  using Users = absl::flat_hash_set<std::string, StringHash, StringEq>;
  struct Room {
    Users users;
    size_t names = 0;  // What the names take beside the table.
    size_t bytes = 0;  // As the account knows it.
  };

  explicit Rep(CacheBudget* budget) {
    // None of this can be let go of: whoever is not here is not woken.
    if (budget != nullptr) {
      account.emplace(*budget, "joined_users", 0,
                      [](size_t) { return size_t{0}; });
    }
  }
  void Charge(Room& room) MC_REQUIRES(mutex) {
    const size_t bytes = room.names + FlatTableBytes(room.users);
    const size_t table = FlatTableBytes(rooms);
    if (account) {
      account->Add(
          static_cast<ptrdiff_t>(bytes - room.bytes + table - table_bytes), 0);
    }
    room.bytes = bytes;
    table_bytes = table;
  }

  mutable Mutex mutex;
  absl::flat_hash_map<RoomNid, Room> rooms MC_GUARDED_BY(mutex);
  size_t table_bytes MC_GUARDED_BY(mutex) = 0;
  std::optional<CacheAccount> account;
};

JoinedUsers::JoinedUsers(CacheBudget* budget)
    : rep_(std::make_unique<Rep>(budget)) {}
JoinedUsers::~JoinedUsers() = default;

bool JoinedUsers::Contains(RoomNid room, std::string_view user_id) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  return it != rep_->rooms.end() && it->second.users.contains(user_id);
}

size_t JoinedUsers::Count(RoomNid room) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  return it == rep_->rooms.end() ? 0 : it->second.users.size();
}

void JoinedUsers::ForEach(
    RoomNid room,
    const std::function<void(std::string_view user_id)>& visit) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  if (it == rep_->rooms.end()) return;
  for (const std::string& user : it->second.users) visit(user);
}

bool JoinedUsers::Loaded(RoomNid room) const {
  MutexLock lock(rep_->mutex);
  return rep_->rooms.contains(room);
}

void JoinedUsers::Load(RoomNid room, std::vector<std::string> users) {
  Rep::Users set;
  set.reserve(users.size());
  set.insert(std::make_move_iterator(users.begin()),
             std::make_move_iterator(users.end()));
  size_t names = 0;
  for (const std::string& user : set) names += HeapBytes(user);
  {
    MutexLock lock(rep_->mutex);
    Rep::Room& place = rep_->rooms[room];
    place.users = std::move(set);
    place.names = names;
    rep_->Charge(place);
  }
  if (rep_->account) rep_->account->MakeRoom();
}

void JoinedUsers::Set(RoomNid room, std::string_view user_id, bool joined) {
  {
    MutexLock lock(rep_->mutex);
    Rep::Room& place = rep_->rooms[room];
    const auto it = place.users.find(user_id);
    if (joined == (it != place.users.end())) return;
    if (joined) {
      place.names += HeapBytes(*place.users.emplace(user_id).first);
    } else {
      place.names -= HeapBytes(*it);
      place.users.erase(it);
    }
    rep_->Charge(place);
  }
  if (rep_->account) rep_->account->MakeRoom();
}

}  // namespace matrixcore
