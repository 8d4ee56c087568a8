#include "service/sync_builder.h"

#include <algorithm>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/service/keys.h"
#include "service/invite_permission.h"
#include "service/sync_typing.h"

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

}  // namespace

Result<SyncAnswer> BuildSync(SyncShared& shared, const SyncQuery& query) {
  // Typing first: what changes in between is told now and again, not never.
  TypingNews typing =
      shared.ephemeral.TypingSince(query.since ? query.since->ephemeral : 0);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      shared.store.NewSnapshot());
  SyncQuery now = query;
  if (now.since) {
    const std::optional<Position> known =
        shared.lost.LastKnownBefore(now.since->position);
    if (known) now.undone = {*now.since, *known};
    if (known || now.since->position > snapshot->position()) {
      now.since.reset();
      typing = shared.ephemeral.TypingSince(0);
    }
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
  answer_.empty = global.empty() && !query_.undone;
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
  devices_.emplace(reader_, user_id_, rooms_,
                   query_.undone ? query_.undone->last_known : since());
  MC_ASSIGN_OR_RETURN(ignored_, ReadIgnoredUsers(reader_.snapshot(), user_id_));
  MC_ASSIGN_OR_RETURN(account_data_,
                      ReadAccountData(reader_.snapshot(), user_id_, since()));
  if (SomeoneTypesIn(*rooms_, typing_)) answer_.next.ephemeral = typing_.serial;
  MC_RETURN_IF_ERROR(ReadToDevice());
  return FindCandidates();
}

Status SyncBuilder::FindCandidates() {
  // Asked after the snapshot was taken: what this says is unchanged is so in
  // the snapshot.
  std::optional<std::vector<RoomNid>> active =
      shared_.activity.ChangedSince(since());
  const bool all_known = active && !query_.full_state && !typing_.incomplete;
  std::vector<RoomNid> touched =
      active ? *std::move(active) : std::vector<RoomNid>();
  for (const TypingUsers& typing : typing_.changed) {
    touched.push_back(typing.room);
  }
  if (!initial()) {
    for (const AccountDatum& datum : account_data_) {
      if (datum.room_id.empty()) continue;
      MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head,
                          reader_.Head(datum.room_id));
      if (head) touched.push_back(head->nid);
    }
  }
  std::sort(touched.begin(), touched.end());
  // Rooms that the client may think that it is in.
  const bool archive = query_.undone || (room_filter().include_leave &&
                                         (initial() || query_.full_state));
  for (const UserRoom& row : *rooms_) {
    const bool changed = row.pos > since();
    switch (row.membership) {
      case Membership::kJoin:
        if (changed || query_.full_state || typing_.incomplete ||
            std::binary_search(touched.begin(), touched.end(), row.room) ||
            (!all_known &&
             shared_.activity.MayHaveChangedSince(row.room, since()))) {
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
        if ((changed && !initial()) || (archive && !row.forgotten)) {
          candidates_.leave.push_back(row);
        }
        break;
      case Membership::kNone:
        break;
    }
  }
  return OkStatus();
}

