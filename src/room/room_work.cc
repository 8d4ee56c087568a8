#include "room/room_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/event/redaction.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_preview.h"
#include "matrixcore/room/tables.h"
#include "room/auth_chain.h"
#include "room/auth_sources.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

constexpr size_t kOpaqueIdLength = 18;

std::vector<std::string> TransactionOf(const RoomRequest& request) {
  return {request.user_id, request.txn->device_id, request.txn->scope,
          request.txn->txn_id};
}

Result<Sha256Digest> HashOf(const Event& event) {
  MC_ASSIGN_OR_RETURN(const json::Document document, event.Document());
  return ReferenceHash(document.root(), event.rules());
}

}  // namespace

// The events of one request until all of them are known to be good.
struct RoomWork::Draft {
  RoomHead head;  // As it becomes.
  std::vector<NewEvent> events;
  std::map<StateKey, StateKeyNum> new_keys;
  absl::flat_hash_map<StateKeyNum, size_t> state;  // Into `events`.
  // Rows of tables::kAuthEdges.
  std::vector<std::pair<EventIdx, std::string>> auth_edges;
  struct Redaction {
    StoredEvent target;
    EventPtr original;  // The target before it was redacted.
  };
  std::vector<Redaction> redactions;
  std::optional<RoomPreview> preview;  // When it may have changed.
  const std::vector<PolicyTurn::Answer>* answers = nullptr;
  std::vector<PolicyQuestion> questions;
  bool sets_policy = false;

  // The next event as the policy server has seen it; null if it has not.
  const PolicyTurn::Answer* Shown() const {
    return events.size() < answers->size() ? &(*answers)[events.size()]
                                           : nullptr;
  }
};

namespace {

// A state with some of its events redacted.
class RedactedState : public StateSource {
 public:
  RedactedState(const StateSource& state, std::vector<EventPtr> redacted)
      : state_(state), redacted_(std::move(redacted)) {}
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    const Event* event = state_.Find(type, state_key);
    if (event == nullptr) return nullptr;
    for (const EventPtr& redacted : redacted_) {
      if (redacted->event_id() == event->event_id()) return redacted.get();
    }
    return event;
  }

 private:
  const StateSource& state_;
  const std::vector<EventPtr> redacted_;
};

bool TouchesPreview(const Event& event) {
  return event.is_state() && IsPreviewKey(event.type(), *event.state_key());
}

}  // namespace

// The room with the drafts of the running request on top.
class RoomWork::View : public RoomView {
 public:
  View(RoomWork& work, Draft& draft) : work_(work), draft_(draft) {}

  const std::string& room_id() const override { return draft_.head.room_id; }
  const RoomVersionRules& rules() const override { return *draft_.head.rules; }

  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    Result<const Event*> found = Lookup(type, state_key);
    if (found.ok()) return *found;
    if (failure_.ok()) failure_ = found.status();
    return nullptr;
  }

  Membership MembershipOf(std::string_view user_id) const override {
    const Event* event = Find(kTypeMember, user_id);
    return event == nullptr ? Membership::kNone
                            : matrixcore::MembershipOf(*event);
  }

  std::optional<std::string> FindJoinedLocal(
      const std::function<bool(std::string_view)>& wanted) const override {
    std::vector<std::string> users;
    work_.env_.joined.ForEach(draft_.head.nid, [&](std::string_view user) {
      users.emplace_back(user);
    });
    std::sort(users.begin(), users.end());
    for (std::string& user : users) {
      if (wanted(user) && MembershipOf(user) == Membership::kJoin) {
        return std::move(user);
      }
    }
    return std::nullopt;
  }

  Result<std::optional<StoredEvent>> FindEvent(
      std::string_view event_id) const override {
    return work_.FindEventIn(event_id, draft_.events);
  }

  Result<bool> HasAnnotation(std::string_view target, std::string_view sender,
                             std::string_view type,
                             std::string_view key) const override {
    MC_ASSIGN_OR_RETURN(RoomReader * reader, work_.StoredRoom());
    return work_.relations_.HasAnnotation(reader, draft_.head, target, sender,
                                          type, key);
  }

  // The number of what Find finds.
  EventIdx NumberOf(std::string_view type, std::string_view state_key) const {
    const Result<StateKeyNum> key = KeyNum(type, state_key);
    if (!key.ok()) {
      if (failure_.ok()) failure_ = key.status();
      return 0;
    }
    const auto added = draft_.state.find(*key);
    if (added != draft_.state.end()) {
      return draft_.events[added->second].stored.idx;
    }
    const auto& current = work_.room_.current;
    return *key < current.size() ? current[*key] : 0;
  }

  // The first failure of a look-up.
  const Status& failure() const { return failure_; }

 private:
  Result<StateKeyNum> KeyNum(std::string_view type,
                             std::string_view state_key) const {
    if (!draft_.new_keys.empty()) {
      const auto it = draft_.new_keys.find(
          StateKey{std::string(type), std::string(state_key)});
      if (it != draft_.new_keys.end()) return it->second;
    }
    return work_.FindKey(type, state_key);
  }
  Result<const Event*> Lookup(std::string_view type,
                              std::string_view state_key) const {
    MC_ASSIGN_OR_RETURN(const StateKeyNum key, KeyNum(type, state_key));
    if (key == 0) return nullptr;
    const auto added = draft_.state.find(key);
    if (added != draft_.state.end()) {
      return draft_.events[added->second].stored.event.get();
    }
    const auto& current = work_.room_.current;
    if (key >= current.size() || current[key] == 0) return nullptr;
    return work_.LoadEvent(current[key]);
  }

  RoomWork& work_;
  Draft& draft_;
  mutable Status failure_;
};

