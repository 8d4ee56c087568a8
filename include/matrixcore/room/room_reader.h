// RoomReader: everything that is known of rooms at one snapshot.
//
// Typed reads over the room tables, with the caches of immutable facts (events,
// state snapshots, key names) that all readers of a server share in RoomCaches.
// What they give are the values of room/stored_room.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/views.h"
#include "matrixcore/room/room_preview.h"
#include "matrixcore/room/stored_room.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Caches of immutable facts, shared by the readers of one server.  Thread-safe.
class RoomCaches {
 public:
  // The budget outlives those who ask for it.
  explicit RoomCaches(CacheBudget& budget);
  // With a budget of their own, for tools: so much for events and for states.
  struct Options {
    size_t event_bytes = 8u << 20;
    size_t state_bytes = 4u << 20;
  };
  explicit RoomCaches(const Options& options);
  ~RoomCaches();

  CacheBudget& budget() const { return budget_; }

  // Forgets the cached form of an event (it was redacted).
  void ForgetEvent(RoomNid room, EventIdx idx);
  // Forgets all that is known of a room's key names and states (another process
  // wrote the room, or the room was purged).
  void ForgetRoom(RoomNid room);

  // Somebody was erased (room/erasure.h).
  void NoteErasure() { has_erasures_ = true; }
  bool has_erasures() const { return has_erasures_; }

 private:
  friend class RoomReader;
  friend class RoomWriter;
  struct Rep;
  std::unique_ptr<CacheBudget> own_budget_;
  CacheBudget& budget_;
  std::unique_ptr<Rep> rep_;
  std::atomic<bool> has_erasures_{false};
};

// Not thread-safe: it belongs to the owner of `snapshot`; both references
// outlive it.  Failures are those of the store.
class RoomReader {
 public:
  RoomReader(Snapshot& snapshot, RoomCaches& caches)
      : snapshot_(snapshot), caches_(caches) {}

  Snapshot& snapshot() { return snapshot_; }
  const RoomCaches& caches() const { return caches_; }
  Position position() const { return snapshot_.position(); }

  // --- Rooms ---
  Result<std::optional<RoomHead>> Head(std::string_view room_id);
  Result<std::optional<RoomHead>> Head(RoomNid room);
  // In the order of `rooms`; rooms that do not exist are nothing.
  Result<std::vector<std::optional<RoomHead>>> Heads(
      std::span<const RoomNid> rooms);

  // --- Events ---
  // Known also when rejected or soft-failed: look at the flags.
  struct Located {
    RoomNid room = 0;
    StoredEvent stored;
  };
  Result<std::optional<Located>> Event(std::string_view event_id);
  Result<std::vector<EventPtr>> Events(const RoomHead& room,
                                       std::span<const EventIdx> idxs);
  Result<std::vector<StoredEvent>> StoredEvents(const RoomHead& room,
                                                std::span<const EventIdx> idxs);

  // The timeline between two positions: `after` < pos <= `until`.  Ascending,
  // or the newest first; without rejected and soft-failed events.
  struct Range {
    Position after = 0;
    Position until = INT64_MAX;
    bool newest_first = false;
    size_t limit = SIZE_MAX;
  };
  Result<std::vector<StoredEvent>> Timeline(const RoomHead& room,
                                            const Range& range);
  // The state snapshot after the last event at or before `pos`; 0 before the
  // room's first event.
  Result<StateSnap> StateAtPosition(const RoomHead& room, Position pos);

  // The next events of the log, of all rooms: `after` < pos, ascending; with
  // rejected and soft-failed ones.  Events of one room share its head.
  struct LogEvent {
    std::shared_ptr<const RoomHead> room;
    StoredEvent stored;
  };
  Result<std::vector<LogEvent>> Log(Position after, size_t limit);

  // The events of a room in the order of origin_server_ts: from `ts` on, or
  // down from it with `backwards`; with rejected and soft-failed ones.
  struct TimeRange {
    int64_t ts = 0;  // Inclusive.
    bool backwards = false;
    size_t limit = SIZE_MAX;
    // To read on: the number of the last event that was read at `ts`.
    EventIdx beyond = 0;
  };
  Result<std::vector<StoredEvent>> ByTime(const RoomHead& room,
                                          const TimeRange& range);

  // --- Relations (spec: "Forming relationships between events") ---
  struct RelationQuery {
    std::string_view rel_type = {};  // "": all.
    Position after = 0;              // Exclusive.
    Position until = INT64_MAX;      // Inclusive.
    bool newest_first = true;
    size_t limit = SIZE_MAX;
  };
  Result<std::vector<RelatedEvent>> Relations(const RoomHead& room,
                                              std::string_view target,
                                              const RelationQuery& query);
  // In the order of `targets`; nothing where no event relates to one.
  Result<std::vector<std::optional<RelationSummary>>> RelationSummaries(
      const RoomHead& room, std::span<const std::string_view> targets);
  // Threads by their last event, the newest first: pos <= `until`.
  Result<std::vector<RelationSummary>> Threads(const RoomHead& room,
                                               Position until, size_t limit);
  // How many events the user has in each of those threads.
  Result<std::vector<int64_t>> ThreadShares(
      const RoomHead& room, std::string_view user_id,
      std::span<const std::string_view> roots);
  // The same for everybody in one thread, at most `limit`, by user id.
  Result<std::vector<std::pair<std::string, int64_t>>> ThreadUsers(
      const RoomHead& room, std::string_view root, size_t limit);
  // Whether some event of one of those senders relates to `target` with one of
  // those types; empty lists allow all.
  Result<bool> IsRelatedTo(const RoomHead& room, std::string_view target,
                           std::span<const std::string> senders,
                           std::span<const std::string> rel_types);

