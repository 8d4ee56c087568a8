// CheckRoom: each event for itself and in its place in the graph.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/relation.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/auth_chain.h"
#include "room/auth_sources.h"
#include "room/room_check.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::Events;

constexpr size_t kEventBudget = size_t{16} << 20;
constexpr size_t kStateBudget = size_t{8} << 20;
// Events of the graph that do not count.
constexpr int64_t kHidden = kEventRejected | kEventSoftFailed;

std::string RuleText(const Verdict& verdict, const RoomVersionRules& rules) {
  const std::string number = RuleNumber(verdict.rule, rules);
  return number.empty() ? std::string(RuleName(verdict.rule))
                        : fmt::format("{} {}", number, RuleName(verdict.rule));
}

// Rules that look at what redaction takes away: the redacted form of an event
// cannot be judged by them (spec: each room version, "Redactions").
bool JudgedByWhatIsGone(const StoredEvent& stored) {
  const std::string_view type = stored.event->type();
  return stored.redacted_by != 0 &&
         (type == kTypeMember || type == kTypeRedaction ||
          type == kTypeThirdPartyInvite);
}

// Whether it has a row of tables::kLateEvents.
bool IsLate(const StoredEvent& stored) {
  return (stored.flags & kEventOutlier) == 0 &&
         stored.event->origin_server_ts() < stored.max_ts;
}

}  // namespace

EventCheck::EventCheck(const RoomHead& head, const RoomCheckOptions& options,
                       FindingSink& sink, RoomCheckResult& result)
    : options_(options),
      sink_(sink),
      result_(result),
      head_(head),
      events_(head.nid, *head.rules, kEventBudget),
      states_(head.nid, *head.rules, events_, KeyNums(), kStateBudget) {}

StateWalk::KeyNumOf EventCheck::KeyNums() {
  return [this](std::string_view type, std::string_view state_key) {
    return reader_->KeyNum(head_, type, state_key);
  };
}

// The cut of its history, and the keys that came with it.
Status EventCheck::LoadRoomFacts(RoomReader& reader) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> cut,
      reader.snapshot().Get(tables::kRoomCuts, {Cell(head_.nid)}));
  cut_ =
      cut ? static_cast<EventIdx>(CellInt((*cut)[tables::RoomCuts::kIdx])) : 0;
  if (std::exchange(loaded_, true)) return OkStatus();
  MC_ASSIGN_OR_RETURN(room_keys_, RoomKeys::Load(reader.snapshot(), head_.nid));
  return OkStatus();
}

std::optional<Ed25519PublicKey> EventCheck::FindKey(std::string_view server,
                                                    std::string_view key_id,
                                                    int64_t valid_at_ms) {
  if (options_.keys) {
    if (auto key = options_.keys(server, key_id, valid_at_ms)) return key;
  }
  if (auto key = room_keys_.Find(server, key_id)) return key;
  key_missing_ = true;
  result_.unknown_keys.insert(fmt::format("{} {}", server, key_id));
  return std::nullopt;
}

Status EventCheck::Check(RoomReader& reader, const RoomHead& head,
                         std::vector<Row> rows) {
  reader_ = &reader;
  head_ = head;
  events_.Use(reader.snapshot());
  states_.Use(reader.snapshot());
  MC_RETURN_IF_ERROR(LoadRoomFacts(reader));
  for (Row& row : rows) {
    const Status checked = CheckOne(std::move(row));
    // What cannot be read is a finding like others; only the store's own
    // failures end the check.
    if (checked.code() == StatusCode::kDataLoss) {
      sink_.Add("unreadable", "", checked.message(), "");
    } else if (!checked.ok()) {
      return checked;
    }
  }
  return CheckRowsOfChunk();
}

