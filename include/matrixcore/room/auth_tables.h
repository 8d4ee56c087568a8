// The table of the room floor that holds auth chains together.
#pragma once

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// The auth events of each state event, so that auth chains are found without
// reading events.  State events of before this table have no row, and theirs
// are read from the event.
struct AuthEdges {
  enum Column : uint32_t {
    kRoom,
    kIdx,   // The event.
    kAuth,  // LEB128 numbers: how far back each of them is, ascending.
  };
};
extern const TableSpec kAuthEdges;

}  // namespace matrixcore::tables
