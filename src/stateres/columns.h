// What a RoomGraph knows about its events; internal to stateres.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/rule_engine.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/views.h"
#include "matrixcore/stateres/room_graph.h"
#include "stateres/string_table.h"

namespace matrixcore {

// A level that is not there (see also auth_rules::kBadLevel).
inline constexpr int64_t kAbsentLevel = INT64_MIN + 1;

// The auth event that an event names for each thing that its rules ask about.
enum class Slot : uint8_t {
  kCreate,
  kPowerLevels,
  kSender,
  kTarget,
  kJoinRules,
  kThirdParty,
  kAuthoriser,
};
inline constexpr size_t kSlots = 7;
inline constexpr uint8_t kNoSlot = 255;

enum EventFlag : uint16_t {
  kRejected = 1 << 0,
  kHasMembership = 1 << 1,
  kPowerEvent = 1 << 2,  // For state resolution v2.
  kOtherRoom = 1 << 3,   // Of a room other than the create event's.
  kHasThirdPartyInvite = 1 << 4,
  kStateKeyIsOtherUser = 1 << 5,
  kStateKeyIsSendersDomain = 1 << 6,
  kRedactsOwnDomain = 1 << 7,
  kFirstEvent = 1 << 8,  // Its only prev event is a create event.
};

// The small facts of one event.
struct EventFacts {
  auth_rules::EventClass event_class = auth_rules::EventClass::kOther;
  Membership membership = Membership::kNone;
  // What the rules say about the content alone: create and power levels events.
  Rule verdict = Rule::kAllowed;
  uint16_t flags = 0;
  // Position of the slot's auth event in the event's list, or kNoSlot.
  std::array<uint8_t, kSlots> slots;

  bool Has(EventFlag flag) const { return (flags & flag) != 0; }
};

// Power levels, parsed; their entries are in Columns::level_names.
struct PowerTable {
  std::array<int64_t, auth_rules::kScalars> scalars;
  uint32_t users = 0;  // Begin of each list, sorted by name.
  uint32_t events = 0;
  uint32_t notifications = 0;
  uint32_t end = 0;
};

// What a create event says.
struct CreateTable {
  bool not_federated = false;
  // Before version 12 the creator; in it the sender, then additional_creators.
  // Strings' numbers.
  std::vector<uint32_t> creators;
};

struct RoomGraph::Columns {
  explicit Columns(const RoomVersionRules& room_rules);

  const RoomVersionRules& rules;

  // Events; an event's number is that of its id.
  StringTable ids;
  std::vector<uint64_t> id_prefix;  // Eight bytes of the id, to compare.
  std::vector<KeyIdx> key;
  std::vector<KeyIdx> sender_key;  // (m.room.member, sender)
  std::vector<int64_t> ts;
  std::vector<int64_t> sort_level;  // The sender's, by the own auth events.
  std::vector<EventFacts> facts;
  // By class: index into `power` or `creates`, a JoinRule, for a member the key
  // of the authorising user's member event or of the third-party invite.
  std::vector<uint32_t> detail;
  std::vector<int64_t> depth;  // Only where the version needs it.
  std::vector<uint32_t> auth_begin{0};
  std::vector<EventIdx> auth;

  // Keys.
  struct Pair {
    uint32_t type = 0;
    uint32_t state_key = 0;
  };
  StringTable strings;
  std::vector<Pair> keys;
  absl::flat_hash_map<uint64_t, KeyIdx> key_numbers;
  KeyIdx create_key = kNoIndex;
  KeyIdx power_key = kNoIndex;
  KeyIdx join_rules_key = kNoIndex;
  uint32_t member_type = 0;

  // Details.
  std::vector<PowerTable> power;
  std::vector<uint32_t> level_names;
  std::vector<int64_t> levels;
  std::vector<CreateTable> creates;
  // The room's create event: the first that was added.
  EventIdx create = kNoIndex;
  std::string room_id;
  // `third_party_invite.signed` of invites, the content of
  // m.room.third_party_invite events: raw JSON.
  absl::flat_hash_map<EventIdx, std::string> third_party;
  // The create event that is the only prev event of a kFirstEvent.
  absl::flat_hash_map<EventIdx, EventIdx> first_prev;

  uint32_t size() const { return ids.size(); }
  std::span<const EventIdx> AuthOf(EventIdx event) const {
    return {auth.data() + auth_begin[event],
            auth_begin[event + 1] - auth_begin[event]};
  }
  // The auth event in that slot, or kNoIndex.
  EventIdx InSlot(EventIdx event, Slot slot) const {
    const uint8_t i = facts[event].slots[static_cast<size_t>(slot)];
    return i == kNoSlot ? kNoIndex : auth[auth_begin[event] + i];
  }
  // The user (a string's number) who sent an event.
  uint32_t SenderOf(EventIdx event) const {
    return keys[sender_key[event]].state_key;
  }
  KeyIdx InternKey(uint32_t type, uint32_t state_key);

  // Levels of a power levels event; `table` is an index into `power`.
  // kAbsentLevel when there is no entry.
  int64_t LevelIn(uint32_t begin, uint32_t end, uint32_t name) const;
  bool IsCreator(EventIdx create_event, uint32_t user) const;
  // The user's level by a power levels event and a create event, either
  // kNoIndex.
  int64_t UserLevel(EventIdx create_event, EventIdx power_event,
                    uint32_t user) const;
};

// Lets the files of stateres reach the columns.
struct GraphAccess {
  using Columns = RoomGraph::Columns;
  static const RoomGraph::Columns& Of(const RoomGraph& graph) {
    return *graph.columns_;
  }
};
using GraphColumns = GraphAccess::Columns;

}  // namespace matrixcore
