#include "matrixcore/room/room_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/relation.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_preview.h"
#include "matrixcore/room/room_rows.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/auth_chain.h"
#include "room/auth_sources.h"
#include "room/edits.h"
#include "room/known_events.h"
#include "room/relation_work.h"
#include "room/rows.h"
#include "room/state_walk.h"

namespace matrixcore {
namespace {

constexpr size_t kEventBudget = size_t{16} << 20;
constexpr size_t kStateBudget = size_t{8} << 20;

// Lets a room grow event by event, in batches.
class Importer {
 public:
  Importer(Store& store, const RoomImportOptions& options, RoomHead head)
      : store_(store),
        options_(options),
        head_(std::move(head)),
        caches_({.event_bytes = 0, .state_bytes = size_t{2} << 20}),
        events_(head_.nid, *head_.rules, kEventBudget),
        states_(
            head_.nid, *head_.rules, events_,
            [this](std::string_view type, std::string_view state_key) {
              return KeyNum(type, state_key);
            },
            kStateBudget) {}

  Status Begin();  // A batch.
  Status Add(const RoomFileEvent& event);
  void Add(const RoomFileKey& key);
  Status Add(const RoomFileStateBefore& state);
  Status Add(const RoomFileHead& head);
  Status End();
  bool Full() const {
    return batch_events_ >= options_.batch_events ||
           batch_bytes_ >= options_.batch_bytes;
  }

  const RoomHead& head() const { return head_; }

 private:
  struct Added {
    StoredEvent stored;
    PositionRef pos;
  };

  Result<StateKeyNum> KeyNum(std::string_view type, std::string_view state_key);
  StateKeyNum GiveKeyNum(const Event& event, StateKeyNum known);
  Result<StateSnap> StateBefore(const Event& event, StateTree* state);
  Result<StateSnap> FromGivenState(const Event& event, StateTree* state);
  Result<StateSnap> SnapFor(const std::vector<StateSnap>& candidates,
                            const StateTree& state);
  Result<StateSnap> NewSnap(StateSnap parent, const StateTree& state);
  Status Place(StoredEvent& stored);
  Status Redact(const StoredEvent& redaction, const StateTree& before);
  Status CutHere(const StoredEvent& stored, PositionRef pos);
  Result<std::optional<StoredEvent>> Find(std::string_view event_id);

  Store& store_;
  const RoomImportOptions& options_;
  RoomHead head_;
  RoomCaches caches_;
  KnownEvents events_;
  StateWalk states_;
  std::optional<RoomFileStateBefore> given_state_;
  bool has_outliers_ = false;
  bool in_graph_ = false;
  bool cut_ = false;

