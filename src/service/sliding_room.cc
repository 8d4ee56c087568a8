#include "service/sliding_room.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "matrixcore/event/types.h"
#include "service/sync_block.h"

namespace matrixcore {
namespace {

// Spec: MSC4186, `bump_stamp`.
constexpr std::array<std::string_view, 7> kBumpTypes = {
    kTypeCreate,     kTypeMessage,   kTypeEncrypted, "m.sticker",
    "m.call.invite", "m.poll.start", "m.beacon_info"};

// Events that are looked through for the newest of those types; if all of them
// are of other types, the room's place is where they begin.
// Most often it is among the very newest.
constexpr size_t kMaxBumpSearch = 1000;
constexpr size_t kFirstBumpChunk = 4;
constexpr size_t kBumpChunk = 64;

const RoomEventFilter& Everything() {
  static const RoomEventFilter filter;
  return filter;
}

bool IsName(std::string_view type, std::string_view state_key) {
  return state_key.empty() && (type == kTypeName || type == kTypeAvatar);
}

Result<std::string> ContentText(RoomReader& reader, const RoomHead& room,
                                StateSnap snap, std::string_view type,
                                std::string_view field) {
  MC_ASSIGN_OR_RETURN(const EventPtr event,
                      reader.StateEvent(room, snap, type, ""));
  if (event == nullptr) return std::string();
  return std::string(event->content()[field].StringOr(""));
}

}  // namespace

Result<Position> BumpStamps::Find(RoomReader& reader, const RoomHead& room) {
  const Known known = known_.Get(room.nid).value_or(Known());
  if (known.upto == room.last_pos) return known.bump;
  const bool newer = known.upto < room.last_pos;
  if (!newer && known.bump <= room.last_pos) return known.bump;
  Position bump = newer ? known.bump : 0;
  RoomReader::Range range{.after = newer ? known.upto : 0,
                          .until = room.last_pos,
                          .newest_first = true,
                          .limit = kFirstBumpChunk};
  bool found = false;
  size_t read = 0;
  for (bool more = true; more && !found && read < kMaxBumpSearch;) {
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                        reader.Timeline(room, range));
    for (const StoredEvent& event : events) {
      range.until = event.pos - 1;
      if (std::find(kBumpTypes.begin(), kBumpTypes.end(),
                    event.event->type()) == kBumpTypes.end()) {
        continue;
      }
      bump = event.pos;
      found = true;
      break;
    }
    read += events.size();
    more = events.size() == range.limit;
    range.limit = kBumpChunk;
  }
  if (!found && read >= kMaxBumpSearch) bump = range.until + 1;
  if (bump == 0) bump = room.last_pos;
  if (newer) known_.Put(room.nid, {room.last_pos, bump});
  return bump;
}

// One room on its way.
struct SlidingRoomMaker::Work {
  const ListedRoom& listed;
  const SentRoom* before;
  const CombinedConfig& config;
  Made made;
  std::set<std::string_view> told_members = {};  // Views of required_state.

  SlidingRoom& room() { return made.room; }
  const RoomHead& head() const { return made.room.head; }
  bool initial() const { return made.room.initial; }
  Position from() const { return made.from; }
  void BeginAnew() {
    made.room.initial = true;
    made.from = 0;
  }
};

Result<std::optional<SlidingRoomMaker::Made>> SlidingRoomMaker::Make(
    const ListedRoom& listed, RoomHead head, const SentRoom* before,
    const CombinedConfig& config, uint16_t config_number) {
  Work work{.listed = listed, .before = before, .config = config, .made = {}};
  work.room().head = std::move(head);
  work.room().membership = listed.user.membership;
  SentRoom& sent = work.made.sent;
  if (before != nullptr) {
    sent = *before;
    work.made.from = before->upto == 0 ? query_.since : before->upto;
  } else {
    work.BeginAnew();
  }
  sent.room = listed.user.room;
  sent.upto = 0;
  sent.config = config_number;
  sent.is_dm = listed.is_dm;
  const Position changed = listed.user.pos;
  const bool news = work.initial() || changed > work.from();
  switch (listed.user.membership) {
    case Membership::kJoin:
      MC_RETURN_IF_ERROR(MakeJoined(work));
      break;
    case Membership::kInvite:
    case Membership::kKnock:
      if (news) MC_RETURN_IF_ERROR(MakeStripped(work, true));
      break;
    case Membership::kLeave:
    case Membership::kBan:
      if (!news) break;
      if (before == nullptr && listed.user.forgotten) {
        return std::optional<Made>();
      }
      MC_RETURN_IF_ERROR(MakeLeft(work));
      break;
    case Membership::kNone:
      return std::optional<Made>();
  }
  SlidingRoom& room = work.room();
  room.membership_changed = news;
  Position bump = changed;
  // What the user does not see moves no room up.
  bool moves = true;
  if (listed.joined()) {
    MC_ASSIGN_OR_RETURN(bump, bumps_.Find(reader_, work.head()));
    moves = !room.timeline.events.empty() || room.timeline.limited;
  }
  if (room.initial || (moves && bump > work.from())) room.bump_stamp = bump;
  const bool was_dm = before != nullptr && before->is_dm;
  if (room.initial ? listed.is_dm : listed.is_dm != was_dm) {
    room.is_dm = listed.is_dm;
  }
  return std::optional<Made>(std::move(work.made));
}

