#include "matrixcore/stateres/room_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "auth/auth_keys.h"
#include "auth/content_rules.h"
#include "event/canonical_reader.h"
#include "event/power_level.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"
#include "stateres/columns.h"

namespace matrixcore {
namespace {

using auth_rules::EventClass;
using auth_rules::Text;
using canonical::Member;
using Columns = GraphColumns;

// Eight bytes after the sigil, so that numbers compare as the texts do.
uint64_t PrefixOf(std::string_view id) {
  uint64_t prefix = 0;
  for (size_t i = 0; i < 8; ++i) {
    prefix <<= 8;
    if (i < id.size()) prefix |= static_cast<uint8_t>(id[i]);
  }
  return prefix;
}

// Reads an event into the columns.  Its auth events are there already.
class Interner {
 public:
  Interner(Columns* columns, const Event& event)
      : c_(*columns),
        event_(event),
        content_(event.content_json()),
        index_(columns->size()) {}

  EventIdx Run(bool rejected) {
    c_.ids.Intern(event_.event_id());
    const uint32_t sender = c_.strings.Intern(event_.sender());
    sender_key_ = c_.InternKey(c_.member_type, sender);
    if (event_.is_state()) {
      key_ = c_.InternKey(c_.strings.Intern(event_.type()),
                          c_.strings.Intern(*event_.state_key()));
    }
    facts_.event_class = auth_rules::ClassOf(event_.type());
    facts_.slots.fill(kNoSlot);
    Set(kRejected, rejected);
    if (facts_.event_class == EventClass::kCreate) ReadCreate();
    Set(kOtherRoom, event_.room_id() != c_.room_id);
    ReadNames();
    if (event_.is_state()) ReadContent();
    LinkAuthEvents();
    Store();
    return index_;
  }

 private:
  void Set(EventFlag flag, bool value) {
    if (value) facts_.flags = static_cast<uint16_t>(facts_.flags | flag);
  }

  void ReadNames() {
    const std::string_view state_key = event_.state_key().value_or("");
    const std::string_view domain = DomainOf(event_.sender());
    Set(kStateKeyIsOtherUser, !state_key.empty() && state_key.front() == '@' &&
                                  state_key != event_.sender());
    Set(kStateKeyIsSendersDomain, state_key == domain);
    Set(kRedactsOwnDomain,
        event_.redacts().empty() ||
            DomainOf(event_.redacts()) == DomainOf(event_.event_id()));
    if (event_.prev_events().size() == 1) {
      const EventIdx prev = c_.ids.Find(event_.prev_events()[0]);
      if (prev < c_.facts.size() &&
          c_.facts[prev].event_class == EventClass::kCreate) {
        Set(kFirstEvent, true);
        c_.first_prev[index_] = prev;
      }
    }
  }

  void ReadCreate() {
    if (c_.create == kNoIndex && event_.Is(kTypeCreate, "")) {
      c_.create = index_;
      c_.room_id = event_.room_id();
    }
    facts_.verdict = auth_rules::CheckCreate(event_);
    CreateTable table;
    table.not_federated = Member(content_, "m.federate") == "false";
    if (c_.rules.creator_is_sender) {
      table.creators.push_back(c_.strings.Intern(event_.sender()));
    } else if (const Text creator(Member(content_, "creator"));
               creator.is_string()) {
      table.creators.push_back(c_.strings.Intern(creator.view()));
    }
    if (c_.rules.creators_above_all) {
      canonical::ArrayReader more(Member(content_, "additional_creators"));
      while (more.Next()) {
        const Text user(more.value());
        if (user.is_string()) {
          table.creators.push_back(c_.strings.Intern(user.view()));
        }
      }
    }
    detail_ = static_cast<uint32_t>(c_.creates.size());
    c_.creates.push_back(std::move(table));
  }

  void ReadContent() {
    const bool room_wide = *event_.state_key() == "";
    switch (facts_.event_class) {
      case EventClass::kMember:
        ReadMember();
        break;
      case EventClass::kPowerLevels:
        ReadPowerLevels();
        Set(kPowerEvent, room_wide);
        break;
      case EventClass::kCreate:
        Set(kPowerEvent, room_wide);
        break;
      case EventClass::kThirdPartyInvite:
        c_.third_party[index_] = std::string(content_);
        break;
      default:
        if (event_.type() == kTypeJoinRules) {
          detail_ = static_cast<uint32_t>(auth_rules::JoinRuleIn(content_));
          Set(kPowerEvent, room_wide);
        }
    }
  }

