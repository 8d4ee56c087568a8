#include "service/lazy_members.h"

#include <utility>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

// Of the budget of all caches.
constexpr uint32_t kShare = 5;

}  // namespace

LazyMembers::LazyMembers(CacheBudget& budget)
    : account_(budget, "lazy_members", kShare,
               [this](size_t bytes) { return Shrink(bytes); }) {}

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
  if (!since) return Remove(it);
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
  Charge(it);
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
  Charge(device);
}

std::vector<bool> LazyMembers::Known(const Session& session, RoomNid room,
                                     std::span<const Member> members) const {
  std::vector<bool> known(members.size(), false);
  MutexLock lock(mutex_);
  const auto device = devices_.find(Key(session));
  if (device == devices_.end()) {
    account_.Miss();
    return known;
  }
  account_.Hit();
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
  {
    MutexLock lock(mutex_);
    const auto [it, added] = devices_.try_emplace(Key(session));
    Device& device = it->second;
    if (added) {
      order_.push_front(it->first);
      account_.Add(0, 1);
    } else {
      order_.splice(order_.begin(), order_, device.order);
    }
    device.order = order_.begin();
    for (const Member& member : members)
      device.unsure.push_back({next, room, member});
    size_ += members.size();
    Charge(it);
  }
  account_.MakeRoom();
}

size_t LazyMembers::BytesOf(const std::string& key, const Device& device) {
  // Its key lies in the table and in the order, whose node has two pointers.
  size_t bytes = 2 * HeapBytes(key) +
                 HeapBlock(2 * sizeof(void*) + sizeof(std::string)) +
                 FlatTableBytes(device.known) +
                 HeapBlock(device.unsure.capacity() * sizeof(Sent));
  for (const auto& [nid, members] : device.known) {
    bytes += FlatTableBytes(members);
  }
  return bytes;
}

void LazyMembers::Charge(Devices::iterator device) {
  const size_t bytes = BytesOf(device->first, device->second);
  const size_t table = FlatTableBytes(devices_);
  account_.Add(static_cast<ptrdiff_t>(bytes - device->second.bytes + table -
                                      table_bytes_),
               0);
  device->second.bytes = bytes;
  table_bytes_ = table;
}

void LazyMembers::Remove(Devices::iterator device) {
  size_ -= device->second.size();
  account_.Add(-static_cast<ptrdiff_t>(device->second.bytes), -1);
  order_.erase(device->second.order);
  devices_.erase(device);
}

size_t LazyMembers::Shrink(size_t bytes) {
  size_t freed = 0;
  MutexLock lock(mutex_);
  while (freed < bytes && !order_.empty()) {
    const auto oldest = devices_.find(order_.back());
    freed += oldest->second.bytes;
    Remove(oldest);
  }
  return freed;
}

size_t LazyMembers::size() const {
  MutexLock lock(mutex_);
  return size_;
}

}  // namespace matrixcore
