#include "room/room_caches.h"

#include <bit>
#include <cstring>

namespace matrixcore {
namespace {

static_assert(std::endian::native == std::endian::little,
              "state deltas are stored little-endian and copied as they are");
static_assert(sizeof(StateDeltaEntry) == 8);

constexpr size_t kNameOverhead = 96;
// Events of a tail: what a client that waits is usually behind.
constexpr size_t kMaxTail = 16;

}  // namespace

StateKeyNum StateKeyNames::Find(std::string_view type,
                                std::string_view state_key) const {
  MutexLock lock(mutex_);
  const auto it = nums_.find(NameView(type, state_key));
  return it == nums_.end() ? 0 : it->second;
}

const StateKey* StateKeyNames::Name(StateKeyNum num) const {
  MutexLock lock(mutex_);
  return num < names_.size() ? names_[num].get() : nullptr;
}

void StateKeyNames::Learn(StateKeyNum num, std::string_view type,
                          std::string_view state_key) {
  MutexLock lock(mutex_);
  if (num >= names_.size()) names_.resize(num + 1);
  if (names_[num] != nullptr) return;
  auto name = std::make_unique<const StateKey>(
      StateKey{std::string(type), std::string(state_key)});
  nums_.emplace(NameView(name->type, name->state_key), num);
  bytes_ += kNameOverhead + type.size() + state_key.size();
  names_[num] = std::move(name);
  ++known_;
}

bool StateKeyNames::KnowsAll(StateKeyNum last) const {
  MutexLock lock(mutex_);
  return known_ >= last;
}

std::vector<StateKeyNum> StateKeyNames::Unknown(StateKeyNum last) const {
  MutexLock lock(mutex_);
  std::vector<StateKeyNum> unknown;
  for (StateKeyNum num = 1; num <= last; ++num) {
    if (num >= names_.size() || names_[num] == nullptr) unknown.push_back(num);
  }
  return unknown;
}

size_t StateKeyNames::ByteSize() const {
  MutexLock lock(mutex_);
  return bytes_;
}

RoomCaches::RoomCaches(const Options& options)
    : rep_(std::make_unique<Rep>(options)) {}
RoomCaches::~RoomCaches() = default;

void RoomCaches::ForgetEvent(RoomNid room, EventIdx idx) {
  rep_->tails.Erase(room);
  rep_->events.Erase({room, idx});
}

void RoomCaches::ForgetRoom(RoomNid room) {
  rep_->names.Erase(room);
  rep_->tails.Erase(room);
  const auto of_room = [room](const Rep::Key& key) { return key.room == room; };
  rep_->states.EraseIf(of_room);
  rep_->events.EraseIf(of_room);
}

RoomCaches::Stats RoomCaches::stats() const {
  const auto events = rep_->events.stats();
  const auto states = rep_->states.stats();
  const auto names = rep_->names.stats();
  return {.event_hits = events.hits,
          .event_misses = events.misses,
          .event_bytes = events.bytes,
          .state_hits = states.hits,
          .state_misses = states.misses,
          .state_bytes = states.bytes + names.bytes};
}

void RoomCaches::Rep::KeepEvent(RoomNid room, const StoredPtr& event,
                                Position seen) {
  if (seen < last_redaction.load(std::memory_order_acquire)) return;
  events.Put({room, event->idx}, event, event->event->ByteSize() + 128);
}

void RoomCaches::Rep::ExtendTail(RoomNid room, std::vector<StoredPtr> added,
                                 Position first, Position last_pos) {
  if (added.empty()) return;
  auto tail = std::make_shared<Tail>();
  tail->complete_after = first - 1;
  const std::optional<TailPtr> known = tails.Get(room);
  // Another process may have written in between.
  if (known && (*known)->events.back()->pos == last_pos) *tail = **known;
  for (StoredPtr& event : added) tail->events.push_back(std::move(event));
  if (tail->events.size() > kMaxTail) {
    const auto end = tail->events.end() - static_cast<ptrdiff_t>(kMaxTail);
    tail->complete_after = (*(end - 1))->pos;
    tail->events.erase(tail->events.begin(), end);
  }
  size_t bytes = sizeof(Tail);
  for (const StoredPtr& event : tail->events) {
    bytes += event->event->ByteSize() + 128;
  }
  tails.Put(room, std::move(tail), bytes);
}

RoomCaches::Rep::TailPtr RoomCaches::Rep::TailOf(const RoomHead& room) {
  const std::optional<TailPtr> tail = tails.Get(room.nid);
  // The head tells whether the snapshot has events that the tail has not yet.
  if (!tail || (*tail)->events.back()->pos < room.last_pos) return nullptr;
  return *tail;
}

std::shared_ptr<StateKeyNames> RoomCaches::Rep::Names(RoomNid room) {
  if (auto known = names.Get(room)) return *known;
  auto made = std::make_shared<StateKeyNames>();
  names.Put(room, made, sizeof(StateKeyNames));
  return made;
}

std::string EncodeStateDelta(const std::vector<StateDeltaEntry>& delta) {
  return std::string(reinterpret_cast<const char*>(delta.data()),
                     delta.size() * sizeof(StateDeltaEntry));
}

Result<std::vector<StateDeltaEntry>> DecodeStateDelta(std::string_view bytes) {
  if (bytes.size() % sizeof(StateDeltaEntry) != 0) {
    return Status(StatusCode::kDataLoss, "a state delta is truncated");
  }
  std::vector<StateDeltaEntry> delta(bytes.size() / sizeof(StateDeltaEntry));
  if (!bytes.empty()) std::memcpy(delta.data(), bytes.data(), bytes.size());
  return delta;
}

}  // namespace matrixcore