void EventCheck::CheckPlace(const Row& row) {
  const auto idx = static_cast<EventIdx>(CellInt(row[Events::kIdx]));
  const std::string_view id = CellText(row[Events::kEventId]);
  // Purging leaves holes, all of them below the cut.
  if (idx != last_idx_ + 1 && idx > cut_) {
    sink_.Compare("event-number", id, idx, int64_t{last_idx_} + 1);
  }
  const Position pos = CellInt(row[Events::kPos]);
  if (pos <= last_pos_) {
    sink_.Add("log-position", id, std::to_string(pos),
              fmt::format("more than {}", last_pos_));
  }
  max_ts_ = std::max(max_ts_, CellInt(row[Events::kTs]));
  // Those that were purged may have been later.
  const int64_t stored_max = CellInt(row[Events::kMaxTs]);
  if (cut_ != 0 && idx <= cut_) max_ts_ = std::max(max_ts_, stored_max);
  sink_.Compare("max-ts", id, stored_max, max_ts_);
  last_idx_ = idx;
  last_pos_ = pos;
}

bool EventCheck::CheckColumns(const Row& row, const StoredEvent& stored) {
  const Event& event = *stored.event;
  const std::string& id = event.event_id();
  const uint64_t before = sink_.count();
  sink_.Compare("column-type", id, CellText(row[Events::kType]), event.type());
  sink_.Compare("column-sender", id, CellText(row[Events::kSender]),
                event.sender());
  const auto text = [](std::optional<std::string_view> state_key) {
    return state_key ? fmt::format("\"{}\"", *state_key) : "none";
  };
  const Cell& state_key = row[Events::kStateKey];
  sink_.Compare("column-state-key", id,
                text(IsNull(state_key) ? std::nullopt
                                       : std::optional(CellText(state_key))),
                text(event.state_key()));
  sink_.Compare("column-ts", id, CellInt(row[Events::kTs]),
                event.origin_server_ts());
  sink_.Compare("room-id", id, event.room_id(), head_.room_id);
  return sink_.count() == before;
}

Status EventCheck::CheckOne(Row row) {
  ++result_.events;
  CheckPlace(row);
  const std::string id(CellText(row[Events::kEventId]));
  Row copy = row;
  Result<StoredEvent> read = EventFromRow(std::move(copy), *head_.rules);
  if (!read.ok()) {
    sink_.Add("unreadable", id, read.status().message(), "an event");
    return OkStatus();
  }
  CheckColumns(row, *read);
  const auto stored = std::make_shared<const StoredEvent>(std::move(*read));
  chunk_.push_back(stored);
  if (IsLate(*stored)) ++late_;
  MC_RETURN_IF_ERROR(CheckBytes(*stored));
  CheckSignatures(*stored);
  const Status placed = (stored->flags & kEventOutlier) != 0
                            ? CheckOutlier(*stored)
                            : CheckGraph(*stored);
  events_.Keep(stored);
  MC_RETURN_IF_ERROR(FollowExtremities(*stored));
  return placed;
}

// Its id and its content hash.
Status EventCheck::CheckBytes(const StoredEvent& stored) {
  const Event& event = *stored.event;
  MC_ASSIGN_OR_RETURN(const json::Document document, event.Document());
  if (event.rules().event_id_format != EventIdFormat::kServerGiven) {
    const Result<std::string> id =
        ComputeEventId(document.root(), event.rules());
    sink_.Compare("event-id", event.event_id(), event.event_id(),
                  id.ok() ? *id : id.status().message());
  }
  MC_ASSIGN_OR_RETURN(const std::string redacted,
                      RedactJson(document.root(), event.rules()));
  const bool is_redacted = event.json() == redacted;
  if (stored.redacted_by != 0 && !is_redacted) {
    sink_.Add("not-redacted", event.event_id(), "the whole event",
              "its redacted form");
  }
  const std::string hash = Base64Encode(ContentHash(document.root()));
  const std::string_view named =
      document.root()["hashes"]["sha256"].StringOr("");
  // The redacted form stands for an event whose hash was wrong, too.
  if (hash != named && !is_redacted) {
    sink_.Add("content-hash", event.event_id(), std::string(named), hash);
  }
  return OkStatus();
}

void EventCheck::CheckSignatures(const StoredEvent& stored) {
  key_missing_ = false;
  const EventIntegrity integrity = CheckIntegrity(
      *stored.event,
      [this](std::string_view server, std::string_view key_id, int64_t at) {
        return FindKey(server, key_id, at);
      });
  if (integrity != EventIntegrity::kBadSignature) return;
  if (key_missing_) {
    ++result_.unverified;
    return;
  }
  std::string signers;
  for (const std::string& server : RequiredSigners(*stored.event)) {
    signers += signers.empty() ? server : ", " + server;
  }
  sink_.Add("signature", stored.event->event_id(), "missing or wrong",
            "valid ones of " + signers);
}