Result<std::vector<std::optional<RoomHead>>> SyncBuilder::Heads(
    const std::vector<UserRoom>& rows) {
  std::vector<RoomNid> nids;
  nids.reserve(rows.size());
  for (const UserRoom& row : rows) nids.push_back(row.room);
  return reader_.Heads(nids);
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
    if (!room_filter().AllowsRoom(heads[i]->room_id)) {
      // What is not shown still says whose devices matter.
      if (!initial()) {
        MC_RETURN_IF_ERROR(devices_->LookAt(rows[i], *heads[i]));
      }
      continue;
    }
    MC_ASSIGN_OR_RETURN(const std::optional<RoomBlock> block,
                        (this->*make)(rows[i], std::move(*heads[i])));
    if (!block || block->empty()) continue;
    if (block->unread) {
      shared_.told_counts.Note(query_.session, rows[i].room, reader_.position(),
                               *block->unread);
    }
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
    if (!heads[i] || !room_filter().AllowsRoom(heads[i]->room_id)) continue;
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
  // The client has events that are no more: these do not follow them.
  if (query_.undone) block.timeline.limited = true;

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
    if (!initial()) MC_RETURN_IF_ERROR(devices_->Left(block.head, end));
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
    if (!initial()) {
      MC_RETURN_IF_ERROR(devices_->Stayed(room, known, room.state, changes));
    }
  } else if (newly && !initial()) {
    MC_RETURN_IF_ERROR(devices_->Entered(room));
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
    block.typing =
        FindTyping(shared_.ephemeral, typing_, room.nid, newly, initial());
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
  block.unread_news =
      block.unread->changed > since() &&
      (initial() || !shared_.told_counts.Had(query_.session, block.head.nid,
                                             since(), *block.unread));
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
  if (shared_.presence == nullptr || !shared_.presence->enabled() ||
      !filter.AllowsType("m.presence")) {
    return OkStatus();
  }
  Snapshot& snapshot = reader_.snapshot();
  MC_ASSIGN_OR_RETURN(const std::vector<Presence> changed,
                      shared_.presence->Since(snapshot, since()));
  std::vector<Presence> told;
  std::set<std::string_view> names;
  for (const Presence& presence : changed) {
    MC_ASSIGN_OR_RETURN(const bool shares,
                        devices_->SharesRoom(presence.user_id));
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
    // Of whoever came, also that they are away.
    std::set<std::string_view> here;
    for (const Presence& presence : told) here.insert(presence.user_id);
    std::vector<Presence> away;
    for (const std::string& user : new_neighbours_) {
      if (user != user_id_ && !here.contains(user)) {
        away.push_back({.user_id = user,
                        .status_msg = std::nullopt,
                        .last_active = std::nullopt});
      }
    }
    std::move(away.begin(), away.end(), std::back_inserter(told));
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
  Position after = initial() ? 0 : query_.since->ToDevicePosition();
  // What the client has had stays had.
  if (query_.undone) after = query_.undone->token.ToDevicePosition();
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

Result<std::string> SyncBuilder::BuildKeyChanges() {
  MC_ASSIGN_OR_RETURN(rooms_, shared_.rooms.Get(reader_, user_id_));
  devices_.emplace(reader_, user_id_, rooms_, since());
  MC_RETURN_IF_ERROR(FindCandidates());
  for (const auto* rows : {&candidates_.join, &candidates_.leave,
                           &candidates_.invite, &candidates_.knock}) {
    MC_RETURN_IF_ERROR(LookAtDevices(*rows));
  }
  MC_ASSIGN_OR_RETURN(const DeviceLists lists, devices_->Find());
  std::string body;
  json::Writer out(&body);
  WriteDeviceLists(out, lists);
  return body;
}

Status SyncBuilder::LookAtDevices(const std::vector<UserRoom>& rows) {
  MC_ASSIGN_OR_RETURN(const auto heads, Heads(rows));
  for (size_t i = 0; i < heads.size(); ++i) {
    if (!heads[i]) continue;
    MC_RETURN_IF_ERROR(devices_->LookAt(rows[i], *heads[i]));
  }
  return OkStatus();
}

Status SyncBuilder::WriteKeys() {
  if (!initial() || query_.undone) {
    // Who is invited again, or asks to be let in, may have left before.
    MC_RETURN_IF_ERROR(LookAtDevices(candidates_.invite));
    MC_RETURN_IF_ERROR(LookAtDevices(candidates_.knock));
    MC_ASSIGN_OR_RETURN(const DeviceLists lists, devices_->Find());
    if (!lists.empty()) {
      answer_.empty = false;
      out_.Key("device_lists");
      WriteDeviceLists(out_, lists);
    }
  }
  const Session& session = query_.session;
  MC_ASSIGN_OR_RETURN(
      const bool lost_keys,
      KeyService::LostKeysSince(reader_.snapshot(), session.user_id,
                                session.device_id, since()));
  if (lost_keys) answer_.empty = false;
  return WriteKeyCounts(out_, reader_.snapshot(), session);
}

}  // namespace matrixcore