// --- Rooms that the user is in ---

Status SlidingRoomMaker::MakeJoined(Work& work) {
  const UserRoom& user = work.listed.user;
  TimelineRequest request{.limit = work.config.timeline_limit(),
                          .filter = &Everything(),
                          .ignored = &query_.ignored,
                          .user_id = query_.user_id,
                          .known_state = work.head().state};
  if (!work.initial() && user.pos > work.from()) {
    MC_ASSIGN_OR_RETURN(
        const MembershipPast past,
        ReadMembershipPast(reader_, work.head(), user.idx, work.from()));
    // Of an earlier stay, or of an invite, nothing counts as told.
    if (past.at_since != Membership::kJoin) work.BeginAnew();
    if (past.away_since) request.visible_after = user.pos - 1;
  }
  SlidingRoom& room = work.room();
  room.expanded_timeline =
      !work.initial() && work.config.timeline_limit() > work.before->limit;
  const bool whole = work.initial() || room.expanded_timeline;
  if (whole) request.visible_after = user.pos - 1;
  request.after = whole ? 0 : work.from();
  MC_ASSIGN_OR_RETURN(room.timeline,
                      ReadTimeline(reader_, work.head(), request));
  CountLive(work);
  if (whole || room.timeline.limited) {
    work.made.sent.limit = static_cast<uint16_t>(work.config.timeline_limit());
  }
  const StateSnap end = work.head().state;
  MC_ASSIGN_OR_RETURN(const StateSnap known, Known(work, end));
  MC_RETURN_IF_ERROR(AddState(work, known, end));
  MC_RETURN_IF_ERROR(AddNames(work, known, end));
  if (query_.form == SlidingForm::kSimplified) {
    UnreadReader reader(reader_.snapshot(), query_.user_id);
    MC_ASSIGN_OR_RETURN(const Unread unread, reader.Read(work.head()));
    if (work.initial() || unread.changed > work.from()) {
      room.unread = unread.Total();
    }
  }
  return OkStatus();
}

// The state that the client knows of the room.
Result<StateSnap> SlidingRoomMaker::Known(const Work& work, StateSnap end) {
  if (work.initial()) return StateSnap{0};
  const Timeline& timeline = work.made.room.timeline;
  if (timeline.complete && !work.made.room.expanded_timeline &&
      work.listed.joined()) {
    return timeline.any_state ? *timeline.before : end;
  }
  return reader_.StateAtPosition(work.head(), work.from());
}

void SlidingRoomMaker::CountLive(Work& work) const {
  if (query_.since == 0) return;
  const std::vector<StoredEvent>& events = work.room().timeline.events;
  work.room().num_live = static_cast<size_t>(std::count_if(
      events.begin(), events.end(),
      [this](const StoredEvent& event) { return event.pos > query_.since; }));
}

Status SlidingRoomMaker::AddState(Work& work, StateSnap known, StateSnap end) {
  SlidingRoom& room = work.room();
  const bool lazy = work.config.lazy_members();
  const bool gap = work.initial() || room.timeline.limited;
  // A client that missed something has to forget the members that it has.
  if (lazy && gap) lazy_.Forget(query_.lazy_session, work.head().nid);
  if (known != end) {
    MC_ASSIGN_OR_RETURN(
        room.required_state,
        reader_.StateDifference(
            work.head(), known, end,
            [&](std::string_view type, std::string_view state_key) {
              return work.config.Wants(type, state_key) ||
                     (lazy && !gap && type == kTypeMember);
            }));
  }
  if (!work.initial() && known != end) {
    MC_RETURN_IF_ERROR(AddDeletedState(work, known, end));
  }
  if (!work.initial()) MC_RETURN_IF_ERROR(AddExpandedState(work, end));
  if (lazy) MC_RETURN_IF_ERROR(AddLazyMembers(work, end));
  return OkStatus();
}

