// What users have not read: counts for /sync and the list of notifications
// (spec: client-server API, "Receiving notifications", "Marking notifications
// as read").
//
// UnreadTracker writes, as a CommitObserver, whom an event notifies in the very
// commit that brings the event.  That was chosen over a follower that works
// after the commit: a snapshot that has an event has its count, a crash between
// the two cannot be, and nothing has to catch up at a start.  What it adds to a
// commit does not depend on how many members a room has (see unread_tables.h):
// one row for an event that notifies, and one for where its sender has read to;
// only members with rules of their own are judged one by one, and get rows of
// their own when they are notified.
//
// The rules are those that hold when the event is added; later changes do not
// reach back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/time.h"
#include "matrixcore/room/commit_observer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.
class UnreadTracker : public CommitObserver {
 public:
  struct Deps {
    PushProfiles& profiles;
    const JoinedUsers& joined;
    const Clock& clock;
    std::string server_name;
  };
  explicit UnreadTracker(Deps deps);
  ~UnreadTracker() override;

  Status AddRows(RoomAddition& addition, std::unique_ptr<RoomExtra>& extra,
                 WriteBatch& batch) override;

 private:
  class Work;
  struct State;
  struct Judges;

  const Deps deps_;
  const std::unique_ptr<const Judges> judges_;
};

struct UnreadCount {
  int64_t notifications = 0;
  int64_t highlights = 0;
  friend bool operator==(const UnreadCount&, const UnreadCount&) = default;
};

// What a user has not read in a room.
struct Unread {
  UnreadCount main;  // Of the main timeline.
  // Of the threads in which there is something, by the id of their root.
  std::vector<std::pair<std::string, UnreadCount>> threads;
  // The newest change of the counts that this reader knows of.
  Position changed = 0;

  // The whole room.
  UnreadCount Total() const;
};

// Reads counts of one user at one snapshot.  Not thread-safe; failures are
// those of the store.
class UnreadReader {
 public:
  // The references outlive the reader.
  UnreadReader(Snapshot& snapshot, const std::string& user_id)
      : snapshot_(snapshot), user_id_(user_id) {}

  // Counts of a room that the user is joined to.  Of users with rules of their
  // own, and of threads, the newest thousand at most.
  Result<Unread> Read(const RoomHead& room);

 private:
  Snapshot& snapshot_;
  const std::string& user_id_;
};

// Where a user has read to in a room, at one snapshot.
class ReadMarkers {
 public:
  static Result<ReadMarkers> Load(Snapshot& snapshot,
                                  const std::string& user_id, RoomNid room);

  // Whether an event is read; the thread of the main timeline is "".
  bool IsRead(std::string_view thread, Position pos) const;
  // Up to where the user has read in a thread ("main" for the main timeline).
  Position In(std::string_view thread) const;
  Position everywhere() const { return everywhere_; }
  // The join that began the stay.
  Position stay() const { return stay_; }
  Position changed() const { return changed_; }
  // By thread, the main timeline among them.
  const std::vector<std::pair<std::string, Position>>& threads() const {
    return threads_;
  }

  // Moves a mark forward: adds the row to a batch which requires that nobody
  // else moved it meanwhile.  `thread` is "" for all, else "main" or a root's
  // id.  Notifications that are read then and did not highlight are forgotten,
  // some at a time.
  Status Move(Snapshot& snapshot, std::string_view thread, Position read_pos,
              PositionRef now, WriteBatch* batch);

 private:
  std::string user_id_;
  RoomNid room_ = 0;
  Position everywhere_ = 0;
  Position stay_ = 0;
  Position changed_ = 0;
  std::vector<std::pair<std::string, Position>> threads_;
};

}  // namespace matrixcore
