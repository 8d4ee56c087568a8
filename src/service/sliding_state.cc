#include "service/sliding_state.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

// Configurations of one connection: clients have a few.
constexpr size_t kMaxConfigs = 1000;

constexpr uint64_t kDm = 1;
constexpr uint64_t kReceipts = 2;
constexpr uint64_t kAccountData = 4;
constexpr uint64_t kThreads = 8;
constexpr uint64_t kNone = 0;

void PutNumber(std::string* out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) {
    out->push_back(static_cast<char>(number | 0x80));
  }
  out->push_back(static_cast<char>(number));
}

void PutConfigs(std::string* out, const SlidingState& state, size_t from) {
  PutNumber(out, state.configs.size() - from);
  for (size_t i = from; i < state.configs.size(); ++i) {
    PutNumber(out, state.configs[i].size());
    out->append(state.configs[i]);
  }
}

// `before`: the room of the entry before this one.
void PutRoom(std::string* out, const SentRoom& room, RoomNid before) {
  PutNumber(out, static_cast<uint64_t>(room.room - before));
  PutNumber(out, static_cast<uint64_t>(room.upto));
  PutNumber(out, room.config);
  PutNumber(out, room.limit);
  PutNumber(out, (room.is_dm ? kDm : kNone) |
                     (room.receipts ? kReceipts : kNone) |
                     (room.account_data ? kAccountData : kNone));
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  Status Into(SlidingState* state) {
    const uint64_t told = Number();
    state->account_data = (told & kAccountData) != 0;
    state->thread_subscriptions = (told & kThreads) != 0;
    for (uint64_t n = Number(); n > 0 && !bad_; --n) {
      state->configs.emplace_back(Text(Number()));
    }
    RoomNid before = 0;
    std::vector<SentRoom> rooms;
    for (uint64_t n = Number(); n > 0 && !bad_; --n) {
      SentRoom room;
      room.room = before + static_cast<RoomNid>(Number() & kMost);
      room.upto = static_cast<Position>(Number() & kMost);
      room.config = static_cast<uint16_t>(Number());
      room.limit = static_cast<uint16_t>(Number());
      const uint64_t flags = Number();
      room.is_dm = (flags & kDm) != 0;
      room.receipts = (flags & kReceipts) != 0;
      room.account_data = (flags & kAccountData) != 0;
      if (room.config >= state->configs.size()) bad_ = true;
      rooms.push_back(room);
      before = room.room;
    }
    if (bad_ || !bytes_.empty()) {
      return Status(StatusCode::kDataLoss, "a sliding sync state is damaged");
    }
    state->Apply(std::move(rooms));
    return OkStatus();
  }

 private:
  // Half of what fits, so that sums of two do not overflow.
  static constexpr uint64_t kMost = (uint64_t{1} << 62) - 1;

  uint64_t Number() {
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) break;
      const auto byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      number |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return number;
    }
    bad_ = true;
    return 0;
  }

  std::string_view Text(uint64_t size) {
    if (size > bytes_.size()) {
      bad_ = true;
      return {};
    }
    const std::string_view text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return text;
  }

  std::string_view bytes_;
  bool bad_ = false;
};

bool Before(const SentRoom& a, RoomNid room) { return a.room < room; }

}  // namespace

const SentRoom* SlidingState::Find(RoomNid room) const {
  const auto it = std::lower_bound(rooms.begin(), rooms.end(), room, Before);
  return it != rooms.end() && it->room == room ? &*it : nullptr;
}

void SlidingState::Apply(std::vector<SentRoom> changes) {
  const auto by_room = [](const SentRoom& a, const SentRoom& b) {
    return a.room < b.room;
  };
  std::sort(changes.begin(), changes.end(), by_room);
  std::vector<SentRoom> merged;
  merged.reserve(rooms.size() + changes.size());
  // Of equal elements those of the first range come first, and stay.
  std::set_union(changes.begin(), changes.end(), rooms.begin(), rooms.end(),
                 std::back_inserter(merged), by_room);
  rooms = std::move(merged);
}

std::optional<uint16_t> SlidingState::ConfigNumber(std::string_view config) {
  const auto it = std::find(configs.begin(), configs.end(), config);
  if (it != configs.end()) return static_cast<uint16_t>(it - configs.begin());
  if (configs.size() >= kMaxConfigs) return std::nullopt;
  configs.emplace_back(config);
  return static_cast<uint16_t>(configs.size() - 1);
}

size_t SlidingState::ByteSize() const {
  return SharedBlock<SlidingState>() + HeapBytes(rooms) + HeapBytes(configs);
}

std::string EncodeState(const SlidingState& state) {
  return EncodeChange(SlidingState(), state);
}

std::string EncodeChange(const SlidingState& from, const SlidingState& to) {
  std::string out;
  PutNumber(&out, (to.account_data ? kAccountData : kNone) |
                      (to.thread_subscriptions ? kThreads : kNone));
  PutConfigs(&out, to, from.configs.size());
  std::vector<const SentRoom*> changed;
  for (const SentRoom& room : to.rooms) {
    const SentRoom* old = from.Find(room.room);
    if (old == nullptr || *old != room) changed.push_back(&room);
  }
  PutNumber(&out, changed.size());
  RoomNid before = 0;
  for (const SentRoom* room : changed) {
    PutRoom(&out, *room, before);
    before = room->room;
  }
  return out;
}

Status DecodeInto(std::string_view bytes, SlidingState* state) {
  return Decoder(bytes).Into(state);
}

}  // namespace matrixcore