  void ReadMember() {
    Set(kHasMembership, canonical::IsString(Member(content_, "membership")));
    facts_.membership = MembershipOf(event_);
    const bool removal = facts_.membership == Membership::kLeave ||
                         facts_.membership == Membership::kBan;
    Set(kPowerEvent, removal && event_.sender() != *event_.state_key());
    detail_ = kNoIndex;
    const std::string_view invite = Member(content_, "third_party_invite");
    if (facts_.membership == Membership::kInvite && !invite.empty()) {
      Set(kHasThirdPartyInvite, true);
      const Text token(auth_rules::ThirdPartyToken(content_));
      if (token.is_string()) {
        detail_ = c_.InternKey(c_.strings.Intern(kTypeThirdPartyInvite),
                               c_.strings.Intern(token.view()));
      }
      c_.third_party[index_] = std::string(Member(invite, "signed"));
      return;
    }
    const Text via(Member(content_, "join_authorised_via_users_server"));
    if (facts_.membership == Membership::kJoin && via.is_string()) {
      detail_ = c_.InternKey(c_.member_type, c_.strings.Intern(via.view()));
    }
  }

  // null is absent.
  int64_t ReadLevel(std::string_view raw) const {
    if (raw.empty() || canonical::IsNull(raw)) return kAbsentLevel;
    return ParsePowerLevel(raw, c_.rules.power_level_format)
        .value_or(auth_rules::kBadLevel);
  }

  void AppendLevels(std::string_view raw) {
    std::vector<std::pair<uint32_t, int64_t>> entries;
    std::string decoded;
    for (canonical::ObjectReader reader(raw); reader.Next();) {
      const int64_t level = ReadLevel(reader.value());
      if (level == kAbsentLevel) continue;
      decoded.clear();
      canonical::AppendUnescaped(reader.key(), &decoded);
      entries.emplace_back(c_.strings.Intern(decoded), level);
    }
    std::sort(entries.begin(), entries.end());
    for (const auto& [name, level] : entries) {
      PushBack(&c_.level_names, name);
      PushBack(&c_.levels, level);
    }
  }

  void ReadPowerLevels() {
    facts_.verdict =
        auth_rules::CheckPowerLevelsFormat(content_, nullptr, c_.rules);
    PowerTable table;
    for (size_t i = 0; i < auth_rules::kScalars; ++i) {
      table.scalars[i] =
          ReadLevel(Member(content_, auth_rules::kScalarNames[i]));
    }
    const auto here = [this] {
      return static_cast<uint32_t>(c_.level_names.size());
    };
    table.users = here();
    AppendLevels(Member(content_, "users"));
    table.events = here();
    AppendLevels(Member(content_, "events"));
    table.notifications = here();
    AppendLevels(Member(content_, "notifications"));
    table.end = here();
    detail_ = static_cast<uint32_t>(c_.power.size());
    PushBack(&c_.power, table);
  }

  void FillSlot(Slot slot, KeyIdx wanted, KeyIdx have, size_t position) {
    uint8_t& at = facts_.slots[static_cast<size_t>(slot)];
    if (wanted == have && at == kNoSlot && position < kNoSlot) {
      at = static_cast<uint8_t>(position);
    }
  }

  void LinkAuthEvents() {
    const bool member = facts_.event_class == EventClass::kMember;
    const bool third = member && facts_.Has(kHasThirdPartyInvite);
    for (const std::string& id : event_.auth_events()) {
      const EventIdx target = c_.ids.Find(id);
      if (target >= index_) continue;  // Unknown, or the event itself.
      const size_t position = c_.auth.size() - c_.auth_begin[index_];
      PushBack(&c_.auth, target);
      const KeyIdx have = c_.key[target];
      if (have == kNoIndex) continue;
      FillSlot(Slot::kCreate, c_.create_key, have, position);
      FillSlot(Slot::kPowerLevels, c_.power_key, have, position);
      FillSlot(Slot::kSender, sender_key_, have, position);
      FillSlot(Slot::kJoinRules, c_.join_rules_key, have, position);
      if (!member || !event_.is_state()) continue;
      FillSlot(Slot::kTarget, key_, have, position);
      FillSlot(third ? Slot::kThirdParty : Slot::kAuthoriser, detail_, have,
               position);
    }
  }

  // The sender's level by the event's own auth events; a malformed one reads as
  // if it were absent.
  int64_t SortLevel() const {
    const auto in_slot = [this](Slot slot) {
      const uint8_t i = facts_.slots[static_cast<size_t>(slot)];
      return i == kNoSlot ? kNoIndex : c_.auth[c_.auth_begin[index_] + i];
    };
    const EventIdx create =
        c_.rules.create_in_auth_events ? in_slot(Slot::kCreate) : c_.create;
    const EventIdx levels = in_slot(Slot::kPowerLevels);
    const int64_t level = c_.UserLevel(create == index_ ? kNoIndex : create,
                                       levels, c_.keys[sender_key_].state_key);
    if (level != auth_rules::kBadLevel) return level;
    const int64_t fallback = c_.power[c_.detail[levels]].scalars[0];
    return fallback == kAbsentLevel || fallback == auth_rules::kBadLevel
               ? 0
               : fallback;
  }

