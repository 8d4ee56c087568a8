// The tables of sliding sync, as data.
#pragma once

#include <cstdint>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// What the clients of connections have been sent: each connection has one whole
// state and a few changes to it, a row each.
struct SlidingStates {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kConn,     // The client's conn_id; "" if it gives none.
    kVersion,  // Of the state that the row leads to.
    kEpoch,    // Grows each time the connection begins anew.
    kParent,   // The version that the row changes; -1: it is a whole state.
    kUsed,     // Milliseconds: when it was written.
    kState,
  };
};
extern const TableSpec kSlidingStates;

// When a user last forgot a room: the rows of memberships say what is
// forgotten, but not since when.  No row for who never did.
struct Forgets {
  enum Column : uint32_t { kUser, kPos };
};
extern const TableSpec kForgets;

std::vector<TableSpec> SlidingTables();

}  // namespace matrixcore::tables