void EventCheck::ReportVerdict(const StoredEvent& stored, std::string_view what,
                               const Verdict& verdict) {
  const bool rejected = (stored.flags & kEventRejected) != 0;
  if (rejected || JudgedByWhatIsGone(stored)) return;
  sink_.Add(what, stored.event->event_id(), "accepted",
            "rejected: " + verdict.detail, RuleText(verdict, *head_.rules));
}

// The rules by the auth events, and by the state before it.
Status EventCheck::CheckAuth(const StoredEvent& stored,
                             const StateTree& before) {
  const Event& event = *stored.event;
  MC_ASSIGN_OR_RETURN(const AuthEventList auth,
                      AuthEventList::Load(event, events_));
  Verdict verdict = auth.Check(event);
  if (!verdict.allowed()) {
    ReportVerdict(stored, "auth-events", verdict);
    return OkStatus();
  }
  if (event.type() == kTypeCreate) return OkStatus();
  verdict = CheckStateAuth(event, auth);
  if (!verdict.allowed()) {
    ReportVerdict(stored, "auth-by-auth-events", verdict);
    return OkStatus();
  }
  NumberedStateSource state(KeyNums(), events_, before);
  verdict = CheckStateAuth(event, state);
  MC_RETURN_IF_ERROR(state.failure());
  if (!verdict.allowed()) {
    ReportVerdict(stored, "auth-by-state-before", verdict);
  } else if ((stored.flags & kEventRejected) != 0) {
    sink_.Add("rejected", event.event_id(), "rejected",
              "accepted: no rule forbids it");
  }
  return OkStatus();
}

// Spec: server-server API, "Soft failure".  Only the mark is judged, against
// the room as it was when the event came; that one is missing cannot be told
// of a room that was imported, whose events may have come in another order.
Status EventCheck::CheckSoftFailure(const StoredEvent& stored) {
  if ((stored.flags & kEventSoftFailed) == 0) return OkStatus();
  const Event& event = *stored.event;
  if ((stored.flags & kEventRejected) != 0) {
    sink_.Add("soft-failed", event.event_id(), "rejected and soft-failed",
              "only rejected");
    return OkStatus();
  }
  std::vector<StateTree> after;
  for (const auto& [id, snap] : after_extremities_) {
    MC_ASSIGN_OR_RETURN(after.emplace_back(), states_.At(snap));
  }
  if (after.empty() || JudgedByWhatIsGone(stored)) return OkStatus();
  MC_ASSIGN_OR_RETURN(const StateTree current, states_.Resolve(after));
  NumberedStateSource state(KeyNums(), events_, current);
  const Verdict verdict = CheckStateAuth(event, state);
  // A policy server may have been against it, too.
  const bool may_be = !verdict.allowed() || state.Find(kTypePolicy, "");
  MC_RETURN_IF_ERROR(state.failure());
  if (!may_be) {
    sink_.Add("soft-failed", event.event_id(), "soft-failed",
              "in the timeline: no rule forbade it when it came");
  }
  return OkStatus();
}

// An event without its surroundings: only its auth events are known.
Status EventCheck::CheckOutlier(const StoredEvent& stored) {
  const Event& event = *stored.event;
  if (stored.idx >= cut_) {
    sink_.Add("outlier", event.event_id(), "an outlier",
              "a part of the graph: the history is not cut here");
  }
  if (!event.is_state()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const AuthEventList auth,
                      AuthEventList::Load(event, events_));
  Verdict verdict = auth.Check(event);
  if (verdict.allowed() && event.type() != kTypeCreate) {
    verdict = CheckStateAuth(event, auth);
  }
  if (!verdict.allowed()) {
    ReportVerdict(stored, "auth-by-auth-events", verdict);
  }
  return OkStatus();
}

