#include "service/invite_permission.h"
#include "service/sync_builder.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/keys.h"

namespace matrixcore {
namespace {

// To-device messages that a sync removes once they have arrived.
constexpr size_t kToDeviceRemovals = 1000;

// Events without a sender pass a filter that names none.
bool AllowsUnsent(const EventFilter& filter, std::string_view type) {
  return !filter.senders && filter.AllowsType(type);
}

bool AllowsUnsent(const RoomEventFilter& filter, const std::string& room_id,
                  std::string_view type) {
  return filter.AllowsRoom(room_id) && AllowsUnsent(filter, type);
}

// State that names a room, so that it needs no heroes.
bool NamesRoom(std::string_view type, std::string_view state_key) {
  return state_key.empty() &&
         (type == kTypeName || type == kTypeCanonicalAlias);
}

Result<bool> IsEncrypted(RoomReader& reader, const RoomHead& room,
                         StateSnap snap) {
  MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                      reader.KeyNum(room, kTypeEncryption, ""));
  if (key == 0) return false;
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader.State(room, snap));
  return state->Find(key) != 0;
}

}  // namespace

Result<SyncAnswer> BuildSync(SyncShared& shared, const SyncQuery& query) {
  // Typing first: what changes in between is told now and again, not never.
  TypingNews typing =
      shared.ephemeral.TypingSince(query.since ? query.since->ephemeral : 0);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      shared.store.NewSnapshot());
  SyncQuery now = query;
  if (now.since && now.since->position > snapshot->position()) {
    now.since.reset();
    typing = shared.ephemeral.TypingSince(0);
  }
  return SyncBuilder(shared, now, *snapshot, std::move(typing)).Build();
}

Result<std::string> BuildKeyChanges(SyncShared& shared,
                                    const SyncQuery& query) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      shared.store.NewSnapshot());
  return SyncBuilder(shared, query, *snapshot, TypingNews()).BuildKeyChanges();
}

SyncBuilder::SyncBuilder(SyncShared& shared, const SyncQuery& query,
                         Snapshot& snapshot, TypingNews typing)
    : shared_(shared),
      query_(query),
      filter_(query.filter.filter),
      user_id_(query.session.user_id),
      reader_(snapshot, shared.caches),
      typing_(std::move(typing)),
      answer_{.body = {}, .next = {snapshot.position(), 0, 0}},
      out_(&answer_.body),
      writer_(out_, reader_, query.session, shared.clock.Now(),
              {.federation_format = filter_.federation_format,
               .use_state_after = query.use_state_after,
               .unread_by_thread =
                   filter_.room.timeline.unread_thread_notifications,
               .fields = &query.filter.fields}) {}

Result<SyncAnswer> SyncBuilder::Build() {
  MC_RETURN_IF_ERROR(Load());
  out_.BeginObject();
  out_.Field("next_batch", answer_.next.ToString());
  std::vector<AccountDatum> global;
  for (const AccountDatum& datum : account_data_) {
    if (datum.room_id.empty() &&
        AllowsUnsent(filter_.account_data, datum.type)) {
      global.push_back(datum);
    }
  }
  answer_.empty = global.empty();
  if (!global.empty()) {
    out_.Key("account_data");
    writer_.WriteAccountData(global);
  }
  WriteToDevice();
  MC_RETURN_IF_ERROR(WriteRooms());
  MC_RETURN_IF_ERROR(WritePresence());
  MC_RETURN_IF_ERROR(WriteKeys());
  out_.EndObject();
  return std::move(answer_);
}

// --- What there is to look at ---

Status SyncBuilder::Load() {
  MC_ASSIGN_OR_RETURN(rooms_, shared_.rooms.Get(reader_, user_id_));
  MC_ASSIGN_OR_RETURN(ignored_, ReadIgnoredUsers(reader_.snapshot(), user_id_));
  MC_ASSIGN_OR_RETURN(account_data_,
                      ReadAccountData(reader_.snapshot(), user_id_, since()));
  // A client that knows of nobody typing needs no serial to learn what changed.
  if (SomeoneTypes()) answer_.next.ephemeral = typing_.serial;
  MC_RETURN_IF_ERROR(ReadToDevice());
  return FindCandidates();
}

