// PurgeRoom: takes a room away with everything that is known of it.
//
// The first commit makes the room invisible; then its rows go in bounded
// batches.  A purge that is broken off is completed by the next one of the same
// room; nobody sees the difference meanwhile.
//
// The store must not be in use by a running server, which would not hear of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_rows.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Where the floors above keep rows of rooms.
struct RoomTableList {
  // The first key column is the room's number.
  std::vector<const TableSpec*> by_room = {};
  // The first two are a user id and the room's number, or its id.
  std::vector<const TableSpec*> by_user = {};
  std::vector<const TableSpec*> by_user_and_id = {};
  // The local users: the first key column is a user id.
  const TableSpec* users = nullptr;
  // A column is the room's id, or a text with it (percent-encoded or not).
  struct Named {
    const TableSpec* table = nullptr;
    uint32_t column = 0;
  };
  std::vector<Named> named = {};
};

struct RoomPurgeOptions {
  RoomTableList tables = {};
  Timestamp now = {};
  // Nobody of this server may join the room any more; `user_id` says who wants
  // it so.
  bool block = false;
  std::string user_id = {};
  // Called once the rows are gone, before the purge counts as complete: for
  // what lies outside the store.  May be null.
  std::function<Status(RoomNid room)> also = {};
  RowsDeleted progress = {};
};

struct RoomPurgeResult {
  uint64_t rows = 0;     // Deleted.
  int64_t joined = 0;    // Members that it still had; 0 when it was completed.
  bool resumed = false;  // An earlier purge or import was cleared away.
};

// Errors: kNotFound (no such room, nor rest of one), those of the store.
Result<RoomPurgeResult> PurgeRoom(Store& store, const std::string& room_id,
                                  const RoomPurgeOptions& options);

}  // namespace matrixcore