RoomWork::RoomWork(const Env& env, LoadedRoom& room) : env_(env), room_(room) {}
RoomWork::~RoomWork() = default;

Result<RoomReader*> RoomWork::Reader() {
  if (reader_ == nullptr) {
    MC_ASSIGN_OR_RETURN(snapshot_, env_.store.NewSnapshot());
    reader_ = std::make_unique<RoomReader>(*snapshot_, env_.caches);
  }
  return reader_.get();
}

Result<std::optional<StoredEvent>> RoomWork::FindEventIn(
    std::string_view event_id, std::span<const NewEvent> also) {
  for (const std::span<const NewEvent> list :
       {also, std::span<const NewEvent>(events_)}) {
    for (const NewEvent& added : list) {
      if (added.stored.event->event_id() == event_id) {
        return std::optional<StoredEvent>(added.stored);
      }
    }
  }
  if (room_.head.nid == 0) return std::optional<StoredEvent>();
  MC_ASSIGN_OR_RETURN(RoomReader * reader, Reader());
  MC_ASSIGN_OR_RETURN(std::optional<RoomReader::Located> found,
                      reader->Event(event_id));
  if (!found || found->room != room_.head.nid) {
    return std::optional<StoredEvent>();
  }
  return std::optional<StoredEvent>(std::move(found->stored));
}

Result<RoomReader*> RoomWork::StoredRoom() {
  return new_room_ ? Result<RoomReader*>(nullptr) : Reader();
}

Result<const Event*> RoomWork::LoadEvent(EventIdx idx) {
  EventPtr& hot = room_.hot[idx];
  if (hot == nullptr) {
    MC_ASSIGN_OR_RETURN(RoomReader * reader, Reader());
    MC_ASSIGN_OR_RETURN(std::vector<EventPtr> events,
                        reader->Events(room_.head, {&idx, 1}));
    room_.hot[idx] = std::move(events[0]);
    return room_.hot[idx].get();
  }
  return hot.get();
}

Result<StateKeyNum> RoomWork::FindKey(std::string_view type,
                                      std::string_view state_key) {
  if (!room_.new_keys.empty()) {
    const auto it = room_.new_keys.find(
        StateKey{std::string(type), std::string(state_key)});
    if (it != room_.new_keys.end()) return it->second;
  }
  if (room_.committed.last_key == 0) return StateKeyNum{0};
  MC_ASSIGN_OR_RETURN(RoomReader * reader, Reader());
  return reader->KeyNum(room_.committed, type, state_key);
}