  // The batch.
  std::unique_ptr<Snapshot> snapshot_;
  std::unique_ptr<RoomReader> reader_;
  std::unique_ptr<RelationWork> relations_;
  WriteBatch batch_;
  std::vector<Added> added_;
  std::map<StateKey, StateKeyNum> new_keys_;
  StateKeyNum stored_keys_ = 0;  // Numbers that the store has.
  size_t batch_events_ = 0;
  size_t batch_bytes_ = 0;
};

Status Importer::Begin() {
  batch_ = WriteBatch();
  added_.clear();
  new_keys_.clear();
  batch_events_ = batch_bytes_ = 0;
  stored_keys_ = head_.last_key;
  MC_ASSIGN_OR_RETURN(snapshot_, store_.NewSnapshot());
  reader_ = std::make_unique<RoomReader>(*snapshot_, caches_);
  relations_ = std::make_unique<RelationWork>();
  events_.Use(*snapshot_);
  states_.Use(*snapshot_);
  return OkStatus();
}

Status Importer::End() {
  relations_->Finish(batch_, head_.nid, [this](EventIdx idx) {
    return BatchCell(added_[idx - added_.front().stored.idx].pos);
  });
  reader_.reset();
  snapshot_.reset();
  if (batch_.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const CommitInfo info, store_.Commit(std::move(batch_)));
  for (Added& added : added_) {
    added.stored.pos = info.first + added.pos.index;
    head_.last_pos = added.stored.pos;
    events_.Pin(std::make_shared<const StoredEvent>(std::move(added.stored)));
  }
  events_.ReleasePinned();
  states_.ReleasePinned();
  return OkStatus();
}

Result<StateKeyNum> Importer::KeyNum(std::string_view type,
                                     std::string_view state_key) {
  const auto it =
      new_keys_.find(StateKey{std::string(type), std::string(state_key)});
  if (it != new_keys_.end()) return it->second;
  if (stored_keys_ == 0) return StateKeyNum{0};
  RoomHead stored = head_;
  stored.last_key = stored_keys_;
  return reader_->KeyNum(stored, type, state_key);
}

StateKeyNum Importer::GiveKeyNum(const Event& event, StateKeyNum known) {
  if (known != 0) return known;
  StateKey key{std::string(event.type()), std::string(*event.state_key())};
  const StateKeyNum num = ++head_.last_key;
  batch_.PutRow(tables::kStateKeys,
                {head_.nid, int64_t{num}, key.type, key.state_key});
  new_keys_.emplace(std::move(key), num);
  return num;
}

Result<std::optional<StoredEvent>> Importer::Find(std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr found,
                      events_.Find(event_id));
  if (found == nullptr) return std::optional<StoredEvent>();
  return std::optional<StoredEvent>(*found);
}

// A number for a state: that of one of `candidates` which is the same, or a new
// one that follows the first.
Result<StateSnap> Importer::SnapFor(const std::vector<StateSnap>& candidates,
                                    const StateTree& state) {
  for (const StateSnap snap : candidates) {
    MC_ASSIGN_OR_RETURN(const StateTree known, states_.At(snap));
    if (known == state) return snap;
  }
  return NewSnap(candidates.empty() ? 0 : candidates[0], state);
}

// See tables::StateSnaps for how bases are chosen.
Result<StateSnap> Importer::NewSnap(StateSnap parent, const StateTree& state) {
  StateSnapRow row{.parent = parent};
  StateSnap base = parent;
  uint32_t base_height = 0;
  if (parent != 0) {
    MC_ASSIGN_OR_RETURN(StateSnapRow at, states_.RowOf(parent));
    row.height = at.height + 1;
    base_height = BaseHeightOf(row.height, head_.last_key);
    while (base != 0 && at.height > base_height) {
      base = at.base;
      if (base != 0) {
        MC_ASSIGN_OR_RETURN(at, states_.RowOf(base));
      }
    }
  } else {
    row.height = 1;
  }
  row.base = base;
  MC_ASSIGN_OR_RETURN(const StateTree from, states_.At(base));
  StateTree::Diff(from, state, [&row](KeyIdx key, EventIdx, EventIdx to) {
    row.delta.push_back({key, to == kNoIndex ? 0 : to});
  });
  const StateSnap snap = ++head_.last_snap;
  batch_.PutRow(
      tables::kStateSnaps,
      {head_.nid, int64_t{snap}, int64_t{row.parent}, int64_t{row.base},
       int64_t{row.height}, Blob{EncodeStateDelta(row.delta)}});
  batch_bytes_ += row.delta.size() * sizeof(StateDeltaEntry);
  states_.Pin(snap, state, std::move(row));
  return snap;
}

Status Importer::Add(const RoomFileStateBefore& state) {
  if (given_state_) {
    return {StatusCode::kInvalidArgument,
            fmt::format("the file gives the state before {}, but that event "
                        "does not follow",
                        given_state_->event_id)};
  }
  given_state_ = state;
  return OkStatus();
}

Result<StateSnap> Importer::FromGivenState(const Event& event,
                                           StateTree* state) {
  if (!given_state_ || given_state_->event_id != event.event_id()) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("{} follows events that the file does not have, and the "
                    "file does not give the state before it",
                    event.event_id()));
  }
  for (const std::string& id : given_state_->state) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr stored, events_.Find(id));
    if (stored == nullptr || !stored->event->is_state()) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("the state before {} has {}, which is no state "
                                "event of the file",
                                event.event_id(), id));
    }
    MC_ASSIGN_OR_RETURN(
        const StateKeyNum known,
        KeyNum(stored->event->type(), *stored->event->state_key()));
    state->Set(GiveKeyNum(*stored->event, known), stored->idx);
  }
  given_state_.reset();
  return SnapFor({}, *state);
}

