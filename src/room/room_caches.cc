#include "room/room_caches.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

static_assert(std::endian::native == std::endian::little,
              "state deltas are stored little-endian and copied as they are");
static_assert(sizeof(StateDeltaEntry) == 8);

// Shares of the budget of all caches.
constexpr uint32_t kEventsShare = 22;
constexpr uint32_t kTailsShare = 5;
constexpr uint32_t kStatesShare = 12;
constexpr uint32_t kNamesShare = 6;
// What the states of one room may take of the budget, at most.
constexpr size_t kRoomPart = 16;
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
  bytes_ += HeapBlock(sizeof(StateKey)) + matrixcore::HeapBytes(name->type) +
            matrixcore::HeapBytes(name->state_key);
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

size_t StateKeyNames::HeapBytes() const {
  MutexLock lock(mutex_);
  return bytes_ + HeapBlock(names_.capacity() * sizeof(void*)) +
         FlatTableBytes(nums_);
}

RoomCaches::RoomCaches(CacheBudget& budget)
    : budget_(budget), rep_(std::make_unique<Rep>(budget)) {}
RoomCaches::RoomCaches(const Options& options)
    : own_budget_(std::make_unique<CacheBudget>(options.event_bytes +
                                                options.state_bytes)),
      budget_(*own_budget_),
      rep_(std::make_unique<Rep>(budget_)) {}
RoomCaches::~RoomCaches() = default;

size_t RoomCaches::Rep::BytesOf(const StoredPtr& stored) {
  return SharedBlock<StoredEvent>() + stored->event->ByteSize() +
         HeapBytes(stored->txn_device) + HeapBytes(stored->txn_id);
}

size_t RoomCaches::Rep::BytesOfTail(const TailPtr& tail) {
  size_t bytes = SharedBlock<Tail>() +
                 HeapBlock(tail->events.capacity() * sizeof(StoredPtr));
  for (const StoredPtr& event : tail->events) bytes += BytesOf(event);
  return bytes;
}

RoomCaches::Rep::Rep(CacheBudget& budget)
    : events(budget, "events", kEventsShare, BytesOf),
      states(budget, "states", kStatesShare,
             [](const std::shared_ptr<RoomStates>& of_room) {
               return SharedBlock<RoomStates>() + of_room->HeapBytes();
             }),
      names(budget, "state_keys", kNamesShare,
            [](const std::shared_ptr<StateKeyNames>& names_of_room) {
              return SharedBlock<StateKeyNames>() + names_of_room->HeapBytes();
            }),
      tails(budget, "timelines", kTailsShare, BytesOfTail),
      max_room_states(budget.limit() / kRoomPart) {}

void RoomCaches::ForgetEvent(RoomNid room, EventIdx idx) {
  rep_->tails.Erase(room);
  rep_->events.Erase({room, idx});
}

void RoomCaches::ForgetRoom(RoomNid room) {
  rep_->names.Erase(room);
  rep_->tails.Erase(room);
  rep_->states.Erase(room);
  rep_->events.EraseIf(
      [room](const Rep::Key& key) { return key.room == room; });
}

void RoomCaches::Rep::KeepEvent(RoomNid room, const StoredPtr& event,
                                Position seen) {
  MutexLock lock(redaction_mutex);
  if (seen < last_redaction || redacting.contains(room)) return;
  events.Put({room, event->idx}, event);
}

void RoomCaches::Rep::BeginRedaction(RoomNid room) {
  MutexLock lock(redaction_mutex);
  ++redacting[room];
}

void RoomCaches::Rep::EndRedaction(RoomNid room) {
  MutexLock lock(redaction_mutex);
  const auto it = redacting.find(room);
  if (it != redacting.end() && --it->second == 0) redacting.erase(it);
}

void RoomCaches::Rep::NoteRedaction(Position position) {
  MutexLock lock(redaction_mutex);
  last_redaction = std::max(last_redaction, position);
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
  tails.Put(room, std::move(tail));
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
  names.Put(room, made);
  return made;
}

std::shared_ptr<RoomStates> RoomCaches::Rep::States(RoomNid room,
                                                    StateSnap wanted) {
  const auto has = [wanted](const std::shared_ptr<RoomStates>& of_room) {
    return of_room->Has(wanted);
  };
  if (auto known = states.Get(room, has)) return *known;
  auto made = std::make_shared<RoomStates>();
  states.Put(room, made);
  return made;
}

void RoomCaches::Rep::Recharge(RoomNid room,
                               const std::shared_ptr<RoomStates>& of_room) {
  of_room->Trim(max_room_states);
  states.Put(room, of_room);
}

namespace {

// A map with memory to share.
StateTree WithMemory() {
  StateTree map;
  map.Set(0, 0);
  return map.Cleared();
}

}  // namespace

RoomStates::RoomStates() : empty_(WithMemory()) {}

StateMapPtr RoomStates::Find(StateSnap snap) {
  MutexLock lock(mutex_);
  const auto it = states_.find(snap);
  if (it == states_.end()) return nullptr;
  it->second.used = ++uses_;
  return it->second.state;
}

bool RoomStates::Has(StateSnap snap) const {
  MutexLock lock(mutex_);
  return states_.contains(snap);
}

void RoomStates::Keep(StateSnap snap, const StateMapPtr& state) {
  MutexLock lock(mutex_);
  states_.insert_or_assign(snap, Entry{state, ++uses_});
}

void RoomStates::Trim(size_t limit) {
  MutexLock lock(mutex_);
  if (empty_.UsedBytes() <= limit || states_.empty()) return;
  std::vector<uint64_t> uses;
  for (const auto& [snap, entry] : states_) uses.push_back(entry.used);
  const auto middle = uses.begin() + static_cast<ptrdiff_t>(uses.size() / 2);
  std::nth_element(uses.begin(), middle, uses.end());
  absl::erase_if(states_, [oldest = *middle](const auto& of_snap) {
    return of_snap.second.used < oldest;
  });
}

size_t RoomStates::HeapBytes() const {
  MutexLock lock(mutex_);
  return empty_.SharedBytes() + FlatTableBytes(states_) +
         states_.size() * SharedBlock<StateMap>();
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