// In a room of the user, by now.
bool SyncBuilder::SomeoneTypes() const {
  return std::any_of(
      typing_.active.begin(), typing_.active.end(), [this](RoomNid nid) {
        const auto row = std::lower_bound(
            rooms_->begin(), rooms_->end(), nid,
            [](const UserRoom& a, RoomNid room) { return a.room < room; });
        return row != rooms_->end() && row->room == nid &&
               row->membership == Membership::kJoin;
      });
}

// What there is to say about typing in a room.
std::optional<TypingUsers> SyncBuilder::FindTyping(RoomNid room,
                                                   bool newly) const {
  const auto news = std::lower_bound(
      typing_.changed.begin(), typing_.changed.end(), room,
      [](const TypingUsers& a, RoomNid nid) { return a.room < nid; });
  if (news != typing_.changed.end() && news->room == room) return *news;
  if (typing_.incomplete) return TypingUsers{room, {}};
  if (!newly || initial()) return std::nullopt;
  TypingUsers now = shared_.ephemeral.TypingIn(room);
  if (now.user_ids.empty()) return std::nullopt;
  return now;
}

Status SyncBuilder::FindCandidates() {
  absl::flat_hash_set<RoomNid> touched;
  for (const TypingUsers& typing : typing_.changed) touched.insert(typing.room);
  if (!initial()) {
    for (const AccountDatum& datum : account_data_) {
      if (datum.room_id.empty()) continue;
      MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head,
                          reader_.Head(datum.room_id));
      if (head) touched.insert(head->nid);
    }
  }
  const bool archive =
      room_filter().include_leave && (initial() || query_.full_state);
  absl::flat_hash_set<RoomNid> forgotten;
  if (archive) {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader_.RoomsOf(user_id_));
    for (const MembershipRow& row : rows) {
      if (row.forgotten) forgotten.insert(row.room);
    }
  }
  for (const UserRoom& row : *rooms_) {
    const bool changed = row.pos > since();
    switch (row.membership) {
      case Membership::kJoin:
        // Asked after the snapshot was taken: what this says is unchanged is so
        // in the snapshot.
        if (changed || query_.full_state || typing_.incomplete ||
            touched.contains(row.room) ||
            shared_.activity.MayHaveChangedSince(row.room, since())) {
          candidates_.join.push_back(row);
        }
        break;
      case Membership::kInvite:
        if (changed) candidates_.invite.push_back(row);
        break;
      case Membership::kKnock:
        if (changed) candidates_.knock.push_back(row);
        break;
      case Membership::kLeave:
      case Membership::kBan:
        if ((changed && !initial()) ||
            (archive && !forgotten.contains(row.room))) {
          candidates_.leave.push_back(row);
        }
        break;
      case Membership::kNone:
        break;
    }
  }
  return OkStatus();
}

// The heads of rooms that the filter allows; nothing for the others.
Result<std::vector<std::optional<RoomHead>>> SyncBuilder::Heads(
    const std::vector<UserRoom>& rows) {
  std::vector<RoomNid> nids;
  nids.reserve(rows.size());
  for (const UserRoom& row : rows) nids.push_back(row.room);
  MC_ASSIGN_OR_RETURN(auto heads, reader_.Heads(nids));
  for (auto& head : heads) {
    if (head && !room_filter().AllowsRoom(head->room_id)) head.reset();
  }
  return heads;
}

// --- Sections ---

Status SyncBuilder::WriteRooms() {
  MC_RETURN_IF_ERROR(WriteBlocks("join", candidates_.join,
                                 &SyncBuilder::MakeJoined,
                                 &SyncWriter::WriteJoined));
  MC_RETURN_IF_ERROR(
      WriteStripped("invite", "invite_state", candidates_.invite));
  MC_RETURN_IF_ERROR(WriteStripped("knock", "knock_state", candidates_.knock));
  MC_RETURN_IF_ERROR(WriteBlocks("leave", candidates_.leave,
                                 &SyncBuilder::MakeLeft,
                                 &SyncWriter::WriteLeft));
  if (rooms_open_) {
    out_.EndObject();
    answer_.empty = false;
  }
  return OkStatus();
}