Result<const Event*> RoomWork::CurrentEvent(std::string_view type,
                                            std::string_view state_key) {
  MC_ASSIGN_OR_RETURN(const StateKeyNum key, FindKey(type, state_key));
  if (key == 0 || key >= room_.current.size() || room_.current[key] == 0) {
    return nullptr;
  }
  return LoadEvent(room_.current[key]);
}

Status RoomWork::LoadTransactions(
    std::span<const RoomRequest* const> requests) {
  std::vector<Row> keys;
  std::vector<const RoomRequest*> asked;
  for (const RoomRequest* request : requests) {
    if (!request->txn) continue;
    Row key;
    for (std::string& part : TransactionOf(*request))
      key.emplace_back(std::move(part));
    keys.push_back(std::move(key));
    asked.push_back(request);
  }
  if (keys.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(RoomReader * reader, Reader());
  MC_ASSIGN_OR_RETURN(const auto rows,
                      reader->snapshot().GetMany(tables::kTransactions, keys));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i]) continue;
    transactions_[TransactionOf(*asked[i])] =
        CellText((*rows[i])[tables::Transactions::kResult]);
  }
  return OkStatus();
}

std::optional<RoomWork::Outcome> RoomWork::FindRepeated(
    const RoomRequest& request) const {
  if (!request.txn) return std::nullopt;
  const auto earlier = transactions_.find(TransactionOf(request));
  if (earlier == transactions_.end()) return std::nullopt;
  return Outcome{.existing = earlier->second, .repeated = true};
}

Result<RoomWork::Outcome> RoomWork::Process(const RoomRequest& request) {
  if (std::optional<Outcome> repeated = FindRepeated(request)) {
    return *std::move(repeated);
  }
  Result<Outcome> outcome = Add(request);
  if (outcome.ok() || !request.txn) return outcome;
  // What was right the first time may be forbidden by now.
  const RoomRequest* const asked = &request;
  MC_RETURN_IF_ERROR(LoadTransactions({&asked, 1}));
  if (std::optional<Outcome> repeated = FindRepeated(request)) {
    return *std::move(repeated);
  }
  return outcome;
}

Result<RoomWork::Outcome> RoomWork::Add(const RoomRequest& request) {
  Draft draft;
  draft.head = room_.head;
  draft.answers = &request.policy.answers;
  View view(*this, draft);
  Result<RoomChange> change = request.prepare(view);
  if (!view.failure().ok()) return view.failure();
  if (!change.ok()) return std::move(change).status();
  Outcome outcome{.first = events_.size(),
                  .count = change->drafts.size(),
                  .existing = change->existing_event_id};
  for (const EventDraft& event : change->drafts) {
    MC_RETURN_IF_ERROR(AddDraft(event, view, draft));
  }
  MC_RETURN_IF_ERROR(UpdatePreview(view, draft));
  outcome.questions = std::move(draft.questions);
  Apply(std::move(draft), &request);
  if (change->listed && *change->listed != room_.head.listed) {
    SetListed(*change->listed);
    head_changed_ = true;
  }
  if (request.txn && (outcome.count > 0 || !outcome.existing.empty())) {
    const std::string& result =
        outcome.count == 0 ? outcome.existing
                           : events_[outcome.first].stored.event->event_id();
    transactions_[TransactionOf(request)] = result;
    const TransactionKey& txn = *request.txn;
    batch_.Require(
        WriteBatch::RowAbsent{&tables::kTransactions,
                              {Cell(request.user_id), Cell(txn.device_id),
                               Cell(txn.scope), Cell(txn.txn_id)}});
    batch_.PutRow(tables::kTransactions,
                  {request.user_id, txn.device_id, txn.scope, txn.txn_id,
                   result, env_.clock.Now().ms});
  }
  if (change->also && outcome.count > 0) {
    change->also(batch_, events_[outcome.first].pos);
  }
  return outcome;
}

