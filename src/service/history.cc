#include "matrixcore/service/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

// How many events one page may read for each that it gives, when a filter or the
// history visibility hides most: then the page ends early, with a token to go on.
constexpr size_t kReadsPerEvent = 10;
constexpr size_t kMinReads = 500;

Status NotInRoom() { return ForbiddenError("You are not in this room."); }

}  // namespace

// What one user may look at in a room: everything up to a position, and the state
// there.
struct HistoryService::View {
  RoomHead room;
  bool joined = false;
  Position until = INT64_MAX;
  StateSnap state = 0;
};

Result<HistoryService::View> HistoryService::Open(RoomReader& reader,
                                                  const Session& session,
                                                  std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(auto head, reader.Head(room_id));
  if (!head) return NotInRoom();
  View view;
  view.room = std::move(*head);
  view.state = view.room.state;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, view.room.nid));
  view.joined = row && row->membership == Membership::kJoin;
  if (view.joined) return view;
  MC_ASSIGN_OR_RETURN(
      const EventPtr visibility,
      reader.StateEvent(view.room, view.room.state, kTypeHistoryVisibility, ""));
  if (HistoryVisibilityOf(visibility.get()) == HistoryVisibility::kWorldReadable) {
    return view;
  }
  if (!row || row->forgotten) return NotInRoom();
  // Left: the room as it was then.
  MC_ASSIGN_OR_RETURN(const auto end,
                      reader.EndOfStay(view.room, session.user_id));
  if (!end) return NotInRoom();
  view.until = end->pos;
  view.state = end->after;
  return view;
}

Result<StoredEvent> HistoryService::FindVisible(RoomReader& reader,
                                                const Session& session,
                                                const View& view,
                                                std::string_view event_id) {
  const Status missing =
      NotFoundError(fmt::format("There is no event {} here.", event_id));
  MC_ASSIGN_OR_RETURN(auto found, reader.Event(event_id));
  if (!found || found->room != view.room.nid || found->stored.flags != 0) {
    return missing;
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<bool> visible,
      reader.Visible(view.room, session.user_id, {&found->stored, 1}));
  if (!visible[0]) return missing;
  return std::move(found->stored);
}

namespace {

// Visible, wanted events in one direction from a position.
struct Page {
  std::vector<StoredEvent> events;
  // Where the next page begins; nothing when there is no more.
  std::optional<Position> next;
};

struct PageRequest {
  bool backwards = true;
  Position after = 0;       // Exclusive.
  Position until = INT64_MAX;  // Inclusive.
  size_t limit = 0;
};

// Where a token stands that continues after `event`.
Position Beyond(const StoredEvent& event, bool backwards) {
  return backwards ? event.pos - 1 : event.pos;
}

Result<Page> ReadPage(RoomReader& reader, const Session& session,
                      const RoomHead& room, PageRequest request,
                      const RoomEventFilter& filter) {
  Page page;
  size_t budget = std::max(kMinReads, request.limit * kReadsPerEvent);
  while (true) {
    const size_t wanted =
        std::min(budget, request.limit - page.events.size() + 1);
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                        reader.Timeline(room, {.after = request.after,
                                               .until = request.until,
                                               .newest_first = request.backwards,
                                               .limit = wanted}));
    const bool end = events.size() < wanted;
    MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                        reader.Visible(room, session.user_id, events));
    for (size_t i = 0; i < events.size(); ++i) {
      const bool take = visible[i] && filter.Allows(*events[i].event);
      if (take && page.events.size() == request.limit) return page;
      const Position beyond = Beyond(events[i], request.backwards);
      page.next = beyond;
      (request.backwards ? request.until : request.after) = beyond;
      if (take) page.events.push_back(std::move(events[i]));
    }
    if (end) {
      page.next.reset();
      return page;
    }
    budget -= std::min(budget, events.size());
    if (budget == 0) return page;
  }
}

// The member events of those who sent `events`, as of a state: for lazy loading.
Result<std::vector<StoredEvent>> SendersOf(
    RoomReader& reader, const RoomHead& room, StateSnap state,
    const std::vector<StoredEvent>& events) {
  std::set<std::string_view> senders;
  for (const StoredEvent& event : events) senders.insert(event.event->sender());
  MC_ASSIGN_OR_RETURN(const StateMapPtr map, reader.State(room, state));
  std::vector<EventIdx> idxs;
  for (const std::string_view sender : senders) {
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader.KeyNum(room, kTypeMember, sender));
    if (key == 0) continue;
    if (const EventIdx idx = map->Find(key)) idxs.push_back(idx);
  }
  return reader.StoredEvents(room, idxs);
}

std::string Token(Position position) {
  return StreamToken{position, 0}.ToString();
}

}  // namespace

Result<std::string> HistoryService::Messages(const Session& session,
                                             std::string_view room_id,
                                             const MessagesQuery& query) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  const Position newest = std::min(view.until, reader.position());
  const Position start = query.from ? query.from->position
                         : query.backwards ? newest
                                           : Position{0};
  PageRequest request{.backwards = query.backwards,
                      .limit = std::min(query.limit, kMaxPage)};
  if (query.backwards) {
    request.until = std::min(start, newest);
    if (query.to) request.after = query.to->position;
  } else {
    request.after = start;
    request.until = query.to ? std::min(query.to->position, newest) : newest;
  }
  Page page;
  if (query.filter.AllowsRoom(view.room.room_id) && request.limit > 0) {
    MC_ASSIGN_OR_RETURN(
        page, ReadPage(reader, session, view.room, request, query.filter));
  }
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, page.events, {}));
  if (page.next) out.Field("end", Token(*page.next));
  out.Field("start", Token(start));
  if (query.filter.lazy_load_members && !page.events.empty()) {
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> members,
                        SendersOf(reader, view.room, page.events.front().after,
                                  page.events));
    out.Key("state");
    MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, members, {}));
  }
  out.EndObject();
  return body;
}