void SyncBuilder::OpenSection(std::string_view section, bool* open) {
  if (!std::exchange(rooms_open_, true)) out_.Key("rooms").BeginObject();
  if (!std::exchange(*open, true)) out_.Key(section).BeginObject();
}

Status SyncBuilder::WriteBlocks(std::string_view section,
                                const std::vector<UserRoom>& rows,
                                BlockMaker make, BlockWriter write) {
  if (rows.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(auto heads, Heads(rows));
  bool open = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!heads[i]) continue;
    MC_ASSIGN_OR_RETURN(const std::optional<RoomBlock> block,
                        (this->*make)(rows[i], std::move(*heads[i])));
    if (!block || block->empty()) continue;
    OpenSection(section, &open);
    out_.Key(block->head.room_id);
    MC_RETURN_IF_ERROR((writer_.*write)(*block));
  }
  if (open) out_.EndObject();
  return OkStatus();
}

Status SyncBuilder::WriteStripped(std::string_view section,
                                  std::string_view key,
                                  const std::vector<UserRoom>& rows) {
  if (rows.empty()) return OkStatus();
  if (section == "invite") {
    // Spec: "Invite permission": nothing of invites that came all the same.
    MC_ASSIGN_OR_RETURN(const bool blocked,
                        BlocksInvites(reader_.snapshot(), user_id_));
    if (blocked) return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(const auto heads, Heads(rows));
  bool open = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!heads[i]) continue;
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> member,
                        reader_.StoredEvents(*heads[i], {&rows[i].idx, 1}));
    // Spec: "Ignoring Users": no invites from ignored users.
    if (IsIgnored(ignored_, member[0].event->sender())) continue;
    OpenSection(section, &open);
    out_.Key(heads[i]->room_id);
    MC_RETURN_IF_ERROR(writer_.WriteStripped(key, *heads[i], member[0].after));
  }
  if (open) out_.EndObject();
  return OkStatus();
}

// --- One room ---

Result<std::optional<RoomBlock>> SyncBuilder::MakeJoined(const UserRoom& row,
                                                         RoomHead head) {
  RoomBlock block;
  block.head = std::move(head);
  bool newly = initial();
  TimelineRequest request{.after = since(),
                          .limit = query_.filter.timeline_limit,
                          .filter = &room_filter().timeline,
                          .ignored = &ignored_,
                          .user_id = user_id_,
                          .known_state = block.head.state};
  if (initial()) {
    request.visible_after = row.pos - 1;
  } else if (row.pos > since()) {
    MC_ASSIGN_OR_RETURN(
        const MembershipPast past,
        ReadMembershipPast(reader_, block.head, row.idx, since()));
    newly = past.at_since != Membership::kJoin;
    // From the beginning: what was told of an earlier stay is not known here.
    if (newly) request.after = 0;
    if (newly || past.away_since) request.visible_after = row.pos - 1;
  }
  block.forced = newly || query_.full_state;
  if (newly && !initial()) new_rooms_.push_back(row.room);
  MC_ASSIGN_OR_RETURN(block.timeline,
                      ReadTimeline(reader_, block.head, request));

  const StateSnap end = block.head.state;
  StateSnap known = 0;
  if (!newly) {
    MC_ASSIGN_OR_RETURN(known, StateAtSince(block.head, block.timeline, end));
  }
  MC_RETURN_IF_ERROR(AddSummary(block, known, newly));
  const StateSnap start = block.timeline.events.empty()
                              ? end
                              : block.timeline.events.front().before;
  MC_RETURN_IF_ERROR(
      AddState(block, query_.full_state ? StateSnap{0} : known, start, end));
  MC_RETURN_IF_ERROR(AddEphemeral(block, newly));
  MC_RETURN_IF_ERROR(AddAccountData(block, newly));
  MC_RETURN_IF_ERROR(AddUnread(block));
  return std::optional<RoomBlock>(std::move(block));
}

