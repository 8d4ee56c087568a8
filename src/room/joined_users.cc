#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {

struct JoinedUsers::Rep {
  using Users = absl::flat_hash_set<std::string, StringHash, StringEq>;
  mutable Mutex mutex;
  absl::flat_hash_map<RoomNid, Users> rooms MC_GUARDED_BY(mutex);
};

JoinedUsers::JoinedUsers() : rep_(std::make_unique<Rep>()) {}
JoinedUsers::~JoinedUsers() = default;

bool JoinedUsers::Contains(RoomNid room, std::string_view user_id) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  return it != rep_->rooms.end() && it->second.contains(user_id);
}

size_t JoinedUsers::Count(RoomNid room) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  return it == rep_->rooms.end() ? 0 : it->second.size();
}

void JoinedUsers::ForEach(
    RoomNid room,
    const std::function<void(std::string_view user_id)>& visit) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  if (it == rep_->rooms.end()) return;
  for (const std::string& user : it->second) visit(user);
}

bool JoinedUsers::Loaded(RoomNid room) const {
  MutexLock lock(rep_->mutex);
  return rep_->rooms.contains(room);
}

void JoinedUsers::Load(RoomNid room, std::vector<std::string> users) {
  Rep::Users set(users.begin(), users.end());
  MutexLock lock(rep_->mutex);
  rep_->rooms[room] = std::move(set);
}

void JoinedUsers::Set(RoomNid room, std::string_view user_id, bool joined) {
  MutexLock lock(rep_->mutex);
  Rep::Users& users = rep_->rooms[room];
  if (joined) {
    users.emplace(user_id);
  } else if (const auto it = users.find(user_id); it != users.end()) {
    users.erase(it);
  }
}

}  // namespace matrixcore