Result<RoomWork::Outcome> RoomWork::ProcessCreate(
    const CreateRoomRequest& request) {
  new_room_ = batch_.NewPosition();
  room_.head.rules = request.rules;
  room_.head.room_id = request.room_id;
  room_.head.creator = request.creator;
  Draft draft;
  draft.head = room_.head;
  draft.answers = &request.policy.answers;
  View view(*this, draft);
  for (const EventDraft& event : request.drafts) {
    MC_RETURN_IF_ERROR(AddDraft(event, view, draft));
  }
  MC_RETURN_IF_ERROR(UpdatePreview(view, draft));
  const size_t count = draft.events.size();
  std::vector<PolicyQuestion> questions = std::move(draft.questions);
  Apply(std::move(draft), nullptr);
  if (request.listed) SetListed(true);
  if (request.also) request.also(batch_, *new_room_, room_.head.room_id);
  return Outcome{.first = 0, .count = count, .questions = std::move(questions)};
}

Status RoomWork::AddDraft(const EventDraft& draft, View& view, Draft& work) {
  const RoomVersionRules& rules = *work.head.rules;
  MC_ASSIGN_OR_RETURN(const json::Document content,
                      json::Document::ParseView(draft.content));
  std::vector<AuthEvent> auth_events;
  std::vector<EventIdx> auth_numbers;
  EventPlace place;
  place.room_id = work.head.room_id;
  place.prev_events = work.head.extremities;
  place.depth = std::min(work.head.depth + 1, rules.max_depth);
  const PolicyTurn::Answer* const shown = work.Shown();
  place.now = shown == nullptr ? env_.clock.Now()
                               : Timestamp{shown->event->origin_server_ts()};
  const bool is_create = work.head.last_idx == 0;
  if (!is_create) {
    std::optional<std::string_view> state_key;
    if (draft.state_key) state_key = *draft.state_key;
    for (const StateKey& key : AuthStateKeys(
             draft.type, draft.sender, state_key, content.root(), rules)) {
      const Event* event = view.Find(key.type, key.state_key);
      if (event == nullptr) continue;
      place.auth_events.push_back(event->event_id());
      auth_events.push_back({event, false});
      auth_numbers.push_back(view.NumberOf(key.type, key.state_key));
    }
  }
  MC_RETURN_IF_ERROR(view.failure());
  std::string opaque_id;
  if (rules.event_id_format == EventIdFormat::kServerGiven) {
    opaque_id = shown == nullptr
                    ? env_.random.AlphaNumeric(kOpaqueIdLength)
                    : std::string(LocalpartOf(shown->event->event_id()));
    MC_RETURN_IF_ERROR(AddReferenceHashes(view, auth_events, place));
  }
  MC_ASSIGN_OR_RETURN(EventPtr event, BuildEvent(draft, place, env_.server_name,
                                                 env_.key, rules, opaque_id));
  if (is_create && work.head.room_id.empty()) {
    work.head.room_id = event->room_id();
  }
  MC_RETURN_IF_ERROR(Authorise(*event, auth_events, view));
  MC_RETURN_IF_ERROR(AddPolicySignature(view, work, &event));
  if (RelationOf(*event)) {
    MC_ASSIGN_OR_RETURN(RoomReader * reader, StoredRoom());
    MC_RETURN_IF_ERROR(relations_.LoadToAdd(
        reader, work.head, *event,
        [&view](std::string_view id) { return view.FindEvent(id); }));
  }
  if (event->type() == kTypeRedaction) {
    MC_RETURN_IF_ERROR(FindRedactionTarget(*event, work));
  }

  NewEvent added;
  if (event->is_state() && event->type() == kTypeMember) {
    const std::string_view user = *event->state_key();
    const Membership before = view.MembershipOf(user);
    MC_RETURN_IF_ERROR(view.failure());
    added.before = before;
    const Membership after = MembershipOf(*event);
    work.head.joined +=
        (after == Membership::kJoin) - (before == Membership::kJoin);
    work.head.invited +=
        (after == Membership::kInvite) - (before == Membership::kInvite);
  }
  added.joined = work.head.joined;
  added.stored.event = std::move(event);
  added.stored.idx = ++work.head.last_idx;
  const Event& made = *added.stored.event;
  if (made.is_state()) {
    StateKey key{std::string(made.type()), std::string(*made.state_key())};
    MC_ASSIGN_OR_RETURN(StateKeyNum num, FindKey(key.type, key.state_key));
    if (num == 0) {
      StateKeyNum& given = work.new_keys[std::move(key)];
      if (given == 0) given = ++work.head.last_key;
      num = given;
    }
    work.state[num] = work.events.size();
    if (made.Is(kTypePolicy, "")) work.sets_policy = true;
    const EventIdx idx = added.stored.idx;
    work.auth_edges.emplace_back(idx,
                                 EncodeAuthEdges(idx, std::move(auth_numbers)));
  }
  work.head.max_ts = std::max(work.head.max_ts, made.origin_server_ts());
  added.stored.max_ts = work.head.max_ts;
  work.head.depth = made.depth();
  work.head.extremities = {made.event_id()};
  work.events.push_back(std::move(added));
  return OkStatus();
}

