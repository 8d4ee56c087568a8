#include "matrixcore/service/relations.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "matrixcore/event/redaction.h"
#include "matrixcore/event/relation.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "service/room_window.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

// How many index entries a page may read, when the visibility hides most.
constexpr size_t kMinReads = 500;
constexpr size_t kReadsPerEvent = 10;

constexpr ClientEventFormat kFormat = {.with_relations = true};

// One request for relations, at one snapshot.
class Collector {
 public:
  Collector(RoomReader& reader, const RoomHead& room,
            const std::string& user_id, const IgnoredUsers& ignored,
            const RelationService::Query& query)
      : reader_(reader),
        room_(room),
        user_id_(user_id),
        ignored_(ignored),
        query_(query) {}

  // The page and where the next one begins.
  Result<EventPage> Page();

 private:
  Position after() const {
    const auto& bound = query_.backwards ? query_.to : query_.from;
    return bound ? bound->position : 0;
  }
  Position until() const {
    const auto& bound = query_.backwards ? query_.from : query_.to;
    return bound ? bound->position : INT64_MAX;
  }
  bool Wanted(const RelatedEvent& event) const {
    return (query_.rel_type.empty() || event.rel_type == query_.rel_type) &&
           (query_.event_type.empty() || event.type == query_.event_type);
  }

  // The next entries of the index in the range that is left.
  Result<std::vector<RelatedEvent>> Next(Position after, Position until,
                                         size_t limit);
  // With recursion: everything, in the order of the page, read once.
  Status Recurse();

  RoomReader& reader_;
  const RoomHead& room_;
  const std::string& user_id_;
  const IgnoredUsers& ignored_;
  const RelationService::Query& query_;
  std::optional<std::vector<RelatedEvent>> all_;
};

Result<EventPage> Collector::Page() {
  EventPage page;
  if (query_.recurse.value_or(false)) MC_RETURN_IF_ERROR(Recurse());
  Position low = after();
  Position high = until();
  size_t budget = std::max(kMinReads, query_.limit * kReadsPerEvent);
  while (true) {
    const size_t wanted =
        std::min(budget, query_.limit - page.events.size() + 1);
    MC_ASSIGN_OR_RETURN(std::vector<RelatedEvent> chunk,
                        Next(low, high, wanted));
    const bool end = chunk.size() < wanted;
    std::vector<EventIdx> idxs;
    for (const RelatedEvent& event : chunk) {
      if (Wanted(event)) idxs.push_back(event.idx);
    }
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                        reader_.StoredEvents(room_, idxs));
    MC_ASSIGN_OR_RETURN(events, OnlyVisible(reader_, room_, user_id_, ignored_,
                                            std::move(events)));
    size_t next = 0;
    for (const RelatedEvent& entry : chunk) {
      const bool take = next < events.size() && events[next].idx == entry.idx;
      if (take && page.events.size() == query_.limit) return page;
      const Position beyond = query_.backwards ? entry.pos - 1 : entry.pos;
      page.next = beyond;
      (query_.backwards ? high : low) = beyond;
      if (take) page.events.push_back(std::move(events[next++]));
    }
    if (end) {
      page.next.reset();
      return page;
    }
    budget -= std::min(budget, chunk.size());
    if (budget == 0) return page;
  }
}

Result<std::vector<RelatedEvent>> Collector::Next(Position after,
                                                  Position until,
                                                  size_t limit) {
  if (!all_) {
    return reader_.Relations(room_, query_.event_id,
                             {.rel_type = query_.rel_type,
                              .after = after,
                              .until = until,
                              .newest_first = query_.backwards,
                              .limit = limit});
  }
  std::vector<RelatedEvent> chunk;
  for (const RelatedEvent& event : *all_) {
    if (chunk.size() == limit) break;
    if (event.pos > after && event.pos <= until) chunk.push_back(event);
  }
  return chunk;
}

// Level by level; what a level relates to is asked in one go, and only those to
// which something relates are scanned.  Filters apply to what is given, not to
// what leads there.
Status Collector::Recurse() {
  all_.emplace();
  std::set<EventIdx> seen;
  std::vector<std::string> level = {query_.event_id};
  for (int depth = 0; depth < RelationService::kRecursionDepth; ++depth) {
    std::vector<EventIdx> idxs;
    for (const std::string& parent : level) {
      const size_t left = RelationService::kMaxRecursed - all_->size();
      if (left == 0) break;
      MC_ASSIGN_OR_RETURN(std::vector<RelatedEvent> children,
                          reader_.Relations(room_, parent, {.limit = left}));
      for (RelatedEvent& child : children) {
        if (!seen.insert(child.idx).second) continue;
        idxs.push_back(child.idx);
        all_->push_back(std::move(child));
      }
    }
    level.clear();
    if (idxs.empty() || depth + 1 == RelationService::kRecursionDepth) break;
    MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                        reader_.Events(room_, idxs));
    std::vector<std::string_view> ids;
    for (const EventPtr& event : events) ids.push_back(event->event_id());
    MC_ASSIGN_OR_RETURN(const auto summaries,
                        reader_.RelationSummaries(room_, ids));
    for (size_t i = 0; i < ids.size(); ++i) {
      if (summaries[i]) level.emplace_back(ids[i]);
    }
  }
  std::sort(all_->begin(), all_->end(),
            [this](const RelatedEvent& a, const RelatedEvent& b) {
              return query_.backwards ? a.pos > b.pos : a.pos < b.pos;
            });
  return OkStatus();
}

}  // namespace