Status EventCheck::CheckGraph(const StoredEvent& stored) {
  if (stored.idx < cut_) {
    sink_.Add("outlier", stored.event->event_id(), "a part of the graph",
              "an outlier: the history is cut above it");
  }
  MC_ASSIGN_OR_RETURN(const StateTree at, states_.At(stored.before));
  MC_ASSIGN_OR_RETURN(const std::optional<StateTree> resolved,
                      StateBefore(stored));
  if (resolved && *resolved != at) {
    sink_.Add("state-before", stored.event->event_id(),
              DescribeDifference(at, *resolved),
              DescribeDifference(*resolved, at));
  }
  const StateTree& before = resolved ? *resolved : at;
  MC_RETURN_IF_ERROR(CheckAuth(stored, before));
  MC_RETURN_IF_ERROR(CheckSoftFailure(stored));
  MC_RETURN_IF_ERROR(CheckStateAfter(stored, before));
  return CheckRedaction(stored, before);
}

// The resolution of the states after its prev events; nothing when one of them
// was purged: then what is stored cannot be told from anything else.
Result<std::optional<StateTree>> EventCheck::StateBefore(
    const StoredEvent& stored) {
  const Event& event = *stored.event;
  std::vector<StateTree> after;
  int64_t depth = 0;
  for (const std::string& id : event.prev_events()) {
    MC_ASSIGN_OR_RETURN(const StoredPtr prev, events_.Find(id));
    if (prev == nullptr || (prev->flags & kEventOutlier) != 0) {
      if (cut_ != 0) return std::optional<StateTree>();
      sink_.Add("prev-event", event.event_id(), "missing", id);
      continue;
    }
    if (prev->idx >= stored.idx) {
      sink_.Add("prev-event", event.event_id(),
                fmt::format("number {}", stored.idx),
                fmt::format("after {}, number {}", id, prev->idx));
      continue;
    }
    depth = std::max(depth, prev->event->depth());
    MC_ASSIGN_OR_RETURN(after.emplace_back(), states_.At(prev->after));
  }
  if (DomainOf(event.sender()) == options_.server_name) {
    // Others may say of the depth what they like; what was built here is right.
    const int64_t wanted = std::min(depth + 1, head_.rules->max_depth);
    sink_.Compare("depth", event.event_id(), event.depth(), wanted);
  }
  MC_ASSIGN_OR_RETURN(StateTree resolved, states_.Resolve(after));
  return std::optional<StateTree>(std::move(resolved));
}

Status EventCheck::CheckStateAfter(const StoredEvent& stored,
                                   const StateTree& before) {
  const Event& event = *stored.event;
  StateTree expected = before;
  if (event.is_state()) {
    MC_ASSIGN_OR_RETURN(
        const StateKeyNum key,
        reader_->KeyNum(head_, event.type(), *event.state_key()));
    if (key == 0) {
      sink_.Add("state-key", event.event_id(), "none",
                "a number of its type and state key");
      return OkStatus();
    }
    const EventIdx replaced = StateAt(before, key);
    if (cut_ == 0 || stored.replaces != 0 || replaced >= cut_) {
      sink_.Compare("replaces", event.event_id(), stored.replaces, replaced);
    }
    if ((stored.flags & kEventRejected) == 0) expected.Set(key, stored.idx);
  }
  MC_ASSIGN_OR_RETURN(const StateTree at, states_.At(stored.after));
  if (at == expected) {
    states_.Keep(stored.after, expected);
    return OkStatus();
  }
  sink_.Add("state-after", event.event_id(), DescribeDifference(at, expected),
            DescribeDifference(expected, at));
  return OkStatus();
}

// What the first has that the second has not.
std::string EventCheck::DescribeDifference(const StateTree& stored,
                                           const StateTree& expected) {
  constexpr size_t kMost = 5;
  std::string text;
  size_t count = 0;
  StateTree::Diff(stored, expected, [&](KeyIdx key, EventIdx has, EventIdx) {
    if (++count > kMost) return;
    const Result<StateKey> name = reader_->KeyName(head_, key);
    std::string event = "none";
    if (has != kNoIndex) {
      const Result<StoredPtr> found = events_.At(has);
      event = found.ok() && *found != nullptr ? (*found)->event->event_id()
                                              : fmt::format("number {}", has);
    }
    text += fmt::format("{}({}, \"{}\") = {}", text.empty() ? "" : "; ",
                        name.ok() ? name->type : fmt::format("key {}", key),
                        name.ok() ? name->state_key : "", event);
  });
  if (count > kMost) text += fmt::format("; and {} more", count - kMost);
  return text;
}

