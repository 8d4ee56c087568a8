// The parts of CheckRoom.  For the room floor only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_check.h"
#include "room/known_events.h"
#include "room/room_keys.h"
#include "room/state_walk.h"

namespace matrixcore {

// Where findings go.
class FindingSink {
 public:
  FindingSink(std::string room_id,
              const std::function<void(const RoomFinding&)>& report)
      : room_id_(std::move(room_id)), report_(report) {}

  void Add(std::string_view what, std::string_view event_id, std::string stored,
           std::string expected, std::string rule = {}) {
    ++count_;
    report_({room_id_, std::string(event_id), what, std::move(rule),
             std::move(stored), std::move(expected)});
  }
  // Unless they are equal.
  void Compare(std::string_view what, std::string_view event_id,
               std::string_view stored, std::string_view expected) {
    if (stored != expected) {
      Add(what, event_id, std::string(stored), std::string(expected));
    }
  }
  void Compare(std::string_view what, std::string_view event_id, int64_t stored,
               int64_t expected) {
    if (stored != expected) {
      Add(what, event_id, std::to_string(stored), std::to_string(expected));
    }
  }
  uint64_t count() const { return count_; }

 private:
  const std::string room_id_;
  const std::function<void(const RoomFinding&)>& report_;
  uint64_t count_ = 0;
};

// Walks along a room's events in the order of their numbers.
class EventCheck {
 public:
  EventCheck(const RoomHead& head, const RoomCheckOptions& options,
             FindingSink& sink, RoomCheckResult& result);

  // Looks at the next rows of tables::kEvents, all of one snapshot.
  Status Check(RoomReader& reader, const RoomHead& head, std::vector<Row> rows);
  // After the last event: the room's head against the events.
  Status Finish(RoomReader& reader, const RoomHead& head);

  EventIdx last_idx() const { return last_idx_; }

 private:
  using StoredPtr = KnownEvents::StoredPtr;

  StateWalk::KeyNumOf KeyNums();
  Status LoadRoomFacts(RoomReader& reader);
  Status CheckOne(Row row);
  void CheckPlace(const Row& row);
  bool CheckColumns(const Row& row, const StoredEvent& stored);
  Status CheckBytes(const StoredEvent& stored);
  void CheckSignatures(const StoredEvent& stored);
  Status CheckRedaction(const StoredEvent& stored, const StateTree& before);
  Status CheckSoftFailure(const StoredEvent& stored);
  Status CheckOutlier(const StoredEvent& stored);
  Status CheckGraph(const StoredEvent& stored);
  Result<std::optional<StateTree>> StateBefore(const StoredEvent& stored);
  Status CheckAuth(const StoredEvent& stored, const StateTree& before);
  void ReportVerdict(const StoredEvent& stored, std::string_view what,
                     const Verdict& verdict);
  Status CheckStateAfter(const StoredEvent& stored, const StateTree& before);
  Status FollowExtremities(const StoredEvent& stored);
  Status CheckRowsOfChunk();
  Status CheckAuthEdges(const std::vector<StoredPtr>& chunk,
                        const std::vector<Row>& keys);
  Status CheckLateEvents();
  std::string DescribeDifference(const StateTree& stored,
                                 const StateTree& expected);
  std::optional<Ed25519PublicKey> FindKey(std::string_view server,
                                          std::string_view key_id,
                                          int64_t valid_at_ms);

  const RoomCheckOptions& options_;
  FindingSink& sink_;
  RoomCheckResult& result_;
  RoomHead head_;
  RoomReader* reader_ = nullptr;
  KnownEvents events_;
  StateWalk states_;

  bool loaded_ = false;
  EventIdx cut_ = 0;  // Events below it are outliers: history was purged.
  RoomKeys room_keys_;
  bool key_missing_ = false;  // Of the event that is being checked.

  EventIdx last_idx_ = 0;
  Position last_pos_ = 0;
  int64_t max_ts_ = INT64_MIN;
  int64_t late_ = 0;
  std::map<std::string, int64_t> extremities_;  // Id to depth.
  std::map<std::string, StateSnap> after_extremities_;
  // What the events of the chunk have in other tables.
  std::vector<KnownEvents::StoredPtr> chunk_;
};

// --- What is made from the events, each in snapshots of its own. ---

// The current state, the members and the preview of a room.
Status CheckMembers(RoomReader& reader, const RoomHead& head,
                    FindingSink& sink);
Status CheckPreview(RoomReader& reader, const RoomHead& head,
                    FindingSink& sink);
// Its local aliases, of that server.
Status CheckAliases(RoomReader& reader, const RoomHead& head,
                    std::string_view server_name, FindingSink& sink);
// The rows of its states: how they are based on one another.
Status CheckStates(Store& store, const RoomHead& head, size_t chunk,
                   FindingSink& sink);
// The index of relations: each target's row and the shares of a thread's users
// against the rows of the related events.
Status CheckRelations(Store& store, const RoomHead& head, size_t chunk,
                      FindingSink& sink);

}  // namespace matrixcore