Result<std::optional<RoomBlock>> SyncBuilder::MakeLeft(const UserRoom& row,
                                                       RoomHead head) {
  RoomBlock block;
  block.head = std::move(head);
  block.forced = true;
  MC_ASSIGN_OR_RETURN(
      const MembershipPast past,
      ReadMembershipPast(reader_, block.head, row.idx, since()));
  const bool newly = past.at_since != Membership::kJoin;
  if ((newly && !past.joined_since) || !past.left) {
    // Never in the room meanwhile: nothing of it is the user's business but the
    // own invites, leaves and bans.
    block.timeline = OwnEvents(past);
    if (query_.full_state && past.left) {
      MC_RETURN_IF_ERROR(
          AddState(block, 0, past.left->after, past.left->after));
    }
  } else {
    MC_ASSIGN_OR_RETURN(block.timeline,
                        ReadTimeline(reader_, block.head,
                                     {.after = newly ? Position{0} : since(),
                                      .until = row.pos,
                                      .limit = query_.filter.timeline_limit,
                                      .filter = &room_filter().timeline,
                                      .ignored = &ignored_,
                                      .user_id = user_id_,
                                      .visible_after = INT64_MAX}));
    // The state that the user knew last; a ban afterwards does not renew it.
    const StateSnap end = past.left->after;
    StateSnap known = 0;
    if (!newly) {
      MC_ASSIGN_OR_RETURN(known, StateAtSince(block.head, block.timeline, end));
    }
    const std::vector<StoredEvent>& events = block.timeline.events;
    const bool at_end = events.empty() || events.front().pos > past.left->pos;
    MC_RETURN_IF_ERROR(AddState(block, query_.full_state ? StateSnap{0} : known,
                                at_end ? end : events.front().before, end));
    if (!initial()) {
      MC_ASSIGN_OR_RETURN(const bool encrypted,
                          IsEncrypted(reader_, block.head, end));
      if (encrypted) {
        MC_RETURN_IF_ERROR(AddAllMembers(block.head, &acquaintances_.lost));
      }
    }
  }
  MC_RETURN_IF_ERROR(AddOwnMembership(block, row.idx));
  MC_RETURN_IF_ERROR(AddAccountData(block, newly));
  return std::optional<RoomBlock>(std::move(block));
}

// A client that takes its state from state_after alone must learn there that it
// is out, even if that is all that it may learn.
Status SyncBuilder::AddOwnMembership(RoomBlock& block, EventIdx idx) {
  if (!query_.use_state_after) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> member,
                      reader_.StoredEvents(block.head, {&idx, 1}));
  const RoomEventFilter& filter = room_filter().state;
  if (!filter.AllowsRoom(block.head.room_id) ||
      !filter.Allows(*member[0].event)) {
    return OkStatus();
  }
  std::erase_if(block.state.events, [this](const StoredEvent& event) {
    return event.event->Is(kTypeMember, user_id_);
  });
  block.state.events.push_back(member[0]);
  return OkStatus();
}

Timeline SyncBuilder::OwnEvents(const MembershipPast& past) const {
  Timeline timeline;
  timeline.start = reader_.position();
  for (const StoredEvent& event : past.events) {
    if (room_filter().timeline.Allows(*event.event)) {
      timeline.events.push_back(event);
    }
  }
  const size_t limit = query_.filter.timeline_limit;
  if (timeline.events.size() > limit) {
    timeline.limited = true;
    timeline.events.erase(
        timeline.events.begin(),
        timeline.events.end() - static_cast<ptrdiff_t>(limit));
  }
  if (!timeline.events.empty()) {
    timeline.start = timeline.events.front().pos - 1;
  }
  return timeline;
}

Result<StateSnap> SyncBuilder::StateAtSince(const RoomHead& room,
                                            const Timeline& timeline,
                                            StateSnap end) {
  if (timeline.complete) return timeline.any_state ? *timeline.before : end;
  return reader_.StateAtPosition(room, since());
}