// Whether a redaction did its work (spec: room version 3, "Handling
// redactions"), and what was redacted has one that names it.
Status EventCheck::CheckRedaction(const StoredEvent& stored,
                                  const StateTree& before) {
  const Event& event = *stored.event;
  if (event.type() != kTypeRedaction || stored.flags != 0 ||
      event.redacts().empty()) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(const StoredPtr target, events_.Fresh(event.redacts()));
  if (target == nullptr || target->idx > stored.idx ||
      target->redacted_by != 0) {
    return OkStatus();
  }
  NumberedStateSource state(KeyNums(), events_, before);
  const bool counts = RedactionCounts(event, *target->event, state);
  MC_RETURN_IF_ERROR(state.failure());
  if (counts) {
    sink_.Add("not-redacted", target->event->event_id(), "the whole event",
              "its redacted form: " + event.event_id() + " redacts it");
  }
  return OkStatus();
}

// Accepted events that nothing accepted follows.
Status EventCheck::FollowExtremities(const StoredEvent& stored) {
  if (stored.flags != 0) return OkStatus();
  // What follows an event that does not count follows those before it.
  std::vector<std::string> followed = stored.event->prev_events();
  while (!followed.empty()) {
    const std::string id = std::move(followed.back());
    followed.pop_back();
    extremities_.erase(id);
    after_extremities_.erase(id);
    MC_ASSIGN_OR_RETURN(const StoredPtr prev, events_.Find(id));
    if (prev == nullptr || (prev->flags & kHidden) == 0) continue;
    const std::vector<std::string>& before = prev->event->prev_events();
    followed.insert(followed.end(), before.begin(), before.end());
  }
  extremities_[stored.event->event_id()] = stored.event->depth();
  after_extremities_[stored.event->event_id()] = stored.after;
  return OkStatus();
}

Status EventCheck::CheckLateEvents() {
  int64_t rows = 0;
  ScanSpec scan{.table = &tables::kLateEvents,
                .prefix = {Cell(head_.nid)},
                .limit = options_.chunk};
  // A time may have more rows than a chunk: counted by times, then by numbers.
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> some,
                        reader_->snapshot().Scan(scan));
    rows += static_cast<int64_t>(some.size());
    if (some.size() == scan.limit) {
      const Cell ts = some.back()[tables::LateEvents::kTs];
      scan.prefix = {Cell(head_.nid), ts};
      scan.from = ScanSpec::Bound{some.back()[tables::LateEvents::kIdx], false};
      continue;
    }
    if (scan.prefix.size() == 1) break;
    scan.from = ScanSpec::Bound{scan.prefix[1], false};
    scan.prefix.pop_back();
  }
  sink_.Compare("late-events", "", rows, late_);
  return OkStatus();
}

// Rows are missing where the event came before there were any.
Status EventCheck::CheckAuthEdges(const std::vector<StoredPtr>& chunk,
                                  const std::vector<Row>& keys) {
  MC_ASSIGN_OR_RETURN(const auto rows,
                      reader_->snapshot().GetMany(tables::kAuthEdges, keys));
  const auto text = [](EventIdx event, std::string_view bytes) {
    const auto auth = DecodeAuthEdges(event, bytes);
    if (!auth.ok()) return std::string(auth.status().message());
    std::string numbers;
    for (const EventIdx idx : *auth) numbers += fmt::format(" {}", idx);
    return "events" + numbers;
  };
  for (size_t i = 0; i < chunk.size(); ++i) {
    if (!rows[i]) continue;
    const EventIdx idx = chunk[i]->idx;
    MC_ASSIGN_OR_RETURN(const auto auth,
                        AuthEventsOf(*chunk[i]->event, events_));
    sink_.Compare("auth-edges", chunk[i]->event->event_id(),
                  text(idx, CellBlob((*rows[i])[tables::AuthEdges::kAuth])),
                  text(idx, AuthEdgesOf(idx, auth)));
  }
  return OkStatus();
}

