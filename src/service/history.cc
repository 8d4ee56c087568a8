#include "matrixcore/service/history.h"

#include <fmt/format.h>

#include <algorithm>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "service/room_access.h"
#include "service/room_window.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

// How many events timestamp_to_event looks at before it gives up, when the
// history visibility hides them.
constexpr size_t kMaxTimeReads = 2000;
constexpr size_t kTimeChunk = 20;

Status NotInRoom() { return ForbiddenError("You are not in this room."); }

constexpr ClientEventFormat kWithRelations = {.with_relations = true};
// Of state as a whole, the history does not matter.
constexpr ClientEventFormat kState = {.with_membership = false};

// Of a page in whichever direction.
const StoredEvent& NewestOf(const std::vector<StoredEvent>& events) {
  return events.front().pos > events.back().pos ? events.front()
                                                : events.back();
}

// The state of /context, as far as the filter wants it.
Result<std::vector<StoredEvent>> ContextState(
    RoomReader& reader, const RoomHead& room, StateSnap snap,
    const RoomEventFilter& filter, const std::vector<StoredEvent>& shown) {
  std::vector<StoredEvent> state;
  if (!filter.AllowsRoom(room.room_id)) return state;
  MC_ASSIGN_OR_RETURN(
      state,
      reader.StateEvents(
          room, snap, [&filter](std::string_view type, std::string_view) {
            return filter.AllowsType(type) &&
                   !(filter.lazy_load_members && type == kTypeMember);
          }));
  if (filter.lazy_load_members && filter.AllowsType(kTypeMember)) {
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> members,
                        SendersOf(reader, room, snap, shown));
    state.insert(state.end(), members.begin(), members.end());
  }
  std::erase_if(state, [&filter](const StoredEvent& stored) {
    return !filter.Allows(*stored.event);
  });
  return state;
}

// The state at a token of the past.  M_FORBIDDEN when the user may not see the
// event that it follows.
Result<StateSnap> StateAtToken(RoomReader& reader, const Session& session,
                               const RoomHead& room, Position position) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> last,
      reader.Timeline(room,
                      {.until = position, .newest_first = true, .limit = 1}));
  if (last.empty()) return StateSnap{0};
  MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                      reader.Visible(room, session.user_id, last));
  if (!visible[0]) {
    return ForbiddenError("You may not see the room as it was then.");
  }
  return last[0].after;
}

}  // namespace

Result<std::string> HistoryService::Messages(const Session& session,
                                             std::string_view room_id,
                                             const MessagesQuery& query) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  const Position newest = std::min(view.until, reader.position());
  const Position start = query.from        ? query.from->position
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
  EventPage page;
  if (query.filter.AllowsRoom(view.room.room_id) && request.limit > 0) {
    MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                        ReadIgnoredUsers(*snapshot, session.user_id));
    MC_ASSIGN_OR_RETURN(
        page, ReadPage({reader, session.user_id, query.filter, ignored},
                       view.room, request));
  }
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, page.events, kWithRelations));
  // Behind the newest event more may come, for those who will see it; an empty
  // page then ends a client's walk.
  const bool goes_on = !query.backwards && !query.to && !page.events.empty() &&
                       view.until >= reader.position();
  if (request.limit == 0) {
    out.Field("end", TokenAt(start));  // Nothing was looked at.
  } else if (page.next || goes_on) {
    out.Field("end", TokenAt(page.next.value_or(reader.position())));
  }
  out.Field("start", query.from ? query.from->ToString() : TokenAt(start));
  if (query.filter.lazy_load_members && !page.events.empty()) {
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> members,
        SendersOf(reader, view.room, NewestOf(page.events).after, page.events));
    out.Key("state");
    MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, members, kState));
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
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  MC_ASSIGN_OR_RETURN(
      const StoredEvent event,
      FindVisible(reader, session.user_id, view.room, event_id));
  limit = std::min(limit, kMaxPage);
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, session.user_id));
  const PageReader who{reader, session.user_id, filter, ignored};
  const bool wanted = filter.AllowsRoom(view.room.room_id);
  EventPage before;
  EventPage after;
  if (wanted && limit / 2 > 0) {
    MC_ASSIGN_OR_RETURN(before, ReadPage(who, view.room,
                                         {.backwards = true,
                                          .until = event.pos - 1,
                                          .limit = limit / 2}));
  }
  if (wanted && limit > 0) {
    MC_ASSIGN_OR_RETURN(
        after, ReadPage(who, view.room,
                        {.backwards = false,
                         .after = event.pos,
                         .until = std::min(view.until, reader.position()),
                         .limit = limit - limit / 2}));
  }
  const StoredEvent& last = after.events.empty() ? event : after.events.back();
  const StoredEvent& first =
      before.events.empty() ? event : before.events.back();
  std::vector<StoredEvent> shown = before.events;
  shown.insert(shown.end(), after.events.begin(), after.events.end());
  shown.push_back(event);
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> state,
      ContextState(reader, view.room, last.after, filter, shown));
  ClientEvents events(reader, session, deps_.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Field("end", TokenAt(after.next.value_or(last.pos)));
  out.Key("event");
  MC_RETURN_IF_ERROR(events.Write(out, view.room, event, kWithRelations));
  out.Key("events_after");
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, after.events, kWithRelations));
  out.Key("events_before");
  MC_RETURN_IF_ERROR(
      events.WriteArray(out, view.room, before.events, kWithRelations));
  out.Field("start", TokenAt(before.next.value_or(first.pos - 1)));
  out.Key("state");
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, state, kState));
  out.EndObject();
  return body;
}