Status SyncBuilder::AddState(RoomBlock& block, StateSnap known, StateSnap start,
                             StateSnap end) {
  const RoomEventFilter& filter = room_filter().state;
  StateRequest request{.known = known,
                       .start = start,
                       .end = end,
                       .timeline = &block.timeline.events,
                       .filter = &filter,
                       .after = query_.use_state_after,
                       .session = &query_.session};
  if (!filter.include_redundant_members) request.lazy = &shared_.lazy;
  if (filter.lazy_load_members && known == 0) {
    shared_.lazy.Forget(query_.session, block.head.nid);
  }
  if (block.summary && block.summary->heroes) {
    request.heroes = *block.summary->heroes;
  }
  MC_ASSIGN_OR_RETURN(block.state, SelectState(reader_, block.head, request));
  if (request.lazy != nullptr) {
    shared_.lazy.Note(query_.session, block.head.nid, block.state.members,
                      answer_.next);
  }
  return OkStatus();
}

// Since the client's token: its heroes have to take over.
Result<bool> SyncBuilder::NameWasRedacted(const RoomHead& room) {
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> names,
                      reader_.StateEvents(room, room.state, NamesRoom));
  std::vector<EventIdx> idxs;
  for (const StoredEvent& name : names) {
    if (name.redacted_by != 0) idxs.push_back(name.redacted_by);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> redactions,
                      reader_.StoredEvents(room, idxs));
  return std::any_of(
      redactions.begin(), redactions.end(),
      [this](const StoredEvent& redaction) { return redaction.pos > since(); });
}

Status SyncBuilder::AddSummary(RoomBlock& block, StateSnap known, bool newly) {
  const RoomHead& room = block.head;
  bool wanted = newly || query_.full_state;
  if (!newly && known != room.state) {
    MC_ASSIGN_OR_RETURN(const std::vector<MemberChange> changes,
                        ReadMemberChanges(reader_, room, known, room.state));
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> names,
        reader_.StateDifference(room, known, room.state, NamesRoom));
    wanted = wanted || !changes.empty() || !names.empty();
    for (const MemberChange& change : changes) {
      if (change.after == Membership::kJoin) {
        new_neighbours_.insert(change.user_id);
      }
    }
    MC_RETURN_IF_ERROR(
        AddAcquaintances(room, known, room.state, changes, false));
  } else if (newly) {
    MC_RETURN_IF_ERROR(AddAcquaintances(room, 0, room.state, {}, true));
  }
  if (!wanted && block.timeline.any_redaction) {
    MC_ASSIGN_OR_RETURN(wanted, NameWasRedacted(room));
  }
  if (!wanted) return OkStatus();
  block.summary.emplace();
  block.summary->joined = room.joined;
  block.summary->invited = room.invited;
  MC_ASSIGN_OR_RETURN(const EventPtr name,
                      reader_.StateEvent(room, room.state, kTypeName, ""));
  if (name != nullptr && !name->content()["name"].StringOr("").empty()) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(
      const EventPtr alias,
      reader_.StateEvent(room, room.state, kTypeCanonicalAlias, ""));
  if (alias != nullptr && !alias->content()["alias"].StringOr("").empty()) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(block.summary->heroes,
                      FindHeroes(reader_, room, user_id_));
  return OkStatus();
}

Status SyncBuilder::AddEphemeral(RoomBlock& block, bool newly) {
  const RoomEventFilter& filter = room_filter().ephemeral;
  const RoomHead& room = block.head;
  if (AllowsUnsent(filter, room.room_id, "m.typing")) {
    block.typing = FindTyping(room.nid, newly);
    if (block.typing) {
      std::erase_if(block.typing->user_ids, [this](const std::string& user) {
        return IsIgnored(ignored_, user);
      });
    }
  }
  const Position after = newly ? 0 : since();
  if (AllowsUnsent(filter, room.room_id, "m.receipt") &&
      shared_.activity.MayHaveChangedSince(room.nid, after)) {
    MC_ASSIGN_OR_RETURN(block.receipts,
                        EphemeralService::ReceiptsSince(
                            reader_.snapshot(), room.nid, after, user_id_));
    std::erase_if(block.receipts, [this](const Receipt& receipt) {
      return IsIgnored(ignored_, receipt.user_id);
    });
  }
  return OkStatus();
}