// Room versions 1 and 2 name an event with its reference hash.
Status RoomWork::AddReferenceHashes(const View& view,
                                    const std::vector<AuthEvent>& auth_events,
                                    EventPlace& place) {
  for (const std::string& id : place.prev_events) {
    MC_ASSIGN_OR_RETURN(const std::optional<StoredEvent> event,
                        view.FindEvent(id));
    if (!event) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("the forward extremity {} is missing", id));
    }
    MC_ASSIGN_OR_RETURN(const Sha256Digest hash, HashOf(*event->event));
    place.prev_hashes.push_back(hash);
  }
  for (const AuthEvent& auth : auth_events) {
    MC_ASSIGN_OR_RETURN(const Sha256Digest hash, HashOf(*auth.event));
    place.auth_hashes.push_back(hash);
  }
  return OkStatus();
}

Status RoomWork::Authorise(const Event& event,
                           const std::vector<AuthEvent>& auth_events,
                           const View& view) {
  const Event* create =
      event.type() == kTypeCreate ? nullptr : view.Find(kTypeCreate, "");
  Verdict verdict = CheckAuthEvents(event, auth_events, create);
  if (verdict.allowed() && event.type() != kTypeCreate) {
    verdict = CheckStateAuth(event, view);
  }
  MC_RETURN_IF_ERROR(view.failure());
  if (verdict.allowed()) return OkStatus();
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                fmt::format("{} ({})", verdict.detail, RuleName(verdict.rule)));
}

namespace {

// A user more or less that is joined, if the event is of one of that server.
int64_t JoinedChange(const AddedEvent& added, std::string_view server) {
  const Event& event = *added.stored.event;
  if (!event.is_state() || event.type() != kTypeMember ||
      DomainOf(*event.state_key()) != server) {
    return 0;
  }
  return int64_t{MembershipOf(event) == Membership::kJoin} -
         int64_t{added.before == Membership::kJoin};
}

}  // namespace

Result<int64_t> RoomWork::JoinedUsersOf(std::string_view server,
                                        const Draft& work) {
  std::optional<LoadedRoom::ServerMembers>& known = room_.policy_members;
  if (!known || known->server != server) {
    LoadedRoom::ServerMembers members{.server = std::string(server)};
    if (room_.head.nid != 0) {
      MC_ASSIGN_OR_RETURN(RoomReader * reader, Reader());
      MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                          reader->Members(room_.head.nid, Membership::kJoin));
      for (const MembershipRow& row : rows) {
        members.joined += DomainOf(row.user_id) == server;
      }
    }
    for (const NewEvent& added : events_) {
      members.joined += JoinedChange(added, server);
    }
    known = std::move(members);
  }
  int64_t joined = known->joined;
  for (const NewEvent& added : work.events) {
    joined += JoinedChange(added, server);
  }
  return joined;
}

Status RoomWork::AddPolicySignature(const View& view, Draft& work,
                                    EventPtr* event) {
  if (!room_.has_policy && !work.sets_policy) return OkStatus();
  if ((*event)->Is(kTypePolicy, "")) return OkStatus();
  const auto server = PolicyServerOf(view.Find(kTypePolicy, ""));
  MC_RETURN_IF_ERROR(view.failure());
  if (!server) return OkStatus();
  MC_ASSIGN_OR_RETURN(const int64_t joined, JoinedUsersOf(server->name, work));
  if (joined == 0) return OkStatus();
  const PolicyTurn::Answer* const shown = work.Shown();
  if (shown == nullptr || shown->server != server->name ||
      shown->event->event_id() != (*event)->event_id()) {
    work.questions.push_back({work.events.size(), *event, server->name});
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(
      EventPtr with_signature,
      AddEventSignature(**event, server->name, kPolicyKeyId, shown->signature));
  if (!server->key || !VerifyEventSignature(*with_signature, server->name,
                                            kPolicyKeyId, *server->key)) {
    return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                  "The policy server signs with another key than the one in "
                  "m.room.policy.");
  }
  *event = std::move(with_signature);
  return OkStatus();
}