  void Store() {
    PushBack(&c_.id_prefix,
             PrefixOf(std::string_view(event_.event_id())
                          .substr(event_.event_id().empty() ? 0 : 1)));
    PushBack(&c_.key, key_);
    PushBack(&c_.sender_key, sender_key_);
    PushBack(&c_.ts, event_.origin_server_ts());
    PushBack(&c_.sort_level, SortLevel());
    PushBack(&c_.facts, facts_);
    PushBack(&c_.detail, detail_);
    if (c_.rules.state_resolution == StateResolution::kV1) {
      PushBack(&c_.depth, event_.depth());
    }
    PushBack(&c_.auth_begin, static_cast<uint32_t>(c_.auth.size()));
  }

  Columns& c_;
  const Event& event_;
  const std::string_view content_;
  const EventIdx index_;
  KeyIdx key_ = kNoIndex;
  KeyIdx sender_key_ = kNoIndex;
  uint32_t detail_ = 0;
  EventFacts facts_;
};

}  // namespace

RoomGraph::Columns::Columns(const RoomVersionRules& room_rules)
    : rules(room_rules) {
  const uint32_t empty = strings.Intern("");
  member_type = strings.Intern(kTypeMember);
  create_key = InternKey(strings.Intern(kTypeCreate), empty);
  power_key = InternKey(strings.Intern(kTypePowerLevels), empty);
  join_rules_key = InternKey(strings.Intern(kTypeJoinRules), empty);
}

KeyIdx RoomGraph::Columns::InternKey(uint32_t type, uint32_t state_key) {
  const auto [entry, is_new] = key_numbers.try_emplace(
      uint64_t{type} << 32 | state_key, static_cast<KeyIdx>(keys.size()));
  if (is_new) PushBack(&keys, {type, state_key});
  return entry->second;
}

int64_t RoomGraph::Columns::LevelIn(uint32_t begin, uint32_t end,
                                    uint32_t name) const {
  const auto first = level_names.begin() + begin;
  const auto last = level_names.begin() + end;
  const auto found = std::lower_bound(first, last, name);
  if (found == last || *found != name) return kAbsentLevel;
  return levels[static_cast<size_t>(found - level_names.begin())];
}

bool RoomGraph::Columns::IsCreator(EventIdx create_event, uint32_t user) const {
  if (create_event == kNoIndex) return false;
  const auto& creators = creates[detail[create_event]].creators;
  return std::find(creators.begin(), creators.end(), user) != creators.end();
}

int64_t RoomGraph::Columns::UserLevel(EventIdx create_event,
                                      EventIdx power_event,
                                      uint32_t user) const {
  const bool creator = (rules.creators_above_all || power_event == kNoIndex) &&
                       IsCreator(create_event, user);
  if (creator && rules.creators_above_all) return kCreatorPower;
  if (power_event == kNoIndex) return creator ? 100 : 0;
  const PowerTable& table = power[detail[power_event]];
  const int64_t own = LevelIn(table.users, table.events, user);
  if (own != kAbsentLevel) return own;
  const int64_t fallback = table.scalars[0];
  return fallback == kAbsentLevel ? 0 : fallback;
}

RoomGraph::RoomGraph(const RoomVersionRules& rules)
    : columns_(std::make_unique<Columns>(rules)) {}
RoomGraph::RoomGraph(RoomGraph&&) noexcept = default;
RoomGraph& RoomGraph::operator=(RoomGraph&&) noexcept = default;
RoomGraph::~RoomGraph() = default;

const RoomVersionRules& RoomGraph::rules() const { return columns_->rules; }

void RoomGraph::Reserve(size_t events) {
  Columns& c = *columns_;
  const size_t total = c.size() + events;
  c.ids.Reserve(events, events * 44);
  c.id_prefix.reserve(total);
  c.key.reserve(total);
  c.sender_key.reserve(total);
  c.ts.reserve(total);
  c.sort_level.reserve(total);
  c.facts.reserve(total);
  c.detail.reserve(total);
  c.auth_begin.reserve(total + 1);
  c.auth.reserve(c.auth.size() + events * 4);
}

EventIdx RoomGraph::Add(const Event& event, bool rejected) {
  const EventIdx known = columns_->ids.Find(event.event_id());
  if (known != kNoIndex) return known;
  return Interner(columns_.get(), event).Run(rejected);
}

Status RoomGraph::AddAll(std::span<const Source> events) {
  // Depth-first over auth events, without recursion; create events first.
  absl::flat_hash_map<std::string_view, size_t> positions;
  positions.reserve(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    positions.emplace(events[i].event->event_id(), i);
    if (events[i].event->Is(kTypeCreate, "") &&
        events[i].event->auth_events().empty()) {
      Add(*events[i].event, events[i].rejected);
    }
  }
  enum class Mark : uint8_t { kNew, kOpen, kDone, kLeftOut };
  std::vector<Mark> marks(events.size(), Mark::kNew);
  struct Frame {
    size_t position;
    size_t next_auth;
  };
  std::vector<Frame> open;
  std::string_view cycle;  // An event on the first one.
  for (size_t i = 0; i < events.size(); ++i) {
    if (marks[i] != Mark::kNew) continue;
    marks[i] = Mark::kOpen;
    open.push_back({i, 0});
    bool broken = false;
    while (!open.empty()) {
      const size_t at = open.back().position;
      const Event& event = *events[at].event;
      if (!broken && open.back().next_auth < event.auth_events().size()) {
        const std::string& id = event.auth_events()[open.back().next_auth++];
        const auto found = positions.find(id);
        if (found == positions.end() || marks[found->second] == Mark::kDone) {
          continue;
        }
        if (marks[found->second] != Mark::kNew) {
          broken = true;  // Everything that is open leads to a cycle.
          if (cycle.empty()) cycle = id;
          continue;
        }
        marks[found->second] = Mark::kOpen;
        open.push_back({found->second, 0});
        continue;
      }
      open.pop_back();
      marks[at] = broken ? Mark::kLeftOut : Mark::kDone;
      if (!broken) Add(event, events[at].rejected);
    }
  }
  if (cycle.empty()) return OkStatus();
  return Status(StatusCode::kInvalidArgument,
                fmt::format("auth events form a cycle through {}", cycle));
}

EventIdx RoomGraph::Find(std::string_view event_id) const {
  return columns_->ids.Find(event_id);
}

void RoomGraph::SetRejected(EventIdx event, bool rejected) {
  uint16_t& flags = columns_->facts[event].flags;
  flags =
      static_cast<uint16_t>(rejected ? flags | kRejected : flags & ~kRejected);
}

bool RoomGraph::IsRejected(EventIdx event) const {
  return columns_->facts[event].Has(kRejected);
}

KeyIdx RoomGraph::Intern(std::string_view type, std::string_view state_key) {
  return columns_->InternKey(columns_->strings.Intern(type),
                             columns_->strings.Intern(state_key));
}

KeyIdx RoomGraph::FindKey(std::string_view type,
                          std::string_view state_key) const {
  const uint32_t t = columns_->strings.Find(type);
  const uint32_t k = columns_->strings.Find(state_key);
  if (t == UINT32_MAX || k == UINT32_MAX) return kNoIndex;
  const auto found = columns_->key_numbers.find(uint64_t{t} << 32 | k);
  return found == columns_->key_numbers.end() ? kNoIndex : found->second;
}

size_t RoomGraph::event_count() const { return columns_->size(); }
size_t RoomGraph::key_count() const { return columns_->keys.size(); }
std::string_view RoomGraph::event_id(EventIdx event) const {
  return columns_->ids[event];
}
KeyIdx RoomGraph::key_of(EventIdx event) const { return columns_->key[event]; }
std::string_view RoomGraph::type(KeyIdx key) const {
  return columns_->strings[columns_->keys[key].type];
}
std::string_view RoomGraph::state_key(KeyIdx key) const {
  return columns_->strings[columns_->keys[key].state_key];
}
std::string_view RoomGraph::sender(EventIdx event) const {
  return columns_->strings[columns_->SenderOf(event)];
}
int64_t RoomGraph::origin_server_ts(EventIdx event) const {
  return columns_->ts[event];
}
std::span<const EventIdx> RoomGraph::auth_events(EventIdx event) const {
  return columns_->AuthOf(event);
}

size_t RoomGraph::ByteSize() const {
  const Columns& c = *columns_;
  size_t size = sizeof(Columns) + c.ids.ByteSize() + c.strings.ByteSize();
  const auto add = [&size](const auto& column) {
    size += column.capacity() * sizeof(column[0]);
  };
  add(c.id_prefix);
  add(c.key);
  add(c.sender_key);
  add(c.ts);
  add(c.sort_level);
  add(c.facts);
  add(c.detail);
  add(c.depth);
  add(c.auth_begin);
  add(c.auth);
  add(c.keys);
  add(c.power);
  add(c.level_names);
  add(c.levels);
  add(c.creates);
  size += c.key_numbers.capacity() * (sizeof(uint64_t) + sizeof(KeyIdx) + 5);
  for (const auto& [event, text] : c.third_party) size += 48 + text.capacity();
  return size;
}

}  // namespace matrixcore