// The state before an event of the graph, and its number.
Result<StateSnap> Importer::StateBefore(const Event& event, StateTree* state) {
  std::vector<StateSnap> snaps;
  std::vector<StateTree> after;
  for (const std::string& id : event.prev_events()) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr prev, events_.Find(id));
    if (prev == nullptr || (prev->flags & kEventOutlier) != 0) {
      cut_ = true;
      return FromGivenState(event, state);
    }
    snaps.push_back(prev->after);
    MC_ASSIGN_OR_RETURN(after.emplace_back(), states_.At(prev->after));
  }
  if (snaps.empty()) return StateSnap{0};
  MC_ASSIGN_OR_RETURN(*state, states_.Resolve(after));
  return SnapFor(snaps, *state);
}

// Works out where the event stands in the room.
Status Importer::Place(StoredEvent& stored) {
  const Event& event = *stored.event;
  StateTree state;
  MC_ASSIGN_OR_RETURN(stored.before, StateBefore(event, &state));
  stored.after = stored.before;
  if (event.is_state()) {
    MC_ASSIGN_OR_RETURN(const StateKeyNum known,
                        KeyNum(event.type(), *event.state_key()));
    const StateKeyNum key = GiveKeyNum(event, known);
    stored.replaces = StateAt(state, key);
    if ((stored.flags & kEventRejected) == 0) {
      StateTree after = state;
      after.Set(key, stored.idx);
      MC_ASSIGN_OR_RETURN(stored.after, NewSnap(stored.before, after));
    }
  }
  if (stored.flags != 0) return OkStatus();
  MC_RETURN_IF_ERROR(
      relations_->LoadToAdd(reader_.get(), head_, event,
                            [this](std::string_view id) { return Find(id); }));
  relations_->Add(event, stored.idx);
  return Redact(stored, state);
}

// Does what a redaction that counts does to its target.
Status Importer::Redact(const StoredEvent& redaction, const StateTree& before) {
  const Event& event = *redaction.event;
  if (event.type() != kTypeRedaction || event.redacts().empty()) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(std::optional<StoredEvent> target, Find(event.redacts()));
  if (!target || target->redacted_by != 0) return OkStatus();
  NumberedStateSource state(
      [this](std::string_view type, std::string_view state_key) {
        return KeyNum(type, state_key);
      },
      events_, before);
  const bool counts = RedactionCounts(event, *target->event, state);
  MC_RETURN_IF_ERROR(state.failure());
  if (!counts) return OkStatus();
  const EventPtr original = target->event;
  MC_ASSIGN_OR_RETURN(target->event, RedactEvent(*original));
  target->redacted_by = redaction.idx;
  if (target->flags == 0) {
    MC_RETURN_IF_ERROR(relations_->LoadToRemove(
        reader_.get(), head_, *original,
        [this](std::string_view id) { return Find(id); }));
    relations_->Remove(*original, target->idx, target->pos);
  }
  BatchCell pos = target->pos;
  for (Added& added : added_) {
    if (added.stored.idx != target->idx) continue;
    added.stored = *target;
    pos = added.pos;
  }
  batch_.PutRow(tables::kEvents, RowFromEvent(*target, head_.nid, pos));
  events_.Pin(std::make_shared<const StoredEvent>(*std::move(target)));
  return OkStatus();
}

Status Importer::CutHere(const StoredEvent& stored, PositionRef pos) {
  batch_.PutRow(tables::kRoomCuts,
                {head_.nid, int64_t{stored.idx}, pos, options_.now.ms});
  return OkStatus();
}