// Finds the event that a redaction strips, if it is here and the redaction
// counts (spec: room version 3, "Handling redactions").
Status RoomWork::FindRedactionTarget(const Event& event, Draft& work) {
  const std::string_view target_id = event.redacts();
  if (target_id.empty()) return OkStatus();
  View view(*this, work);
  MC_ASSIGN_OR_RETURN(std::optional<StoredEvent> target,
                      view.FindEvent(target_id));
  if (!target) return OkStatus();
  const bool counts = RedactionCounts(event, *target->event, view);
  MC_RETURN_IF_ERROR(view.failure());
  if (!counts) return OkStatus();
  if (target->redacted_by != 0 || std::find(redacted_.begin(), redacted_.end(),
                                            target->idx) != redacted_.end()) {
    return OkStatus();
  }
  for (const Draft::Redaction& earlier : work.redactions) {
    if (earlier.target.idx == target->idx) return OkStatus();
  }
  Draft::Redaction redaction;
  redaction.original = target->event;
  if (RelationOf(*target->event)) {
    MC_ASSIGN_OR_RETURN(RoomReader * reader, StoredRoom());
    MC_RETURN_IF_ERROR(relations_.LoadToRemove(
        reader, work.head, *target->event,
        [&view](std::string_view id) { return view.FindEvent(id); }));
  }
  redaction.target = std::move(*target);
  MC_ASSIGN_OR_RETURN(redaction.target.event,
                      RedactEvent(*redaction.target.event));
  redaction.target.redacted_by = work.head.last_idx + 1;  // The event to come.
  work.redactions.push_back(std::move(redaction));
  return OkStatus();
}

// The room's summary belongs to the state: both change in one commit.
Status RoomWork::UpdatePreview(const View& view, Draft& work) {
  bool changed = false;
  for (const NewEvent& added : work.events) {
    changed = changed || TouchesPreview(*added.stored.event);
  }
  std::vector<EventPtr> redacted;
  for (const Draft::Redaction& redaction : work.redactions) {
    if (!TouchesPreview(*redaction.target.event)) continue;
    changed = true;
    redacted.push_back(redaction.target.event);
  }
  if (!changed) return OkStatus();
  work.preview = RoomPreviewOf(RedactedState(view, std::move(redacted)));
  return view.failure();
}

void RoomWork::SetListed(bool listed) {
  room_.head.listed = listed;
  batch_.AddTo(tables::kRoomCounters, {std::string(tables::kListedRooms)},
               tables::RoomCounters::kValue, listed ? 1 : -1);
}

BatchCell RoomWork::RoomCell() const {
  return new_room_ ? BatchCell(*new_room_) : BatchCell(room_.head.nid);
}

// Makes the request's events part of the room and of the batch.
void RoomWork::Apply(Draft&& work, const RoomRequest* request) {
  const StateSnap state = room_.head.state;
  const StateSnap last_snap = room_.head.last_snap;
  room_.head = std::move(work.head);
  room_.head.state = state;
  room_.head.last_snap = last_snap;
  for (const auto& [key, num] : work.new_keys) {
    batch_.PutRow(tables::kStateKeys,
                  {RoomCell(), int64_t{num}, key.type, key.state_key});
    room_.new_keys.emplace(key, num);
  }
  for (auto& [idx, edges] : work.auth_edges) {
    batch_.PutRow(tables::kAuthEdges,
                  {RoomCell(), int64_t{idx}, Blob{std::move(edges)}});
  }
  for (NewEvent& added : work.events) {
    added.pos = batch_.NewPosition();
    if (request != nullptr && request->txn) {
      added.stored.txn_device = request->txn->device_id;
      added.stored.txn_id = request->txn->txn_id;
    }
    added.stored.before = room_.head.state;
    if (added.stored.event->is_state()) ApplyState(added);
    added.stored.after = room_.head.state;
    batch_.PutRow(tables::kEvents,
                  RowFromEvent(added.stored, RoomCell(), added.pos));
    const int64_t ts = added.stored.event->origin_server_ts();
    if (ts < added.stored.max_ts) {
      batch_.PutRow(tables::kLateEvents,
                    {RoomCell(), ts, int64_t{added.stored.idx}});
    }
    relations_.Add(*added.stored.event, added.stored.idx);
    events_.push_back(added);
  }
  if (work.preview) {
    batch_.PutRow(tables::kRoomPreviews,
                  RowFromRoomPreview(*work.preview, RoomCell()));
  }
  ApplyRedaction(work);
}

