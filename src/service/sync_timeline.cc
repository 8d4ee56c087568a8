#include "service/sync_timeline.h"

#include <algorithm>
#include <utility>

#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

// When a filter or the history visibility hides most of a room, reading ends
// after this many events; the client pages on from there.
constexpr size_t kMaxRead = 1000;
constexpr size_t kMaxChunk = 250;

// Which events of a chunk are given.
Result<std::vector<bool>> Choose(RoomReader& reader, const RoomHead& room,
                                 const TimelineRequest& request,
                                 const std::vector<StoredEvent>& chunk) {
  std::vector<bool> chosen(chunk.size(), false);
  std::vector<StoredEvent> unsure;
  std::vector<size_t> places;
  for (size_t i = 0; i < chunk.size(); ++i) {
    const Event& event = *chunk[i].event;
    if (!event.is_state() && IsIgnored(*request.ignored, event.sender())) {
      continue;
    }
    if (!request.filter->Allows(event)) continue;
    chosen[i] = chunk[i].pos > request.visible_after;
    if (chosen[i]) continue;
    unsure.push_back(chunk[i]);
    places.push_back(i);
  }
  if (unsure.empty()) return chosen;
  MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                      reader.Visible(room, request.user_id, unsure));
  StateMapPtr known;
  for (size_t i = 0; i < unsure.size(); ++i) {
    chosen[places[i]] = visible[i];
    const Event& event = *unsure[i].event;
    if (visible[i] || !event.is_state() || !request.known_state) continue;
    if (known == nullptr) {
      MC_ASSIGN_OR_RETURN(known, reader.State(room, *request.known_state));
    }
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader.KeyNum(room, event.type(), *event.state_key()));
    chosen[places[i]] = key != 0 && known->Find(key) == unsure[i].idx;
  }
  return chosen;
}

}  // namespace

bool IsIgnored(const IgnoredUsers& ignored, std::string_view user_id) {
  return !ignored.empty() &&
         std::binary_search(ignored.begin(), ignored.end(), user_id);
}

Result<Timeline> ReadTimeline(RoomReader& reader, const RoomHead& room,
                              const TimelineRequest& request) {
  Timeline timeline;
  timeline.start = std::min(request.until, reader.position());
  if (request.filter->AllowsNothing() ||
      !request.filter->AllowsRoom(room.room_id)) {
    timeline.complete = false;
    timeline.any_redaction = true;
    return timeline;
  }
  if (room.last_pos <= request.after) return timeline;
  RoomReader::Range range{.after = request.after,
                          .until = request.until,
                          .newest_first = true,
                          .limit = std::min(request.limit + 1, kMaxChunk)};
  size_t read = 0;
  for (bool end = false; !end && !timeline.limited;) {
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> chunk,
                        reader.Timeline(room, range));
    end = chunk.size() < range.limit;
    MC_ASSIGN_OR_RETURN(const std::vector<bool> chosen,
                        Choose(reader, room, request, chunk));
    for (size_t i = 0; i < chunk.size(); ++i) {
      range.until = chunk[i].pos - 1;
      if (chunk[i].event->is_state()) timeline.any_state = true;
      timeline.before = chunk[i].before;
      if (chunk[i].event->type() == kTypeRedaction) {
        timeline.any_redaction = true;
      }
      if (!chosen[i]) continue;
      if (timeline.events.size() == request.limit) {
        timeline.limited = true;
        break;
      }
      timeline.start = chunk[i].pos - 1;
      timeline.events.push_back(std::move(chunk[i]));
    }
    read += chunk.size();
    if (!end && read >= kMaxRead) timeline.limited = true;
    range.limit = std::min(range.limit * 2, kMaxChunk);
  }
  timeline.complete = !timeline.limited;
  if (!timeline.complete) timeline.any_redaction = true;
  std::reverse(timeline.events.begin(), timeline.events.end());
  return timeline;
}

}  // namespace matrixcore