Result<std::string> RelationService::Relations(const Session& session,
                                               const Query& asked) {
  Query query = asked;
  query.limit = std::min(query.limit, kMaxPage);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(query.room_id));
  // An unknown room has no events either.
  const RoomHead room = head.value_or(RoomHead());
  MC_ASSIGN_OR_RETURN(
      [[maybe_unused]] const StoredEvent parent,
      FindVisible(reader, session.user_id, room, query.event_id));
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, session.user_id));
  MC_ASSIGN_OR_RETURN(
      const EventPage page,
      Collector(reader, room, session.user_id, ignored, query).Page());
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(events.WriteArray(out, room, page.events, kFormat));
  if (page.next) out.Field("next_batch", TokenAt(*page.next));
  if (query.from) out.Field("prev_batch", query.from->ToString());
  if (query.recurse) {
    out.Field("recursion_depth", *query.recurse ? kRecursionDepth : 1);
  }
  out.EndObject();
  return body;
}

namespace {

// Which of `roots` the user takes part in.
Result<std::vector<bool>> Participated(RoomReader& reader, const RoomHead& room,
                                       const std::string& user_id,
                                       const std::vector<StoredEvent>& roots) {
  std::vector<std::string_view> ids;
  for (const StoredEvent& root : roots) ids.push_back(root.event->event_id());
  MC_ASSIGN_OR_RETURN(const std::vector<int64_t> shares,
                      reader.ThreadShares(room, user_id, ids));
  std::vector<bool> participated;
  for (size_t i = 0; i < roots.size(); ++i) {
    participated.push_back(shares[i] > 0 ||
                           roots[i].event->sender() == user_id);
  }
  return participated;
}

// Whether the user may see something of a thread: else it is none to this user.
// Asked for those who left, and those who ignore somebody.
Result<bool> HasVisibleEvent(RoomReader& reader, const RoomHead& room,
                             const std::string& user_id,
                             const IgnoredUsers& ignored,
                             const RelationSummary& thread) {
  constexpr size_t kMaxLook = 50;
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> events,
      reader.Relations(
          room, thread.target,
          {.rel_type = kRelThread, .newest_first = false, .limit = kMaxLook}));
  std::vector<EventIdx> idxs;
  for (const RelatedEvent& event : events) idxs.push_back(event.idx);
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> stored,
                      reader.StoredEvents(room, idxs));
  MC_ASSIGN_OR_RETURN(
      stored, OnlyVisible(reader, room, user_id, ignored, std::move(stored)));
  return !stored.empty();
}

struct ThreadPage {
  std::vector<StoredEvent> roots;
  std::optional<Position> next;
};

// Threads by their last event, the newest first, up to `until`.
Result<ThreadPage> ReadThreads(RoomReader& reader, const RoomWindow& window,
                               const std::string& user_id,
                               const IgnoredUsers& ignored, Position until,
                               size_t limit, bool only_participated) {
  const RoomHead& room = window.room;
  ThreadPage page;
  size_t budget = std::max(kMinReads, limit * kReadsPerEvent);
  while (true) {
    const size_t wanted = std::min(budget, limit - page.roots.size() + 1);
    MC_ASSIGN_OR_RETURN(const std::vector<RelationSummary> threads,
                        reader.Threads(room, until, wanted));
    const bool end = threads.size() < wanted;
    budget -= std::min(budget, threads.size());
    std::vector<EventIdx> idxs;
    for (const RelationSummary& thread : threads) {
      if (thread.target_idx != 0) idxs.push_back(thread.target_idx);
    }
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> roots,
                        reader.StoredEvents(room, idxs));
    MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                        reader.Visible(room, user_id, roots));
    MC_ASSIGN_OR_RETURN(const std::vector<bool> participated,
                        Participated(reader, room, user_id, roots));
    size_t next = 0;
    for (const RelationSummary& thread : threads) {
      const size_t i = next;
      if (thread.target_idx != 0) ++next;
      bool take = i < next && visible[i] && roots[i].flags == 0 &&
                  (participated[i] || !only_participated);
      if (take && (!window.joined || !ignored.empty())) {
        MC_ASSIGN_OR_RETURN(
            take, HasVisibleEvent(reader, room, user_id, ignored, thread));
      }
      if (take && page.roots.size() == limit) return page;
      until = thread.thread_pos - 1;
      page.next = until;
      if (take) page.roots.push_back(std::move(roots[i]));
    }
    if (end) {
      page.next.reset();
      return page;
    }
    if (budget == 0) return page;
  }
}

}  // namespace

Result<std::string> RelationService::Threads(const Session& session,
                                             std::string_view room_id,
                                             const ThreadsQuery& query) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow window,
                      OpenRoom(reader, session.user_id, room_id));
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, session.user_id));
  MC_ASSIGN_OR_RETURN(
      ThreadPage page,
      ReadThreads(reader, window, session.user_id, ignored,
                  query.from ? query.from->position : INT64_MAX,
                  std::min(query.limit, kMaxThreads), query.only_participated));
  for (StoredEvent& root : page.roots) {
    if (!IsIgnored(ignored, root.event->sender())) continue;
    MC_ASSIGN_OR_RETURN(root.event, RedactEvent(*root.event));
  }
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(events.WriteArray(out, window.room, page.roots, kFormat));
  if (page.next) out.Field("next_batch", TokenAt(*page.next));
  out.EndObject();
  return body;
}

}  // namespace matrixcore
