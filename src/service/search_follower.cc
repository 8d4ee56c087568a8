#include "matrixcore/service/search_follower.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/event/relation.h"
#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

// Events that become one change of the index when somebody waits for it ...
constexpr size_t kChunk = 500;
// ... and in the background, where a change is followed by a pause that is so
// many times as long: messages never find the processor busy for long.
constexpr size_t kBackgroundChunk = 100;
constexpr int kPause = 9;

// The plain text of a content block of texts (spec: m.topic, "m.text").
std::string_view PlainText(json::Value texts) {
  for (const json::Value text : texts) {
    const std::string_view type = text["mimetype"].StringOr("text/plain");
    if (type == "text/plain") return text["body"].StringOr("");
  }
  return "";
}

struct Text {
  uint32_t field = 0;
  std::string text;
};

// What a message, a name or a topic says; nothing for any other event.
std::optional<Text> TextOf(std::string_view type, json::Value content) {
  if (type == kTypeMessage) {
    return Text{kSearchBody, std::string(content["body"].StringOr(""))};
  }
  if (type == kTypeName) {
    return Text{kSearchName, std::string(content["name"].StringOr(""))};
  }
  if (type != kTypeTopic) return std::nullopt;
  Text text{kSearchTopic, std::string(content["topic"].StringOr(""))};
  const std::string_view plain = PlainText(content["m.topic"]["m.text"]);
  if (plain != text.text) text.text.append("\n").append(plain);
  return text;
}

bool IsSearchable(const Event& event) {
  return event.type() == kTypeMessage
             ? !event.is_state()
             : event.Is(kTypeName, "") || event.Is(kTypeTopic, "");
}

// Makes one change of the index from a piece of the log.
class ChangeMaker {
 public:
  ChangeMaker(RoomReader& reader, SearchIndex& index)
      : reader_(reader), index_(index) {}

  Result<SearchChanges> Make(const std::vector<RoomReader::LogEvent>& events);

 private:
  struct Room {
    std::shared_ptr<const RoomHead> head;
    bool encrypted = false;
    // Events whose document may have changed, by number.
    std::map<EventIdx, StoredEvent> events;
  };

  Status Note(const RoomReader::LogEvent& event);
  Status NoteTarget(Room& room, std::string_view event_id);
  Status NoteRedacted(Room& room, std::string_view event_id);
  Result<Room*> FindRoom(const std::shared_ptr<const RoomHead>& head);
  Status AddDocuments(Room& room);

  RoomReader& reader_;
  SearchIndex& index_;
  SearchChanges changes_;
  std::map<RoomNid, Room> rooms_;
};

Result<SearchChanges> ChangeMaker::Make(
    const std::vector<RoomReader::LogEvent>& events) {
  for (const RoomReader::LogEvent& event : events) {
    if (event.stored.flags == 0) MC_RETURN_IF_ERROR(Note(event));
  }
  for (auto& [nid, room] : rooms_) MC_RETURN_IF_ERROR(AddDocuments(room));
  return std::move(changes_);
}

Result<ChangeMaker::Room*> ChangeMaker::FindRoom(
    const std::shared_ptr<const RoomHead>& head) {
  const auto [it, added] = rooms_.try_emplace(head->nid);
  Room& room = it->second;
  if (added) {
    room.head = head;
    MC_ASSIGN_OR_RETURN(
        const EventPtr encryption,
        reader_.StateEvent(*head, head->state, kTypeEncryption, ""));
    room.encrypted = encryption != nullptr;
  }
  return &room;
}

Status ChangeMaker::Note(const RoomReader::LogEvent& logged) {
  const Event& event = *logged.stored.event;
  if (event.Is(kTypeEncryption, "")) {
    changes_.erased_groups.push_back(logged.room->nid);
    return OkStatus();
  }
  const bool redaction = event.type() == kTypeRedaction;
  if (!redaction && !IsSearchable(event)) return OkStatus();
  MC_ASSIGN_OR_RETURN(Room * room, FindRoom(logged.room));
  if (room->encrypted) return OkStatus();
  if (redaction) return NoteRedacted(*room, event.redacts());
  const std::optional<Relation> relation = RelationOf(event);
  if (relation && relation->rel_type == kRelReplace) {
    return NoteTarget(*room, relation->event_id);
  }
  room->events[logged.stored.idx] = logged.stored;
  return OkStatus();
}

Status ChangeMaker::NoteTarget(Room& room, std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(auto target, reader_.Event(event_id));
  if (!target || target->room != room.head->nid) return OkStatus();
  room.events[target->stored.idx] = std::move(target->stored);
  return OkStatus();
}

// The redacted event, and the one whose text it gave.
Status ChangeMaker::NoteRedacted(Room& room, std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(auto target, reader_.Event(event_id));
  if (!target || target->room != room.head->nid ||
      target->stored.redacted_by == 0) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(const std::vector<int64_t> edited,
                      index_.FromSource(target->stored.pos));
  for (const int64_t pos : edited) {
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> events,
        reader_.Timeline(*room.head,
                         {.after = pos - 1, .until = pos, .limit = 1}));
    for (const StoredEvent& event : events) room.events[event.idx] = event;
  }
  room.events[target->stored.idx] = std::move(target->stored);
  return OkStatus();
}