void RoomWork::ApplyState(NewEvent& added) {
  const EventPtr& event = added.stored.event;
  const StateKey key{std::string(event->type()),
                     std::string(*event->state_key())};
  // The look-up cannot fail: AddDraft made it before.
  const StateKeyNum num = FindKey(key.type, key.state_key).value();
  if (num < room_.current.size()) added.stored.replaces = room_.current[num];
  const LoadedRoom::NewSnap snap = room_.PushState({num, added.stored.idx});
  batch_.PutRow(tables::kStateSnaps,
                {RoomCell(), int64_t{snap.snap}, int64_t{snap.parent},
                 int64_t{snap.base}, int64_t{snap.height}, Blob{snap.delta}});
  room_.hot[added.stored.idx] = event;
  if (event->Is(kTypePolicy, "")) room_.has_policy = true;
  if (key.type != kTypeMember) return;
  if (room_.policy_members) {
    room_.policy_members->joined +=
        JoinedChange(added, room_.policy_members->server);
  }
  const Membership membership = MembershipOf(*event);
  batch_.PutRow(tables::kMemberships,
                {key.state_key, RoomCell(), static_cast<int64_t>(membership),
                 int64_t{added.stored.idx}, added.pos, int64_t{0}});
  members_.push_back({.user_id = key.state_key,
                      .local = DomainOf(key.state_key) == env_.server_name,
                      .joined = membership == Membership::kJoin});
}

void RoomWork::ApplyRedaction(Draft& work) {
  for (Draft::Redaction& redaction : work.redactions) {
    StoredEvent& target = redaction.target;
    BatchCell pos = target.pos;
    // The target may still be part of this batch.
    for (NewEvent& added : events_) {
      if (added.stored.idx != target.idx) continue;
      target.before = added.stored.before;
      target.after = added.stored.after;
      target.replaces = added.stored.replaces;
      added.stored = target;
      pos = added.pos;
    }
    batch_.PutRow(tables::kEvents, RowFromEvent(target, RoomCell(), pos));
    relations_.Remove(*redaction.original, target.idx, target.pos);
    redacted_.push_back(target.idx);
    const auto hot = room_.hot.find(target.idx);
    if (hot != room_.hot.end()) hot->second = target.event;
  }
}

Status RoomWork::AddObserverRows() {
  if (env_.observer == nullptr || events_.empty()) return OkStatus();
  return env_.observer->AddRows(*this, room_.extra, batch_);
}

WriteBatch RoomWork::Finish() {
  ++room_.head.generation;
  const BatchCell last_pos = events_.empty() ? BatchCell(room_.head.last_pos)
                                             : BatchCell(events_.back().pos);
  batch_.PutRow(tables::kRooms, RowFromHead(room_.head, RoomCell(), last_pos));
  relations_.Finish(batch_, RoomCell(), [this](EventIdx idx) {
    return BatchCell(events_[idx - events_.front().stored.idx].pos);
  });
  if (new_room_) return std::move(batch_);
  batch_.Require(WriteBatch::ColumnEquals{&tables::kRooms,
                                          {Cell(room_.head.nid)},
                                          tables::Rooms::kGeneration,
                                          Cell(room_.committed.generation)});
  return std::move(batch_);
}

}  // namespace matrixcore