Result<std::string> HistoryService::Event(const Session& session,
                                          std::string_view room_id,
                                          std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  const Status missing =
      NotFoundError(fmt::format("There is no event {} here.", event_id));
  std::optional<RoomHead> head;
  if (!room_id.empty()) {
    MC_ASSIGN_OR_RETURN(head, reader.Head(room_id));
  } else {
    MC_ASSIGN_OR_RETURN(const auto found, reader.Event(event_id));
    if (!found) return missing;
    MC_ASSIGN_OR_RETURN(head, reader.Head(found->room));
  }
  if (!head) return missing;
  MC_ASSIGN_OR_RETURN(const StoredEvent event,
                      FindVisible(reader, session.user_id, *head, event_id));
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  MC_RETURN_IF_ERROR(events.Write(out, *head, event, kWithRelations));
  return body;
}

Result<std::string> HistoryService::EventByTimestamp(const Session& session,
                                                     std::string_view room_id,
                                                     int64_t ts,
                                                     bool backwards) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  RoomReader::TimeRange range{
      .ts = ts, .backwards = backwards, .limit = kTimeChunk};
  for (size_t read = 0; read < kMaxTimeReads;) {
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> chunk,
                        reader.ByTime(view.room, range));
    if (chunk.empty()) break;
    read += chunk.size();
    range.ts = chunk.back().event->origin_server_ts();
    range.beyond = chunk.back().idx;
    range.limit = std::min(range.limit * 2, kMaxPage);
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> visible,
        OnlyVisible(reader, view.room, session.user_id, {}, std::move(chunk)));
    if (visible.empty()) continue;
    const matrixcore::Event& event = *visible[0].event;
    std::string body;
    json::Writer(&body)
        .BeginObject()
        .Field("event_id", event.event_id())
        .Field("origin_server_ts", event.origin_server_ts())
        .EndObject();
    return body;
  }
  return NotFoundError(fmt::format("There is no event {} {} here.",
                                   backwards ? "at or before" : "at or after",
                                   ts));
}

Result<std::string> HistoryService::State(const Session& session,
                                          std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> state,
                      reader.StateEvents(view.room, view.state));
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, state, kState));
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
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  const auto named = [&](std::string_view t, std::string_view k) {
    return t == type && k == state_key;
  };
  MC_ASSIGN_OR_RETURN(
      const EventPtr event,
      reader.StateEvent(view.room, view.state, type, state_key));
  if (event == nullptr) {
    return NotFoundError(
        fmt::format("The room has no state {} with the key "
                    "\"{}\".",
                    type, state_key));
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
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
  StateSnap state = view.state;
  if (query.at &&
      query.at->position < std::min(view.until, reader.position())) {
    MC_ASSIGN_OR_RETURN(
        state, StateAtToken(reader, session, view.room, query.at->position));
  }
  MC_ASSIGN_OR_RETURN(
      std::vector<StoredEvent> members,
      reader.StateEvents(view.room, state,
                         [](std::string_view type, std::string_view) {
                           return type == kTypeMember;
                         }));
  std::erase_if(members, [&query](const StoredEvent& stored) {
    if (!query.membership && !query.not_membership) return false;
    // Either of the two is enough.
    const Membership membership = MembershipOf(*stored.event);
    return !(query.membership && membership == *query.membership) &&
           !(query.not_membership && membership != *query.not_membership);
  });
  std::string body;
  json::Writer out(&body);
  ClientEvents events(reader, session, deps_.clock.Now());
  out.BeginObject();
  out.Key("chunk");
  MC_RETURN_IF_ERROR(events.WriteArray(out, view.room, members, kState));
  out.EndObject();
  return body;
}

Result<std::string> HistoryService::JoinedMembers(const Session& session,
                                                  std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow view,
                      OpenRoom(reader, session.user_id, room_id));
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
