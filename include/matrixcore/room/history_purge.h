// PurgeHistory: cuts off the older part of a room's history.
//
// What is above the cut stays as it is.  Of what is below, that stays which the
// rest needs: the events of the state at the cut, and the auth events of all
// that stays; they become outliers (kEventOutlier), in no timeline.  Everything
// else goes, in bounded batches: first the cut moves up, event by event, then
// what nobody needs is deleted from the newest down.  So the room is whole
// (CheckRoom) after every commit, and a purge that was broken off is completed
// by running it again.
//
// The store must not be in use by a running server, which would not hear of it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct HistoryPurgeOptions {
  // The first event that stays; or, when it is "", the first one that the room
  // has from this time on.  Forward extremities always stay.
  std::string before_event_id = {};
  Timestamp before = {};
  // Keeps all state events as outliers.
  bool keep_state = false;
  // Events of this server's users may be the last copy: they stay as outliers,
  // unless this is set.
  bool delete_local = false;
  std::string server_name = {};
  Timestamp now = {};
  size_t batch_events = 500;
  // Hears of the log positions of events that left the timeline, before the
  // purge counts them as gone: for what lies outside the room floor.  May be
  // called again for the same ones.  May be null.
  std::function<Status(RoomNid room, std::span<const Position> positions)>
      also = {};
  // May be null.
  std::function<void(uint64_t done, uint64_t total)> progress = {};
};

struct HistoryPurgeResult {
  RoomNid room = 0;
  // Position of the first event that stayed.
  Position cut = 0;
  uint64_t deleted = 0;
  uint64_t kept = 0;  // Below the cut.
};

// Errors: kNotFound (no such room, or event in it), those of the store and of
// `also`.
Result<HistoryPurgeResult> PurgeHistory(Store& store, std::string_view room_id,
                                        const HistoryPurgeOptions& options);

}  // namespace matrixcore
