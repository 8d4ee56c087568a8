#include "service/lazy_members.h"

#include <utility>

namespace matrixcore {

std::string LazyMembers::Key(const Session& session) {
  std::string key = session.user_id;
  key.push_back('\0');
  key.append(session.device_id);
  return key;
}

void LazyMembers::Begin(const Session& session,
                        const std::optional<StreamToken>& since) {
  MutexLock lock(mutex_);
  const auto it = devices_.find(Key(session));
  if (it == devices_.end()) return;
  Device& device = it->second;
  if (!since) {
    size_ -= device.size();
    order_.erase(device.order);
    devices_.erase(it);
    return;
  }
  size_ -= device.size();
  for (const Sent& sent : device.unsure) {
    if (sent.next != *since) continue;
    Device::Room& room = device.known[sent.room];
    const auto [place, added] = room.try_emplace(sent.member.key);
    place->second = sent.member.event;
    if (added) ++device.known_size;
  }
  device.unsure.clear();
  size_ += device.size();
}

void LazyMembers::Forget(const Session& session, RoomNid room) {
  MutexLock lock(mutex_);
  const auto device = devices_.find(Key(session));
  if (device == devices_.end()) return;
  const auto known = device->second.known.find(room);
  if (known == device->second.known.end()) return;
  device->second.known_size -= known->second.size();
  size_ -= known->second.size();
  device->second.known.erase(known);
}

std::vector<bool> LazyMembers::Known(const Session& session, RoomNid room,
                                     std::span<const Member> members) const {
  std::vector<bool> known(members.size(), false);
  MutexLock lock(mutex_);
  const auto device = devices_.find(Key(session));
  if (device == devices_.end()) return known;
  const auto of_room = device->second.known.find(room);
  if (of_room == device->second.known.end()) return known;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto it = of_room->second.find(members[i].key);
    known[i] = it != of_room->second.end() && it->second == members[i].event;
  }
  return known;
}

void LazyMembers::Note(const Session& session, RoomNid room,
                       std::span<const Member> members,
                       const StreamToken& next) {
  if (members.empty()) return;
  MutexLock lock(mutex_);
  const auto [it, added] = devices_.try_emplace(Key(session));
  Device& device = it->second;
  if (added) {
    order_.push_front(it->first);
  } else {
    order_.splice(order_.begin(), order_, device.order);
  }
  device.order = order_.begin();
  for (const Member& member : members)
    device.unsure.push_back({next, room, member});
  size_ += members.size();
  Trim();
}

void LazyMembers::Trim() {
  while (size_ > max_members_ && !order_.empty()) {
    const auto oldest = devices_.find(order_.back());
    size_ -= oldest->second.size();
    devices_.erase(oldest);
    order_.pop_back();
  }
}

size_t LazyMembers::size() const {
  MutexLock lock(mutex_);
  return size_;
}

}  // namespace matrixcore