Status SyncBuilder::AddAccountData(RoomBlock& block, bool newly) {
  const RoomEventFilter& filter = room_filter().account_data;
  const std::string& room_id = block.head.room_id;
  if (newly && !initial()) {
    // What was set before the room was shown.
    MC_ASSIGN_OR_RETURN(
        block.account_data,
        ReadRoomAccountData(reader_.snapshot(), user_id_, room_id));
  } else {
    const auto of_room =
        std::equal_range(account_data_.begin(), account_data_.end(),
                         AccountDatum{room_id, "", ""},
                         [](const AccountDatum& a, const AccountDatum& b) {
                           return a.room_id < b.room_id;
                         });
    block.account_data.assign(of_room.first, of_room.second);
  }
  std::erase_if(block.account_data, [&](const AccountDatum& datum) {
    return !AllowsUnsent(filter, room_id, datum.type);
  });
  return OkStatus();
}

// Spec: "Receiving notifications".
Status SyncBuilder::AddUnread(RoomBlock& block) {
  UnreadReader reader(reader_.snapshot(), user_id_);
  MC_ASSIGN_OR_RETURN(block.unread, reader.Read(block.head));
  block.unread_news = block.unread->changed > since();
  return OkStatus();
}

// --- Presence ---

Result<bool> SyncBuilder::IsNewContact(const std::string& user_id) {
  if (new_neighbours_.contains(user_id)) return true;
  for (const RoomNid room : new_rooms_) {
    MC_ASSIGN_OR_RETURN(const std::optional<MembershipRow> row,
                        reader_.MembershipOf(user_id, room));
    if (row && row->membership == Membership::kJoin) return true;
  }
  return false;
}

// Spec: "Presence".
Status SyncBuilder::WritePresence() {
  const EventFilter& filter = filter_.presence;
  if (shared_.presence == nullptr || !filter.AllowsType("m.presence")) {
    return OkStatus();
  }
  Snapshot& snapshot = reader_.snapshot();
  MC_ASSIGN_OR_RETURN(const std::vector<Presence> changed,
                      shared_.presence->Since(snapshot, since()));
  std::vector<Presence> told;
  std::set<std::string_view> names;
  for (const Presence& presence : changed) {
    MC_ASSIGN_OR_RETURN(const bool shares, SharesRoom(presence.user_id));
    if (!shares) continue;
    told.push_back(presence);
    names.insert(presence.user_id);
  }
  if (!new_rooms_.empty() || !new_neighbours_.empty()) {
    MC_ASSIGN_OR_RETURN(const std::vector<Presence> present,
                        shared_.presence->Since(snapshot, 0));
    for (const Presence& presence : present) {
      if (names.contains(presence.user_id)) continue;
      MC_ASSIGN_OR_RETURN(const bool met, IsNewContact(presence.user_id));
      if (met) told.push_back(presence);
    }
  }
  std::erase_if(told, [&](const Presence& presence) {
    return !filter.AllowsSender(presence.user_id) ||
           IsIgnored(ignored_, presence.user_id);
  });
  if (filter.limit && told.size() > *filter.limit) told.resize(*filter.limit);
  if (told.empty()) return OkStatus();
  answer_.empty = false;
  out_.Key("presence");
  return writer_.WritePresence(snapshot, told);
}

// --- To-device messages ---