Status EventCheck::CheckRowsOfChunk() {
  const std::vector<StoredPtr> chunk = std::exchange(chunk_, {});
  std::vector<Row> late_keys;
  std::vector<Row> relation_keys;
  std::vector<Row> edge_keys;
  std::vector<const StoredEvent*> late;
  std::vector<const StoredEvent*> related;
  for (const StoredPtr& stored : chunk) {
    const Event& event = *stored->event;
    if (IsLate(*stored)) {
      late.push_back(stored.get());
      late_keys.push_back({Cell(head_.nid), Cell(event.origin_server_ts()),
                           Cell(int64_t{stored->idx})});
    }
    edge_keys.push_back({Cell(head_.nid), Cell(int64_t{stored->idx})});
    const auto relation = RelationOf(event);
    if (!relation || stored->flags != 0) continue;
    related.push_back(stored.get());
    relation_keys.push_back({Cell(head_.nid),
                             Cell(std::string(relation->event_id)),
                             Cell(stored->pos)});
  }
  Snapshot& snapshot = reader_->snapshot();
  MC_ASSIGN_OR_RETURN(const auto late_rows,
                      snapshot.GetMany(tables::kLateEvents, late_keys));
  for (size_t i = 0; i < late.size(); ++i) {
    if (late_rows[i]) continue;
    sink_.Add("late-events", late[i]->event->event_id(), "no row", "a row");
  }
  MC_RETURN_IF_ERROR(CheckAuthEdges(chunk, edge_keys));
  MC_ASSIGN_OR_RETURN(const auto relation_rows,
                      snapshot.GetMany(tables::kRelations, relation_keys));
  for (size_t i = 0; i < related.size(); ++i) {
    const Relation relation = *RelationOf(*related[i]->event);
    const std::string& id = related[i]->event->event_id();
    if (!relation_rows[i]) {
      sink_.Add("relation", id, "no row",
                fmt::format("a row for {} of {}", relation.rel_type,
                            relation.event_id));
      continue;
    }
    using tables::Relations;
    const Row& row = *relation_rows[i];
    sink_.Compare("relation", id, CellText(row[Relations::kRelType]),
                  relation.rel_type);
    sink_.Compare("relation", id, CellInt(row[Relations::kIdx]),
                  int64_t{related[i]->idx});
    sink_.Compare("relation", id, CellText(row[Relations::kSender]),
                  related[i]->event->sender());
    sink_.Compare("relation", id, CellText(row[Relations::kKey]),
                  relation.key.value_or(""));
  }
  return OkStatus();
}

Status EventCheck::Finish(RoomReader& reader, const RoomHead& head) {
  reader_ = &reader;
  head_ = head;
  events_.Use(reader.snapshot());
  states_.Use(reader.snapshot());
  const auto joined = [](auto&& ids) {
    std::string text;
    for (const auto& id : ids) text += text.empty() ? id : " " + id;
    return text;
  };
  std::set<std::string> stored(head.extremities.begin(),
                               head.extremities.end());
  std::set<std::string> wanted;
  std::vector<StateTree> after;
  int64_t depth = 0;
  for (const auto& [id, of] : extremities_) {
    wanted.insert(id);
    depth = std::max(depth, of);
    MC_ASSIGN_OR_RETURN(after.emplace_back(),
                        states_.At(after_extremities_.at(id)));
  }
  sink_.Compare("forward-extremities", "", joined(stored), joined(wanted));
  sink_.Compare("head-depth", "", head.depth, depth);
  sink_.Compare("head-last-event", "", head.last_idx, last_idx_);
  sink_.Compare("head-last-position", "", head.last_pos, last_pos_);
  sink_.Compare("head-max-ts", "", head.max_ts, max_ts_);
  MC_ASSIGN_OR_RETURN(const StateTree expected, states_.Resolve(after));
  MC_ASSIGN_OR_RETURN(const StateTree current, states_.At(head.state));
  if (current != expected) {
    sink_.Add("current-state", "", DescribeDifference(current, expected),
              DescribeDifference(expected, current));
  }
  MC_ASSIGN_OR_RETURN(const EventPtr create,
                      reader.StateEvent(head, head.state, kTypeCreate, ""));
  if (create != nullptr && !IsRoomCreator(*create, head.creator)) {
    sink_.Add("head-creator", "", head.creator, std::string(create->sender()));
  }
  return CheckLateEvents();
}

}  // namespace matrixcore