Status Importer::Add(const RoomFileEvent& event) {
  const std::string& id = event.event->event_id();
  const bool outlier = (event.flags & kEventOutlier) != 0;
  const auto wrong = [&id](std::string_view what) {
    return Status(StatusCode::kInvalidArgument, fmt::format("{} {}", id, what));
  };
  if (event.event->room_id() != head_.room_id) {
    return wrong("is an event of another room");
  }
  if (outlier && in_graph_) return wrong("is an outlier behind the graph");
  MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr known, events_.Find(id));
  if (known != nullptr) return wrong("comes twice");
  if (head_.last_idx == 0 && !event.event->Is(kTypeCreate, "")) {
    return wrong("is the file's first event, but not m.room.create");
  }
  if (head_.last_idx == 0) {
    const std::string_view sender = event.event->sender();
    head_.creator = head_.rules->creator_is_sender
                        ? sender
                        : event.event->content()["creator"].StringOr(sender);
  }
  Added added;
  added.stored.event = event.event;
  added.stored.flags = event.flags;
  added.stored.idx = ++head_.last_idx;
  head_.max_ts = std::max(head_.max_ts, event.event->origin_server_ts());
  added.stored.max_ts = head_.max_ts;
  added.pos = batch_.NewPosition();
  if (!outlier) {
    MC_RETURN_IF_ERROR(Place(added.stored));
    if (!std::exchange(in_graph_, true) && (has_outliers_ || cut_)) {
      MC_RETURN_IF_ERROR(CutHere(added.stored, added.pos));
    }
    if (event.event->origin_server_ts() < head_.max_ts) {
      batch_.PutRow(tables::kLateEvents,
                    {head_.nid, event.event->origin_server_ts(),
                     int64_t{added.stored.idx}});
    }
  } else {
    has_outliers_ = true;
  }
  if (event.event->is_state()) {
    MC_ASSIGN_OR_RETURN(const auto auth, AuthEventsOf(*event.event, events_));
    const EventIdx idx = added.stored.idx;
    batch_.PutRow(tables::kAuthEdges,
                  {head_.nid, int64_t{idx}, Blob{AuthEdgesOf(idx, auth)}});
  }
  batch_.PutRow(tables::kEvents,
                RowFromEvent(added.stored, head_.nid, added.pos));
  ++batch_events_;
  batch_bytes_ += event.event->json().size();
  events_.Pin(std::make_shared<const StoredEvent>(added.stored));
  added_.push_back(std::move(added));
  return OkStatus();
}

void Importer::Add(const RoomFileKey& key) {
  batch_.PutRow(tables::kRoomSigningKeys,
                {head_.nid, key.server, key.key_id, Base64Encode(key.key)});
}

// Where the graph ends, and the state there.
Status Importer::Add(const RoomFileHead& head) {
  std::vector<StateSnap> snaps;
  std::vector<StateTree> after;
  head_.extremities = head.extremities;
  for (const std::string& id : head.extremities) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr end, events_.Find(id));
    if (end == nullptr) {
      return {
          StatusCode::kInvalidArgument,
          fmt::format("the forward extremity {} is no event of the file", id)};
    }
    head_.depth = std::max(head_.depth, end->event->depth());
    snaps.push_back(end->after);
    MC_ASSIGN_OR_RETURN(after.emplace_back(), states_.At(end->after));
  }
  if (snaps.empty()) {
    return {StatusCode::kInvalidArgument,
            "the file names no forward extremities"};
  }
  MC_ASSIGN_OR_RETURN(const StateTree state, states_.Resolve(after));
  MC_ASSIGN_OR_RETURN(head_.state, SnapFor(snaps, state));
  return OkStatus();
}

// The commit that makes the room visible.
class Publisher {
 public:
  Publisher(Store& store, RoomHead head, const RoomImportOptions& options)
      : store_(store), options_(options), head_(std::move(head)) {}

  Result<RoomImportResult> Run(bool listed,
                               const std::vector<RoomFileAlias>& aliases);

 private:
  Status AddMembers(RoomReader& reader);
  Status AddPreview(RoomReader& reader);
  Status AddAliases(RoomReader& reader,
                    const std::vector<RoomFileAlias>& aliases);

  Store& store_;
  const RoomImportOptions& options_;
  RoomHead head_;
  WriteBatch batch_;
  RoomImportResult result_;
};

