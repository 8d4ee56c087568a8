#include "service/typing.h"

#include <algorithm>
#include <utility>

namespace matrixcore {
namespace {

constexpr Duration kMaxTimeout = seconds(600);
// Rooms of which it is remembered that nobody types in them any more.
constexpr size_t kMaxRooms = 4096;

}  // namespace

Typing::Typing(const Clock& clock, Timers& timers, Changed changed)
    : clock_(clock),
      timers_(timers),
      changed_(std::move(changed)),
      serial_(clock.Now().ms) {}

void Typing::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (const auto& [nid, room] : rooms_) {
    for (const auto& [user, entry] : room.users) timers_.Cancel(entry.timer);
  }
  rooms_.clear();
  by_serial_.clear();
}

void Typing::Set(RoomNid nid, std::string_view user_id, Duration timeout) {
  timeout = std::min(timeout, kMaxTimeout);
  const bool typing = timeout > Duration::zero();
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    const auto room = rooms_.find(nid);
    const bool known =
        room != rooms_.end() && room->second.users.contains(user_id);
    if (!typing && !known) return;
    Room& place = room != rooms_.end() ? room->second : rooms_[nid];
    const auto user = place.users.try_emplace(std::string(user_id)).first;
    if (user->second.timer != 0) timers_.Cancel(user->second.timer);
    if (typing) {
      user->second.until = clock_.Monotonic() + timeout;
      user->second.timer = timers_.At(
          user->second.until, [weak = weak_from_this(), nid, id = user->first] {
            if (const auto self = weak.lock()) self->Expire(nid, id);
          });
    } else {
      place.users.erase(user);
    }
    if (typing == known) return;  // Still typing: nobody needs to hear.
    Touch(nid, place);
  }
  changed_(nid);
}

void Typing::Expire(RoomNid nid, const std::string& user_id) {
  {
    MutexLock lock(mutex_);
    const auto room = rooms_.find(nid);
    if (room == rooms_.end()) return;
    const auto user = room->second.users.find(user_id);
    // Refreshed while this waited for the lock?
    if (user == room->second.users.end() ||
        user->second.until > clock_.Monotonic()) {
      return;
    }
    room->second.users.erase(user);
    Touch(nid, room->second);
  }
  changed_(nid);
}

void Typing::Touch(RoomNid nid, Room& room) {
  if (room.serial != 0) by_serial_.erase(room.serial);
  room.serial = ++serial_;
  by_serial_.emplace(room.serial, nid);
  for (auto it = by_serial_.begin();
       rooms_.size() > kMaxRooms && it != by_serial_.end();) {
    const auto oldest = rooms_.find(it->second);
    if (oldest->second.users.empty()) {
      rooms_.erase(oldest);
      it = by_serial_.erase(it);
    } else {
      ++it;
    }
  }
}

int64_t Typing::Serial() const {
  MutexLock lock(mutex_);
  return serial_;
}

std::vector<TypingUsers> Typing::Since(int64_t serial) const {
  std::vector<TypingUsers> changed;
  MutexLock lock(mutex_);
  if (serial > serial_) serial = 0;  // From before a clock that was set back.
  for (auto it = by_serial_.upper_bound(serial); it != by_serial_.end(); ++it) {
    const Room& room = rooms_.at(it->second);
    if (serial == 0 && room.users.empty()) continue;
    TypingUsers typing{it->second, {}};
    for (const auto& [user, entry] : room.users)
      typing.user_ids.push_back(user);
    changed.push_back(std::move(typing));
  }
  return changed;
}

TypingUsers Typing::In(RoomNid room) const {
  TypingUsers typing{room, {}};
  MutexLock lock(mutex_);
  if (const auto it = rooms_.find(room); it != rooms_.end()) {
    for (const auto& [user, entry] : it->second.users) {
      typing.user_ids.push_back(user);
    }
  }
  return typing;
}

}  // namespace matrixcore
