#include "room/known_events.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/room/tables.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

size_t BytesOf(const KnownEvents::StoredPtr& stored) {
  return SharedBlock<StoredEvent>() + stored->event->ByteSize();
}

}  // namespace

KnownEvents::KnownEvents(RoomNid room, const RoomVersionRules& rules,
                         size_t budget_bytes)
    : room_(room),
      rules_(rules),
      budget_(2 * budget_bytes),
      events_(budget_, "events", 1, BytesOf),
      ids_(budget_, "ids", 1, &LruCache<std::string, EventIdx>::Weightless) {}

KnownEvents::StoredPtr KnownEvents::Take(Row row) {
  Result<StoredEvent> stored = EventFromRow(std::move(row), rules_);
  if (!stored.ok()) return nullptr;
  auto event = std::make_shared<const StoredEvent>(std::move(*stored));
  Keep(event);
  return event;
}

Result<KnownEvents::StoredPtr> KnownEvents::At(EventIdx idx) {
  if (const auto it = pinned_.find(idx); it != pinned_.end()) return it->second;
  if (const auto known = events_.Get(idx)) return *known;
  MC_ASSIGN_OR_RETURN(
      std::optional<Row> row,
      snapshot_->Get(tables::kEvents, {Cell(room_), Cell(int64_t{idx})}));
  return row ? Take(std::move(*row)) : StoredPtr();
}

Status KnownEvents::Load(std::span<const EventIdx> idxs) {
  std::vector<EventIdx> missing;
  for (const EventIdx idx : idxs) {
    if (!pinned_.contains(idx) && !events_.Get(idx)) missing.push_back(idx);
  }
  if (missing.empty()) return OkStatus();
  std::sort(missing.begin(), missing.end());
  MC_ASSIGN_OR_RETURN(std::vector<std::optional<Row>> rows,
                      ReadEventRows(*snapshot_, room_, missing));
  for (std::optional<Row>& row : rows) {
    if (row) Take(std::move(*row));
  }
  return OkStatus();
}

Result<KnownEvents::StoredPtr> KnownEvents::Find(std::string_view event_id) {
  if (const auto it = pinned_ids_.find(event_id); it != pinned_ids_.end()) {
    return pinned_.at(it->second);
  }
  if (const auto idx = ids_.Get(std::string(event_id))) return At(*idx);
  return Fresh(event_id);
}

Result<KnownEvents::StoredPtr> KnownEvents::Fresh(std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                      snapshot_->Scan({.table = &tables::kEvents,
                                       .index = tables::Events::kByEventId,
                                       .prefix = {Cell(std::string(event_id))},
                                       .limit = 1}));
  if (rows.empty() || CellInt(rows[0][tables::Events::kRoom]) != room_) {
    return StoredPtr();
  }
  return Take(std::move(rows[0]));
}

void KnownEvents::Keep(const StoredPtr& event) {
  events_.Put(event->idx, event);
  ids_.Put(event->event->event_id(), event->idx);
}

void KnownEvents::Pin(const StoredPtr& event) {
  pinned_[event->idx] = event;
  pinned_ids_[event->event->event_id()] = event->idx;
}

void KnownEvents::ReleasePinned() {
  for (const auto& [idx, event] : pinned_) Keep(event);
  pinned_.clear();
  pinned_ids_.clear();
}

Result<std::vector<KnownEvents::StoredPtr>> AuthEventsOf(const Event& event,
                                                         KnownEvents& events) {
  std::vector<KnownEvents::StoredPtr> found;
  for (const std::string& id : event.auth_events()) {
    MC_ASSIGN_OR_RETURN(found.emplace_back(), events.Find(id));
  }
  return found;
}

}  // namespace matrixcore