Status Publisher::AddMembers(RoomReader& reader) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> members,
      reader.StateEvents(head_, head_.state,
                         [](std::string_view type, std::string_view) {
                           return type == kTypeMember;
                         }));
  for (const StoredEvent& stored : members) {
    const Membership membership = MembershipOf(*stored.event);
    head_.joined += membership == Membership::kJoin;
    head_.invited += membership == Membership::kInvite;
    batch_.PutRow(tables::kMemberships,
                  {std::string(*stored.event->state_key()), head_.nid,
                   static_cast<int64_t>(membership), int64_t{stored.idx},
                   stored.pos, int64_t{0}});
  }
  return OkStatus();
}

Status Publisher::AddPreview(RoomReader& reader) {
  StoredStateSource state(reader, head_);
  const RoomPreview preview = RoomPreviewOf(state);
  MC_RETURN_IF_ERROR(state.failure());
  batch_.PutRow(tables::kRoomPreviews, RowFromRoomPreview(preview, head_.nid));
  return OkStatus();
}

Status Publisher::AddAliases(RoomReader& reader,
                             const std::vector<RoomFileAlias>& aliases) {
  for (const RoomFileAlias& alias : aliases) {
    bool skip = DomainOf(alias.alias) != options_.server_name;
    if (!skip) {
      MC_ASSIGN_OR_RETURN(const auto taken, reader.AliasRoom(alias.alias));
      skip = taken.has_value();
    }
    if (skip) {
      result_.skipped_aliases.push_back(alias.alias);
      continue;
    }
    batch_.PutRow(tables::kAliases, {alias.alias, head_.nid, alias.creator});
  }
  return OkStatus();
}

Result<RoomImportResult> Publisher::Run(
    bool listed, const std::vector<RoomFileAlias>& aliases) {
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    RoomCaches caches({.event_bytes = 0, .state_bytes = size_t{1} << 20});
    RoomReader reader(*snapshot, caches);
    MC_RETURN_IF_ERROR(AddMembers(reader));
    MC_RETURN_IF_ERROR(AddPreview(reader));
    MC_RETURN_IF_ERROR(AddAliases(reader, aliases));
  }
  head_.generation = 1;
  head_.listed = listed;
  if (listed) {
    batch_.AddTo(tables::kRoomCounters, {std::string(tables::kListedRooms)},
                 tables::RoomCounters::kValue, 1);
  }
  batch_.PutRow(tables::kRooms, RowFromHead(head_, head_.nid, head_.last_pos));
  batch_.DeleteRow(tables::kStagedRooms, {head_.nid});
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      store_.Commit(std::move(batch_)));
  result_.room_id = head_.room_id;
  result_.events = head_.last_idx;
  result_.joined = head_.joined;
  return std::move(result_);
}

// Whether a room may come in; clears away what an earlier attempt left.
Status MakeWay(Store& store, const RoomFileHeader& header) {
  if (header.scope == RoomFileScope::kState) {
    return {StatusCode::kFailedPrecondition,
            "the file has only the room's state, not its graph; export the "
            "room without --state-only"};
  }
  std::vector<StagedRoom> staged;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
    RoomReader reader(*snapshot, caches);
    MC_ASSIGN_OR_RETURN(const auto here, reader.Head(header.room_id));
    if (here) {
      return {StatusCode::kAlreadyExists,
              fmt::format("room {} is here already; an import never changes a "
                          "room: purge-room it first",
                          header.room_id)};
    }
    MC_ASSIGN_OR_RETURN(const bool blocked,
                        IsRoomBlocked(*snapshot, header.room_id));
    if (blocked) {
      return {StatusCode::kFailedPrecondition,
              fmt::format("room {} is blocked here; unblock it first",
                          header.room_id)};
    }
    MC_ASSIGN_OR_RETURN(staged, FindStagedRooms(*snapshot, header.room_id));
  }
  for (const StagedRoom& room : staged) {
    if (room.purpose == tables::StagedPurpose::kPurge) {
      return {StatusCode::kFailedPrecondition,
              fmt::format("room {} is still being purged; run purge-room once "
                          "more to complete that",
                          header.room_id)};
    }
    MC_RETURN_IF_ERROR(DeleteStagedRoom(store, room.nid));
  }
  return OkStatus();
}