Result<std::string> HistoryService::Context(const Session& session,
                                            std::string_view room_id,
                                            std::string_view event_id,
                                            size_t limit,
                                            const RoomEventFilter& filter) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  MC_ASSIGN_OR_RETURN(const StoredEvent event,
                      FindVisible(reader, session, view, event_id));
  limit = std::min(limit, kMaxPage);
  const Position newest = std::min(view.until, reader.position());
  Page before;
  Page after;
  if (limit / 2 > 0) {
    MC_ASSIGN_OR_RETURN(before, ReadPage(reader, session, view.room,
                                         {.backwards = true,
                                          .until = event.pos - 1,
                                          .limit = limit / 2},
                                         filter));
  }
  if (limit - limit / 2 > 0) {
    MC_ASSIGN_OR_RETURN(after, ReadPage(reader, session, view.room,
                                        {.backwards = false,
                                         .after = event.pos,
                                         .until = newest,
                                         .limit = limit - limit / 2},
                                        filter));
  }
  const StoredEvent& last = after.events.empty() ? event : after.events.back();
  const StoredEvent& first =
      before.events.empty() ? event : before.events.back();
  std::vector<StoredEvent> state;
  if (filter.lazy_load_members) {
    std::vector<StoredEvent> shown = before.events;
    shown.insert(shown.end(), after.events.begin(), after.events.end());
    shown.push_back(event);
    MC_ASSIGN_OR_RETURN(state, reader.StateEvents(
        view.room, last.after, [](std::string_view type, std::string_view) {
          return type != kTypeMember;
        }));
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> members,
                        SendersOf(reader, view.room, last.after, shown));
    state.insert(state.end(), members.begin(), members.end());
  } else {
    MC_ASSIGN_OR_RETURN(state, reader.StateEvents(view.room, last.after));
  }
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Field("end", Token(after.next.value_or(last.pos)));
  out.Key("event");
  MC_RETURN_IF_ERROR(events.Write(out, view.room, event, {}));
  out.Key("events_after");
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, after.events, {}));
  out.Key("events_before");
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, before.events, {}));
  out.Field("start", Token(before.next.value_or(first.pos - 1)));
  out.Key("state");
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, state, {.with_membership = false}));
  out.EndObject();
  return body;
}

Result<std::string> HistoryService::Event(const Session& session,
                                          std::string_view room_id,
                                          std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  View view;
  const Status missing =
      NotFoundError(fmt::format("There is no event {} here.", event_id));
  if (!head) return missing;
  view.room = *head;
  MC_ASSIGN_OR_RETURN(const StoredEvent event,
                      FindVisible(reader, session, view, event_id));
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  MC_RETURN_IF_ERROR(events.Write(out, view.room, event, {}));
  return body;
}

Result<std::string> HistoryService::State(const Session& session,
                                          std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> state,
                      reader.StateEvents(view.room, view.state));
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, state, {.with_membership = false}));
  return body;
}

Result<std::string> HistoryService::StateEvent(const Session& session,
                                               std::string_view room_id,
                                               std::string_view type,
                                               std::string_view state_key,
                                               bool whole_event) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  const auto named = [&](std::string_view t, std::string_view k) {
    return t == type && k == state_key;
  };
  MC_ASSIGN_OR_RETURN(const EventPtr event,
                      reader.StateEvent(view.room, view.state, type, state_key));
  if (event == nullptr) {
    return NotFoundError(fmt::format("The room has no state {} with the key "
                                     "\"{}\".", type, state_key));
  }
  if (!whole_event) return std::string(event->content_json());
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> stored,
                      reader.StateEvents(view.room, view.state, named));
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  MC_RETURN_IF_ERROR(events.Write(out, view.room, stored.at(0), {}));
  return body;
}

Result<std::string> HistoryService::Members(const Session& session,
                                            std::string_view room_id,
                                            const MembersQuery& query) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  StateSnap state = view.state;
  if (query.at && query.at->position < std::min(view.until, reader.position())) {
    MC_ASSIGN_OR_RETURN(
        state, reader.StateAtPosition(view.room, query.at->position));
  }
  MC_ASSIGN_OR_RETURN(
      std::vector<StoredEvent> members,
      reader.StateEvents(view.room, state,
                         [](std::string_view type, std::string_view) {
                           return type == kTypeMember;
                         }));
  std::erase_if(members, [&query](const StoredEvent& stored) {
    const Membership membership = MembershipOf(*stored.event);
    return (query.membership && membership != *query.membership) ||
           (query.not_membership && membership == *query.not_membership);
  });
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, members, {.with_membership = false}));
  out.EndObject();
  return body;
}

Result<std::string> HistoryService::JoinedMembers(const Session& session,
                                                  std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const View view, Open(reader, session, room_id));
  if (!view.joined) return NotInRoom();
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader.Members(view.room.nid, Membership::kJoin));
  std::vector<EventIdx> idxs;
  for (const MembershipRow& row : rows) idxs.push_back(row.idx);
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> members,
                      reader.Events(view.room, idxs));
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("joined").BeginObject();
  for (const EventPtr& member : members) {
    out.Key(*member->state_key()).BeginObject();
    for (const auto& [field, name] :
         {std::pair{"avatar_url", "avatar_url"},
          std::pair{"displayname", "display_name"}}) {
      const json::Value value = member->content()[field];
      if (value.IsString()) out.RawField(name, value.raw());
    }
    out.EndObject();
  }
  out.EndObject();
  out.EndObject();
  return body;
}

}  // namespace matrixcore