  // --- State ---
  Result<StateMapPtr> State(const RoomHead& room, StateSnap snap);
  // The number of a key in the room, 0 if no event ever had it.
  Result<StateKeyNum> KeyNum(const RoomHead& room, std::string_view type,
                             std::string_view state_key);
  Result<StateKey> KeyName(const RoomHead& room, StateKeyNum num);
  // The event at a key of a state; null when absent.
  Result<EventPtr> StateEvent(const RoomHead& room, StateSnap snap,
                              std::string_view type,
                              std::string_view state_key);
  // Those of one type, ordered by state key; costs nothing for other types.
  Result<std::vector<EventPtr>> StateEventsOfType(const RoomHead& room,
                                                  StateSnap snap,
                                                  std::string_view type);
  // All events of a state, ordered by key number; or those of which `keep`
  // approves by name (called for each key, cheap).
  using KeyFilter =
      std::function<bool(std::string_view type, std::string_view state_key)>;
  Result<std::vector<StoredEvent>> StateEvents(const RoomHead& room,
                                               StateSnap snap,
                                               const KeyFilter& keep = {});
  // The events that `to` has and `from` has not (changed or added keys).
  Result<std::vector<StoredEvent>> StateDifference(const RoomHead& room,
                                                   StateSnap from, StateSnap to,
                                                   const KeyFilter& keep = {});

  // --- Members ---
  Result<std::optional<MembershipRow>> MembershipOf(std::string_view user_id,
                                                    RoomNid room);
  // Of every room that the user ever had to do with, by room number.
  Result<std::vector<MembershipRow>> RoomsOf(std::string_view user_id);
  // Those that changed after a position, in the order of change.
  Result<std::vector<MembershipRow>> RoomsOfSince(std::string_view user_id,
                                                  Position after);
  // Users with that membership now, ordered by user id.
  Result<std::vector<MembershipRow>> Members(RoomNid room,
                                             Membership membership,
                                             size_t limit = SIZE_MAX);
  // The event that ended the user's last stay in the room: the first leave or
  // ban after being joined.  Nothing while joined, and for who never was.
  Result<std::optional<StoredEvent>> EndOfStay(const RoomHead& room,
                                               std::string_view user_id);
  // Of a user at a state; kNone if never mentioned.
  Result<Membership> MembershipAt(const RoomHead& room, StateSnap snap,
                                  std::string_view user_id);

  // --- Visibility (spec: client-server API, "History visibility") ---
  // Whether `user_id` may see each of `events`, in their order.
  Result<std::vector<bool>> Visible(const RoomHead& room,
                                    std::string_view user_id,
                                    std::span<const StoredEvent> events);

  // --- Directory ---
  // In the order of `rooms`; that of an unknown room is empty.
  Result<std::vector<RoomPreview>> Previews(std::span<const RoomNid> rooms);
  // Rooms in the directory, the largest first.  A place stands at a room, which
  // need not be listed any more, or be as large.
  struct ListedPlace {
    int64_t joined = 0;
    RoomNid room = 0;
  };
  // Those after a place (nothing: from the first), or, backwards, those before
  // it in the reverse order.
  Result<std::vector<RoomHead>> ListedRooms(
      const std::optional<ListedPlace>& place, bool backwards, size_t limit);
  Result<int64_t> CountListedRooms();
  // The room of a local alias.
  Result<std::optional<RoomNid>> AliasRoom(std::string_view alias);
  Result<std::vector<std::string>> AliasesOf(RoomNid room);

 private:
  template <typename After>
  Result<EventIdx> FirstEvent(const RoomHead& room, After after);
  // The number of the room's first event after that position.
  Result<EventIdx> FirstAfter(const RoomHead& room, Position pos);
  // What ByTime merges.
  Result<std::vector<StoredEvent>> PunctualByTime(const RoomHead& room,
                                                  const TimeRange& range);
  Result<std::vector<StoredEvent>> LateByTime(const RoomHead& room,
                                              const TimeRange& range);
  // Learns the names of those numbers, or of all.
  Status LearnNames(const RoomHead& room, StateKeyNames& names,
                    std::span<const StateKeyNum> nums);
  Result<std::vector<MembershipRow>> ScanMemberships(const ScanSpec& spec);

  Snapshot& snapshot_;
  RoomCaches& caches_;
};

}  // namespace matrixcore
