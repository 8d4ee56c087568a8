// Who is joined to a room on one server.  For RoomWriter.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// These are most of what is read to take a large room into memory, so that
// nothing but the names is read.
inline Result<std::vector<std::string>> ReadLocalMembers(
    Snapshot& snapshot, int64_t room, std::string_view server_name) {
  using tables::Memberships;
  MC_ASSIGN_OR_RETURN(
      std::vector<Row> rows,
      snapshot.Scan({.table = &tables::kMemberships,
                     .index = Memberships::kByRoom,
                     .prefix = {Cell(room),
                                Cell(static_cast<int64_t>(Membership::kJoin))},
                     .columns = {Memberships::kUser}}));
  std::vector<std::string> users;
  users.reserve(rows.size());
  for (Row& row : rows) {
    std::string& user = std::get<std::string>(row[0]);
    if (DomainOf(user) == server_name) users.push_back(std::move(user));
  }
  return users;
}

}  // namespace matrixcore