// What the room was not asked for when it was sent before.
Status SlidingRoomMaker::AddExpandedState(Work& work, StateSnap end) {
  const std::string& before = query_.base.configs[work.before->config];
  if (before == work.config.text()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const CombinedConfig old,
                      CombinedConfig::FromText(before));
  MC_ASSIGN_OR_RETURN(
      std::vector<StoredEvent> more,
      reader_.StateEvents(
          work.head(), end,
          [&](std::string_view type, std::string_view state_key) {
            return work.config.Wants(type, state_key) &&
                   !old.Wants(type, state_key);
          }));
  std::vector<StoredEvent>& state = work.room().required_state;
  std::set<EventIdx> told;
  for (const StoredEvent& event : state) told.insert(event.idx);
  for (StoredEvent& event : more) {
    if (!told.contains(event.idx)) state.push_back(std::move(event));
  }
  return OkStatus();
}

// The members whom the timeline names, unless the client has them.
Status SlidingRoomMaker::AddLazyMembers(Work& work, StateSnap end) {
  SlidingRoom& room = work.room();
  std::set<std::string_view> told;
  for (const StoredEvent& event : room.required_state) {
    if (event.event->type() == kTypeMember) {
      told.insert(*event.event->state_key());
    }
  }
  std::set<std::string_view> wanted;
  for (const StoredEvent& event : room.timeline.events) {
    wanted.insert(event.event->sender());
    if (event.event->is_state() && event.event->type() == kTypeMember) {
      wanted.insert(*event.event->state_key());
    }
  }
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader_.State(work.head(), end));
  std::vector<LazyMembers::Member> members;
  for (const std::string_view user : wanted) {
    if (told.contains(user)) continue;
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader_.KeyNum(work.head(), kTypeMember, user));
    const EventIdx idx = key == 0 ? 0 : state->Find(key);
    if (idx != 0) members.push_back({key, idx});
  }
  const std::vector<bool> known =
      lazy_.Known(query_.lazy_session, work.head().nid, members);
  std::vector<EventIdx> idxs;
  for (size_t i = 0; i < members.size(); ++i) {
    if (!known[i]) idxs.push_back(members[i].event);
  }
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                      reader_.StoredEvents(work.head(), idxs));
  std::move(events.begin(), events.end(),
            std::back_inserter(room.required_state));
  std::vector<LazyMembers::Member> noted;
  for (const StoredEvent& event : room.required_state) {
    if (event.event->type() != kTypeMember) continue;
    MC_ASSIGN_OR_RETURN(
        const StateKeyNum key,
        reader_.KeyNum(work.head(), kTypeMember, *event.event->state_key()));
    noted.push_back({key, event.idx});
  }
  lazy_.Note(query_.lazy_session, work.head().nid, noted, query_.lazy_token);
  return OkStatus();
}

// Keys that are gone: state resolution may take them back.
Status SlidingRoomMaker::AddDeletedState(Work& work, StateSnap known,
                                         StateSnap end) {
  MC_ASSIGN_OR_RETURN(const StateMapPtr old, reader_.State(work.head(), known));
  MC_ASSIGN_OR_RETURN(const StateMapPtr now, reader_.State(work.head(), end));
  std::vector<StateKeyNum> gone;
  StateTree::Diff(old->map(), now->map(),
                  [&gone](KeyIdx key, EventIdx, EventIdx after) {
                    if (after == kNoIndex) gone.push_back(key);
                  });
  for (const StateKeyNum key : gone) {
    MC_ASSIGN_OR_RETURN(StateKey name, reader_.KeyName(work.head(), key));
    if (work.config.Wants(name.type, name.state_key)) {
      work.room().deleted_state.push_back(std::move(name));
    }
  }
  return OkStatus();
}

// --- What stands for the room in a list ---

// A redaction since then takes a name away though the state stays the same.
Result<bool> SlidingRoomMaker::NamesWereRedacted(Work& work, StateSnap end) {
  if (work.initial() || !work.room().timeline.any_redaction) return false;
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> names,
                      reader_.StateEvents(work.head(), end, IsName));
  std::vector<EventIdx> idxs;
  for (const StoredEvent& name : names) {
    if (name.redacted_by != 0) idxs.push_back(name.redacted_by);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> redactions,
                      reader_.StoredEvents(work.head(), idxs));
  return std::any_of(redactions.begin(), redactions.end(),
                     [&work](const StoredEvent& redaction) {
                       return redaction.pos > work.from();
                     });
}

