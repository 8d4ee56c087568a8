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
      serial_(clock.Now().ms),
      floor_(serial_) {}

void Typing::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  for (const auto& [nid, room] : rooms_) {
    for (const auto& [user, entry] : room.users) timers_.Cancel(entry.timer);
  }
  rooms_.clear();
  by_serial_.clear();
  active_.clear();
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
  if (room.users.empty()) {
    active_.erase(nid);
  } else {
    active_.insert(nid);
  }
  for (auto it = by_serial_.begin();
       rooms_.size() > kMaxRooms && it != by_serial_.end();) {
    const auto oldest = rooms_.find(it->second);
    if (oldest->second.users.empty()) {
      floor_ = it->first;
      rooms_.erase(oldest);
      it = by_serial_.erase(it);
    } else {
      ++it;
    }
  }
}

TypingUsers Typing::List(RoomNid nid, const Room& room) {
  TypingUsers typing{nid, {}};
  for (const auto& [user, entry] : room.users) typing.user_ids.push_back(user);
  return typing;
}

TypingNews Typing::Since(int64_t serial) const {
  TypingNews news;
  MutexLock lock(mutex_);
  news.serial = serial_;
  news.active.assign(active_.begin(), active_.end());
  news.incomplete = serial != 0 && (serial < floor_ || serial > serial_);
  if (serial == 0 || news.incomplete) {
    for (const RoomNid nid : active_) {
      news.changed.push_back(List(nid, rooms_.at(nid)));
    }
    return news;
  }
  for (auto it = by_serial_.upper_bound(serial); it != by_serial_.end(); ++it) {
    news.changed.push_back(List(it->second, rooms_.at(it->second)));
  }
  std::sort(news.changed.begin(), news.changed.end(),
            [](const TypingUsers& a, const TypingUsers& b) {
              return a.room < b.room;
            });
  return news;
}

TypingUsers Typing::In(RoomNid room) const {
  MutexLock lock(mutex_);
  const auto it = rooms_.find(room);
  return it == rooms_.end() ? TypingUsers{room, {}} : List(room, it->second);
}

}  // namespace matrixcore