// Spec: "Send-to-Device messaging", server behaviour.  What the client has had
// is not told again whether or not it is deleted yet, so nobody waits for that.
Status SyncBuilder::ReadToDevice() {
  const std::string& device_id = query_.session.device_id;
  const Position after = initial() ? 0 : query_.since->ToDevicePosition();
  if (after > 0) {
    WriteBatch batch;
    MC_ASSIGN_OR_RETURN(
        const size_t removed,
        ToDeviceService::AddRemoval(reader_.snapshot(), batch, user_id_,
                                    device_id, after, kToDeviceRemovals));
    if (removed > 0) {
      shared_.store.CommitAsync(std::move(batch), [](Result<CommitInfo>) {});
    }
  }
  constexpr size_t kLimit = ToDeviceService::kMaxInAnswer;
  MC_ASSIGN_OR_RETURN(
      to_device_, ToDeviceService::Read(reader_.snapshot(), user_id_, device_id,
                                        after, kLimit + 1));
  if (to_device_.size() > kLimit) {
    to_device_.resize(kLimit);
    answer_.next.to_device = to_device_.back().pos;
  }
  return OkStatus();
}

void SyncBuilder::WriteToDevice() {
  if (to_device_.empty()) return;
  answer_.empty = false;
  out_.Key("to_device").BeginObject().Key("events").BeginArray();
  for (const ToDeviceMessage& message : to_device_) out_.Raw(message.json);
  out_.EndArray().EndObject();
}

// --- Keys and device lists ---

Status SyncBuilder::AddAcquaintances(const RoomHead& room, StateSnap from,
                                     StateSnap to,
                                     const std::vector<MemberChange>& changes,
                                     bool newly) {
  if (initial()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const bool encrypted, IsEncrypted(reader_, room, to));
  if (!encrypted) return OkStatus();
  bool all = newly;
  if (!all) {
    MC_ASSIGN_OR_RETURN(const bool before, IsEncrypted(reader_, room, from));
    all = !before;
  }
  if (all) MC_RETURN_IF_ERROR(AddAllMembers(room, &acquaintances_.met));
  for (const MemberChange& change : changes) {
    if (change.after == Membership::kJoin) {
      acquaintances_.met.insert(change.user_id);
    } else if (change.before == Membership::kJoin) {
      acquaintances_.lost.insert(change.user_id);
    }
  }
  return OkStatus();
}

Status SyncBuilder::AddAllMembers(const RoomHead& room,
                                  std::set<std::string>* users) {
  MC_ASSIGN_OR_RETURN(std::vector<MembershipRow> members,
                      reader_.Members(room.nid, Membership::kJoin));
  for (MembershipRow& member : members)
    users->insert(std::move(member.user_id));
  return OkStatus();
}

Result<bool> SyncBuilder::SharesRoom(std::string_view user_id) {
  if (user_id == user_id_) return true;
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> theirs,
                      reader_.RoomsOf(user_id));
  for (const MembershipRow& row : theirs) {
    if (row.membership != Membership::kJoin) continue;
    const auto mine = std::lower_bound(
        rooms_->begin(), rooms_->end(), row.room,
        [](const UserRoom& a, RoomNid room) { return a.room < room; });
    if (mine != rooms_->end() && mine->room == row.room &&
        mine->membership == Membership::kJoin) {
      return true;
    }
  }
  return false;
}

Result<SyncBuilder::DeviceLists> SyncBuilder::FindDeviceLists() {
  DeviceLists lists;
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> updated,
                      ReadDeviceListChanges(reader_.snapshot(), since()));
  lists.changed = std::move(acquaintances_.met);
  lists.changed.erase(user_id_);
  for (const std::string& user : updated) {
    MC_ASSIGN_OR_RETURN(const bool shares, SharesRoom(user));
    if (shares) lists.changed.insert(user);
  }
  // Spec: "Cross-signing": what the user has signed, which others do not see.
  MC_ASSIGN_OR_RETURN(
      std::vector<std::string> signed_users,
      CrossSigningService::OwnChanges(reader_.snapshot(), user_id_, since()));
  for (std::string& user : signed_users) lists.changed.insert(std::move(user));
  for (const std::string& user : acquaintances_.lost) {
    MC_ASSIGN_OR_RETURN(const bool shares, SharesRoom(user));
    if (!shares) lists.left.insert(user);
  }
  return lists;
}

