#include "room/room_cut.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <string>
#include <utility>

#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/auth_chain.h"
#include "room/known_events.h"
#include "room/room_caches.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

constexpr size_t kEventBudget = size_t{8} << 20;

std::vector<EventIdx> Sorted(const absl::flat_hash_set<EventIdx>& set) {
  std::vector<EventIdx> sorted(set.begin(), set.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// Adds those in `open` and their auth chains to `needed`.
Status Close(KnownEvents& events, const std::vector<EventIdx>& open,
             absl::flat_hash_set<EventIdx>& needed) {
  MC_ASSIGN_OR_RETURN(const std::vector<EventIdx> chain,
                      AuthChainOf(events, open, [&needed](EventIdx idx) {
                        return needed.contains(idx);
                      }));
  needed.insert(chain.begin(), chain.end());
  return OkStatus();
}

// Whether the state before an event cannot be told from what stays.
Result<bool> FollowsWhatGoes(KnownEvents& events, const StoredEvent& stored,
                             EventIdx cut) {
  for (const std::string& id : stored.event->prev_events()) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr prev, events.Find(id));
    if (prev == nullptr || prev->idx < cut ||
        (prev->flags & kEventOutlier) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<CutNeeds> FindCutNeeds(
    Store& store, const RoomHead& head, EventIdx cut, size_t chunk,
    const std::function<bool(uint64_t done, uint64_t total)>& progress) {
  KnownEvents events(head.nid, *head.rules, kEventBudget);
  RoomCaches caches({.event_bytes = 0, .state_bytes = kEventBudget});
  absl::flat_hash_set<EventIdx> needed;
  absl::flat_hash_set<StateSnap> states;
  CutNeeds needs;
  EventIdx last = cut - 1;
  for (bool more = true; more;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    events.Use(*snapshot);
    RoomReader reader(*snapshot, caches);
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot->Scan({.table = &tables::kEvents,
                        .prefix = {Cell(head.nid)},
                        .from = ScanSpec::Bound{Cell(int64_t{last}), false},
                        .limit = chunk}));
    more = rows.size() == chunk;
    std::vector<EventIdx> open;
    for (Row& row : rows) {
      MC_ASSIGN_OR_RETURN(StoredEvent read,
                          EventFromRow(std::move(row), *head.rules));
      last = read.idx;
      const auto stored = std::make_shared<const StoredEvent>(std::move(read));
      events.Keep(stored);
      MC_ASSIGN_OR_RETURN(const auto auth,
                          AuthEventsOf(*stored->event, events));
      for (const KnownEvents::StoredPtr& event : auth) {
        if (event != nullptr && event->idx < cut) open.push_back(event->idx);
      }
      MC_ASSIGN_OR_RETURN(const bool edge,
                          FollowsWhatGoes(events, *stored, cut));
      if (stored->after != stored->before) {
        needs.first_new_state = std::min(needs.first_new_state, stored->after);
      }
      if (!edge || !states.insert(stored->before).second) continue;
      MC_ASSIGN_OR_RETURN(const StateMapPtr state,
                          reader.State(head, stored->before));
      for (const EventIdx idx : state->events()) {
        if (idx < cut) open.push_back(idx);
      }
    }
    MC_RETURN_IF_ERROR(Close(events, open, needed));
    if (progress && !progress(last - cut + 1, head.last_idx - cut + 1)) {
      return Status(StatusCode::kAborted, "ended before it was done");
    }
  }
  if (cut > 1) needed.insert(1);  // The create event.
  needs.events = Sorted(needed);
  needs.states.assign(states.begin(), states.end());
  std::sort(needs.states.begin(), needs.states.end());
  return needs;
}

Result<std::vector<EventIdx>> AuthClosure(Store& store, const RoomHead& head,
                                          std::vector<EventIdx> events) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store.NewSnapshot());
  KnownEvents known(head.nid, *head.rules, kEventBudget);
  known.Use(*snapshot);
  return AuthChainOf(known, events);
}

}  // namespace matrixcore