Status ChangeMaker::AddDocuments(Room& room) {
  std::vector<std::string_view> ids;
  for (const auto& [idx, stored] : room.events) {
    ids.push_back(stored.event->event_id());
  }
  MC_ASSIGN_OR_RETURN(const auto summaries,
                      reader_.RelationSummaries(*room.head, ids));
  std::vector<EventIdx> edit_idxs;
  for (const auto& summary : summaries) {
    if (summary && summary->edit != 0) edit_idxs.push_back(summary->edit);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> edits,
                      reader_.StoredEvents(*room.head, edit_idxs));
  auto edit = edits.begin();
  auto summary = summaries.begin();
  for (const auto& [idx, stored] : room.events) {
    const bool edited = *summary && (*summary)->edit != 0;
    const StoredEvent& source = edited ? *edit : stored;
    ++summary;
    if (edited) ++edit;
    const json::Value content = source.event->content();
    std::optional<Text> text;
    if (stored.redacted_by == 0 && IsSearchable(*stored.event)) {
      text = TextOf(stored.event->type(),
                    edited ? content["m.new_content"] : content);
    }
    if (!text || text->text.empty()) {
      changes_.erased.push_back(stored.pos);
      continue;
    }
    changes_.put.push_back({.id = stored.pos,
                            .group = room.head->nid,
                            .item = idx,
                            .field = text->field,
                            .source = source.pos,
                            .text = std::move(text->text)});
  }
  return OkStatus();
}

}  // namespace

struct SearchFollower::Rep : std::enable_shared_from_this<Rep> {
  explicit Rep(const Deps& d)
      : deps(d),
        indexed(d.metrics.GetCounter("matrixcore_search_events_total",
                                     "Events that the search index followed")) {
  }

  void Schedule(Duration delay);
  void Run();
  // Whether there is more.
  Result<bool> Step(size_t limit) MC_REQUIRES(work_mutex);

  const Deps deps;
  Counter& indexed;

  // Held while the index is brought forward.
  Mutex work_mutex;
  Mutex mutex;
  CondVar idle;
  bool scheduled MC_GUARDED_BY(mutex) = false;
  bool running MC_GUARDED_BY(mutex) = false;
  bool again MC_GUARDED_BY(mutex) = false;
  bool stopped MC_GUARDED_BY(mutex) = false;
  Timers::Id timer MC_GUARDED_BY(mutex) = 0;
};

Result<bool> SearchFollower::Rep::Step(size_t limit) {
  MC_ASSIGN_OR_RETURN(int64_t position, deps.index.Position());
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  if (position == snapshot->position()) return false;
  if (position > snapshot->position()) {
    // The store was set back: what the index knows may not be so.
    MC_RETURN_IF_ERROR(deps.index.Clear());
    position = 0;
  }
  RoomReader reader(*snapshot, deps.caches);
  MC_ASSIGN_OR_RETURN(const std::vector<RoomReader::LogEvent> events,
                      reader.Log(position, limit));
  if (events.empty()) return false;
  MC_ASSIGN_OR_RETURN(SearchChanges changes,
                      ChangeMaker(reader, deps.index).Make(events));
  const bool more = events.size() == limit;
  changes.position = more ? events.back().stored.pos : snapshot->position();
  MC_RETURN_IF_ERROR(deps.index.Apply(changes));
  indexed.Add(static_cast<double>(events.size()));
  return more;
}

// One chunk, then back to the queue: other slow work gets its turn.
void SearchFollower::Rep::Run() {
  {
    MutexLock lock(mutex);
    scheduled = false;
    if (stopped) return;
    running = true;
  }
  bool more = false;
  const MonotonicTime start = deps.clock.Monotonic();
  {
    MutexLock lock(work_mutex);
    const Result<bool> step = Step(kBackgroundChunk);
    if (step.ok()) {
      more = *step;
    } else {
      deps.log.Error("search", "the index could not follow",
                     {{"error", step.status().ToString()}});
    }
  }
  {
    MutexLock lock(mutex);
    running = false;
    idle.NotifyAll();
    if (!more && !std::exchange(again, false)) return;
  }
  Schedule(more ? kPause * (deps.clock.Monotonic() - start) : kDelay);
}

void SearchFollower::Rep::Schedule(Duration delay) {
  MutexLock lock(mutex);
  if (stopped || scheduled) return;
  scheduled = true;
  const auto post = [self = shared_from_this()] {
    if (!self->deps.background.Post([self] { self->Run(); })) {
      // The lane is full: the next commit tries again.
      MutexLock inner(self->mutex);
      self->scheduled = false;
    }
  };
  timer = deps.timers.At(deps.clock.Monotonic() + delay, post);
}

SearchFollower::SearchFollower(const Deps& deps)
    : rep_(std::make_shared<Rep>(deps)) {}

SearchFollower::~SearchFollower() { Shutdown(); }

void SearchFollower::Wake() {
  {
    MutexLock lock(rep_->mutex);
    if (rep_->stopped || rep_->scheduled) return;
    if (rep_->running) {
      rep_->again = true;
      return;
    }
  }
  rep_->Schedule(kDelay);
}

Status SearchFollower::CatchUp(size_t max_events) {
  MutexLock lock(rep_->work_mutex);
  for (size_t left = max_events; left > 0;) {
    const size_t now = std::min(left, kChunk);
    MC_ASSIGN_OR_RETURN(const bool more, rep_->Step(now));
    if (!more) break;
    left -= now;
  }
  return OkStatus();
}

void SearchFollower::Shutdown() {
  MutexLock lock(rep_->mutex);
  rep_->stopped = true;
  if (rep_->timer != 0) rep_->deps.timers.Cancel(rep_->timer);
  while (rep_->running) rep_->idle.Wait(rep_->mutex);
}

}  // namespace matrixcore