Status SlidingRoomMaker::AddNames(Work& work, StateSnap known, StateSnap end) {
  SlidingRoom& room = work.room();
  bool members_changed = work.initial();
  bool names_changed = work.initial();
  if (!work.initial() && known != end) {
    MC_ASSIGN_OR_RETURN(const std::vector<MemberChange> changes,
                        ReadMemberChanges(reader_, work.head(), known, end));
    members_changed = !changes.empty();
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> names,
        reader_.StateDifference(work.head(), known, end, IsName));
    names_changed =
        !names.empty() ||
        std::any_of(room.deleted_state.begin(), room.deleted_state.end(),
                    [](const StateKey& key) {
                      return IsName(key.type, key.state_key);
                    });
  }
  if (!names_changed) {
    MC_ASSIGN_OR_RETURN(names_changed, NamesWereRedacted(work, end));
  }
  if (work.listed.joined() && members_changed) {
    room.counts = {work.head().joined, work.head().invited};
  }
  if (!names_changed && !members_changed) return OkStatus();
  MC_ASSIGN_OR_RETURN(std::string name, ContentText(reader_, work.head(), end,
                                                    kTypeName, "name"));
  const bool nameless = name.empty();
  if (names_changed) {
    MC_ASSIGN_OR_RETURN(
        std::string avatar,
        ContentText(reader_, work.head(), end, kTypeAvatar, "url"));
    // Without `initial` they replace what the client has.
    if (!work.initial() || !name.empty()) room.name = std::move(name);
    if (!work.initial() || !avatar.empty()) room.avatar = std::move(avatar);
  }
  if (!nameless || !work.config.heroes()) return OkStatus();
  return AddHeroes(work, end);
}

Status SlidingRoomMaker::AddHeroes(Work& work, StateSnap end) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> users,
                      FindHeroes(reader_, work.head(), query_.user_id));
  std::vector<SlidingRoom::Hero>& heroes = work.room().heroes.emplace();
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader_.State(work.head(), end));
  std::vector<EventIdx> idxs;
  for (const std::string& user : users) {
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader_.KeyNum(work.head(), kTypeMember, user));
    const EventIdx idx = key == 0 ? 0 : state->Find(key);
    if (idx != 0) idxs.push_back(idx);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                      reader_.Events(work.head(), idxs));
  for (const EventPtr& event : events) {
    const json::Value content = event->content();
    heroes.push_back(
        {.user_id = std::string(*event->state_key()),
         .displayname = std::string(content["displayname"].StringOr("")),
         .avatar_url = std::string(content["avatar_url"].StringOr(""))});
  }
  return OkStatus();
}

// --- Rooms that the user is not in ---

Status SlidingRoomMaker::MakeStripped(Work& work, bool whole) {
  work.BeginAnew();
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> member,
      reader_.StoredEvents(work.head(), {&work.listed.user.idx, 1}));
  work.room().member = member[0];
  work.room().stripped = whole ? member[0].after : StateSnap{0};
  return OkStatus();
}

Status SlidingRoomMaker::MakeLeft(Work& work) {
  const UserRoom& user = work.listed.user;
  MC_ASSIGN_OR_RETURN(
      const MembershipPast past,
      ReadMembershipPast(reader_, work.head(), user.idx, work.from()));
  const bool was_in =
      past.at_since == Membership::kJoin ||
      (work.initial() ? past.left.has_value() : past.joined_since);
  if (!was_in || !past.left) {
    // Nothing of it is the user's business but that it is over.
    return MakeStripped(work, false);
  }
  if (past.at_since != Membership::kJoin) work.BeginAnew();
  SlidingRoom& room = work.room();
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> member,
                      reader_.StoredEvents(work.head(), {&user.idx, 1}));
  room.member = member[0];
  MC_ASSIGN_OR_RETURN(room.timeline,
                      ReadTimeline(reader_, work.head(),
                                   {.after = work.from(),
                                    .until = user.pos,
                                    .limit = work.config.timeline_limit(),
                                    .filter = &Everything(),
                                    .ignored = &query_.ignored,
                                    .user_id = query_.user_id,
                                    .visible_after = INT64_MAX}));
  CountLive(work);
  // The state that the user knew last; a ban afterwards does not renew it.
  const StateSnap end = past.left->after;
  MC_ASSIGN_OR_RETURN(const StateSnap known, Known(work, end));
  MC_RETURN_IF_ERROR(AddState(work, known, end));
  MC_RETURN_IF_ERROR(AddNames(work, known, end));
  // That it is over must be told even if it was not asked for.
  std::erase_if(room.required_state, [this](const StoredEvent& event) {
    return event.event->Is(kTypeMember, query_.user_id);
  });
  room.required_state.push_back(member[0]);
  return OkStatus();
}

}  // namespace matrixcore
