#include "service/room_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/service/tokens.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

// How many events one page may read for each that it gives.
constexpr size_t kReadsPerEvent = 10;
constexpr size_t kMinReads = 500;

Status NotInRoom() { return ForbiddenError("You are not in this room."); }

// Where a token stands that continues after `event`.
Position Beyond(const StoredEvent& event, bool backwards) {
  return backwards ? event.pos - 1 : event.pos;
}

// Which of `events` the page takes if there is room for them.
Result<std::vector<bool>> Choose(const PageReader& who, const RoomHead& room,
                                 const std::vector<StoredEvent>& events) {
  MC_ASSIGN_OR_RETURN(std::vector<bool> chosen,
                      who.reader.Visible(room, who.user_id, events));
  std::vector<size_t> places;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = *events[i].event;
    chosen[i] = chosen[i] && who.filter.Allows(event) &&
                (event.is_state() || !IsIgnored(who.ignored, event.sender()));
    if (chosen[i]) places.push_back(i);
  }
  if (!who.filter.AsksForRelations() || places.empty()) return chosen;
  static const std::vector<std::string> kAll;
  const auto& senders = who.filter.related_by_senders;
  const auto& rel_types = who.filter.related_by_rel_types;
  const bool none =
      (senders && senders->empty()) || (rel_types && rel_types->empty());
  std::vector<std::string_view> ids;
  for (const size_t i : places) ids.push_back(events[i].event->event_id());
  MC_ASSIGN_OR_RETURN(const auto summaries,
                      who.reader.RelationSummaries(room, ids));
  for (size_t i = 0; i < places.size(); ++i) {
    chosen[places[i]] = false;
    if (!summaries[i] || none) continue;
    MC_ASSIGN_OR_RETURN(
        const bool related,
        who.reader.IsRelatedTo(room, ids[i], senders ? *senders : kAll,
                               rel_types ? *rel_types : kAll));
    chosen[places[i]] = related;
  }
  return chosen;
}

}  // namespace

Result<RoomWindow> OpenRoom(RoomReader& reader, const std::string& user_id,
                            std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(auto head, reader.Head(room_id));
  if (!head) return NotInRoom();
  RoomWindow window;
  window.room = std::move(*head);
  window.state = window.room.state;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(user_id, window.room.nid));
  window.joined = row && row->membership == Membership::kJoin;
  if (window.joined) return window;
  MC_ASSIGN_OR_RETURN(const EventPtr visibility,
                      reader.StateEvent(window.room, window.room.state,
                                        kTypeHistoryVisibility, ""));
  if (HistoryVisibilityOf(visibility.get()) ==
      HistoryVisibility::kWorldReadable) {
    return window;
  }
  if (!row || row->forgotten) return NotInRoom();
  // Left: the room as it was then.
  MC_ASSIGN_OR_RETURN(const auto end, reader.EndOfStay(window.room, user_id));
  if (!end) return NotInRoom();
  window.until = end->pos;
  window.state = end->after;
  return window;
}

Result<StoredEvent> FindVisible(RoomReader& reader, const std::string& user_id,
                                const RoomHead& room,
                                std::string_view event_id) {
  const Status missing =
      NotFoundError(fmt::format("There is no event {} here.", event_id));
  MC_ASSIGN_OR_RETURN(auto found, reader.Event(event_id));
  if (!found || found->room != room.nid || found->stored.flags != 0) {
    return missing;
  }
  MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                      reader.Visible(room, user_id, {&found->stored, 1}));
  if (!visible[0]) return missing;
  return std::move(found->stored);
}

Result<EventPage> ReadPage(const PageReader& who, const RoomHead& room,
                           PageRequest request) {
  EventPage page;
  size_t budget = std::max(kMinReads, request.limit * kReadsPerEvent);
  while (true) {
    const size_t wanted =
        std::min(budget, request.limit - page.events.size() + 1);
    MC_ASSIGN_OR_RETURN(
        std::vector<StoredEvent> events,
        who.reader.Timeline(room, {.after = request.after,
                                   .until = request.until,
                                   .newest_first = request.backwards,
                                   .limit = wanted}));
    const bool end = events.size() < wanted;
    MC_ASSIGN_OR_RETURN(const std::vector<bool> chosen,
                        Choose(who, room, events));
    for (size_t i = 0; i < events.size(); ++i) {
      if (chosen[i] && page.events.size() == request.limit) return page;
      const Position beyond = Beyond(events[i], request.backwards);
      page.next = beyond;
      (request.backwards ? request.until : request.after) = beyond;
      if (chosen[i]) page.events.push_back(std::move(events[i]));
    }
    if (end) {
      page.next.reset();
      return page;
    }
    budget -= std::min(budget, events.size());
    if (budget == 0) return page;
  }
}

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

Result<std::vector<StoredEvent>> OnlyVisible(RoomReader& reader,
                                             const RoomHead& room,
                                             const std::string& user_id,
                                             const IgnoredUsers& ignored,
                                             std::vector<StoredEvent> events) {
  MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                      reader.Visible(room, user_id, events));
  std::vector<StoredEvent> kept;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = *events[i].event;
    if (!visible[i] || events[i].flags != 0 ||
        (!event.is_state() && IsIgnored(ignored, event.sender()))) {
      continue;
    }
    kept.push_back(std::move(events[i]));
  }
  return kept;
}

std::string TokenAt(Position position) {
  return StreamToken{position, 0}.ToString();
}

}  // namespace matrixcore