void SyncBuilder::WriteDeviceLists(json::Writer& out,
                                   const DeviceLists& lists) {
  out.BeginObject().Key("changed").BeginArray();
  for (const std::string& user : lists.changed) out.String(user);
  out.EndArray().Key("left").BeginArray();
  for (const std::string& user : lists.left) out.String(user);
  out.EndArray().EndObject();
}

// What MakeJoined finds out on its way, alone.
Status SyncBuilder::MeetInJoined(const UserRoom& row, const RoomHead& head) {
  bool newly = false;
  if (row.pos > since()) {
    MC_ASSIGN_OR_RETURN(const MembershipPast past,
                        ReadMembershipPast(reader_, head, row.idx, since()));
    newly = past.at_since != Membership::kJoin;
  }
  if (newly) return AddAcquaintances(head, 0, head.state, {}, true);
  MC_ASSIGN_OR_RETURN(const StateSnap known,
                      reader_.StateAtPosition(head, since()));
  if (known == head.state) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<MemberChange> changes,
                      ReadMemberChanges(reader_, head, known, head.state));
  return AddAcquaintances(head, known, head.state, changes, false);
}

// What MakeLeft finds out on its way, alone.
Status SyncBuilder::LoseInLeft(const UserRoom& row, const RoomHead& head) {
  MC_ASSIGN_OR_RETURN(const MembershipPast past,
                      ReadMembershipPast(reader_, head, row.idx, since()));
  const bool was_in = past.at_since == Membership::kJoin || past.joined_since;
  if (!was_in || !past.left) return OkStatus();
  MC_ASSIGN_OR_RETURN(const bool encrypted,
                      IsEncrypted(reader_, head, past.left->after));
  if (!encrypted) return OkStatus();
  return AddAllMembers(head, &acquaintances_.lost);
}

Result<std::string> SyncBuilder::BuildKeyChanges() {
  MC_ASSIGN_OR_RETURN(rooms_, shared_.rooms.Get(reader_, user_id_));
  MC_RETURN_IF_ERROR(FindCandidates());
  MC_ASSIGN_OR_RETURN(const auto joined, Heads(candidates_.join));
  for (size_t i = 0; i < joined.size(); ++i) {
    if (!joined[i]) continue;
    MC_RETURN_IF_ERROR(MeetInJoined(candidates_.join[i], *joined[i]));
  }
  MC_ASSIGN_OR_RETURN(const auto left, Heads(candidates_.leave));
  for (size_t i = 0; i < left.size(); ++i) {
    if (!left[i]) continue;
    MC_RETURN_IF_ERROR(LoseInLeft(candidates_.leave[i], *left[i]));
  }
  MC_ASSIGN_OR_RETURN(const DeviceLists lists, FindDeviceLists());
  std::string body;
  json::Writer out(&body);
  WriteDeviceLists(out, lists);
  return body;
}

Status SyncBuilder::WriteKeys() {
  if (!initial()) {
    MC_ASSIGN_OR_RETURN(const DeviceLists lists, FindDeviceLists());
    if (!lists.changed.empty() || !lists.left.empty()) {
      answer_.empty = false;
      out_.Key("device_lists");
      WriteDeviceLists(out_, lists);
    }
  }
  // Spec: "End-to-end encryption", "Extensions to /sync".
  const Session& session = query_.session;
  MC_ASSIGN_OR_RETURN(
      const KeyService::Counts counts,
      KeyService::OneTimeKeyCounts(reader_.snapshot(), session.user_id,
                                   session.device_id));
  out_.Key("device_one_time_keys_count").BeginObject();
  for (const auto& [algorithm, count] : counts) out_.Field(algorithm, count);
  out_.EndObject();
  MC_ASSIGN_OR_RETURN(
      const std::vector<std::string> unused,
      KeyService::UnusedFallbackAlgorithms(reader_.snapshot(), session.user_id,
                                           session.device_id));
  out_.Key("device_unused_fallback_key_types").BeginArray();
  for (const std::string& algorithm : unused) out_.String(algorithm);
  out_.EndArray();
  return OkStatus();
}

}  // namespace matrixcore