Result<RoomNid> Stage(Store& store, const std::string& room_id, Timestamp now) {
  WriteBatch batch;
  const PositionRef nid = batch.NewPosition();
  batch.InsertRow(
      tables::kStagedRooms,
      {nid, room_id, static_cast<int64_t>(tables::StagedPurpose::kImport),
       now.ms});
  MC_ASSIGN_OR_RETURN(const CommitInfo info, store.Commit(std::move(batch)));
  return info.first;
}

// The rest of the file.
struct Tail {
  bool listed = false;
  std::vector<RoomFileAlias> aliases;
};

Result<Tail> ReadFile(RoomFileReader& file, Importer& importer,
                      const RoomImportOptions& options) {
  Tail tail;
  MC_RETURN_IF_ERROR(importer.Begin());
  for (;;) {
    MC_ASSIGN_OR_RETURN(std::optional<RoomFileRecord> record, file.Next());
    if (!record) break;
    Status added;
    if (const auto* event = std::get_if<RoomFileEvent>(&*record)) {
      added = importer.Add(*event);
    } else if (const auto* key = std::get_if<RoomFileKey>(&*record)) {
      importer.Add(*key);
    } else if (const auto* state = std::get_if<RoomFileStateBefore>(&*record)) {
      added = importer.Add(*state);
    } else if (const auto* head = std::get_if<RoomFileHead>(&*record)) {
      added = importer.Add(*head);
      tail.listed = head->listed;
    } else if (auto* alias = std::get_if<RoomFileAlias>(&*record)) {
      tail.aliases.push_back(std::move(*alias));
    }
    MC_RETURN_IF_ERROR(added);
    if (!importer.Full()) continue;
    MC_RETURN_IF_ERROR(importer.End());
    if (options.on_read) options.on_read(file.bytes());
    MC_RETURN_IF_ERROR(importer.Begin());
  }
  MC_RETURN_IF_ERROR(importer.End());
  if (options.on_read) options.on_read(file.bytes());
  return tail;
}

Status CheckBeforeItIsSeen(Store& store, const RoomHead& head,
                           const RoomImportOptions& options) {
  MC_RETURN_IF_ERROR(JudgeEditsAgain(store, head));
  RoomCheckOptions check{.server_name = options.server_name,
                         .keys = options.keys};
  check.progress = options.on_checked;
  MC_ASSIGN_OR_RETURN(
      const RoomCheckResult checked,
      CheckStagedRoom(store, head, check, [&](const RoomFinding& finding) {
        if (options.report) options.report(finding);
      }));
  if (checked.ended_early) {
    return {StatusCode::kAborted, "the import was ended before it was done"};
  }
  if (checked.findings > 0) {
    return {StatusCode::kDataLoss,
            fmt::format("the room of the file is not as it ought to be ({} "
                        "findings); nothing was imported",
                        checked.findings)};
  }
  if (checked.unverified > 0) {
    return {StatusCode::kDataLoss,
            fmt::format("the file has no key for the signatures of {} events, "
                        "first {}; nothing was imported",
                        checked.unverified, *checked.unknown_keys.begin())};
  }
  return OkStatus();
}

}  // namespace

Result<RoomImportResult> ImportRoom(Store& store, RoomFileReader& file,
                                    const RoomImportOptions& options) {
  MC_ASSIGN_OR_RETURN(const std::optional<RoomFileRecord> first, file.Next());
  const RoomFileHeader& header = std::get<RoomFileHeader>(*first);
  MC_RETURN_IF_ERROR(MakeWay(store, header));
  RoomHead head;
  head.room_id = header.room_id;
  head.rules = header.rules;
  MC_ASSIGN_OR_RETURN(head.nid, Stage(store, header.room_id, options.now));
  Importer importer(store, options, std::move(head));
  Result<Tail> tail = ReadFile(file, importer, options);
  Status status = tail.status();
  if (status.ok()) {
    status = CheckBeforeItIsSeen(store, importer.head(), options);
  }
  if (!status.ok()) {
    // What cannot be cleared away now the next attempt clears.
    MC_RETURN_IF_ERROR(DeleteStagedRoom(store, importer.head().nid));
    return status;
  }
  return Publisher(store, importer.head(), options)
      .Run(tail->listed, tail->aliases);
}

}  // namespace matrixcore
