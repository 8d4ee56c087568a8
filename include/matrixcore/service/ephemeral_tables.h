// The tables of what passes by in rooms, as data.  Typing is not among them: it
// lives in memory only.
#pragma once

#include <cstdint>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// Up to where users have read (spec: client-server API, "Receipts").
struct Receipts {
  enum Column : uint32_t {
    kRoom,
    kType,  // "m.read" or "m.read.private".
    kUser,
    kThread,    // "" for an unthreaded receipt, else "main" or an event id.
    kEventId,   // The event that was read ...
    kEventPos,  // ... and its position, so that receipts only move forward.
    kTs,        // Milliseconds.
    kPos,       // When the receipt was sent, in the global log.
  };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kReceipts;

// One row for each user who ever was present.
struct PresenceTable {
  enum Column : uint32_t {
    kUser,
    kState,  // PresenceState.
    kStatusMsg,
    kLastActive,  // Milliseconds.
    kCurrentlyActive,
    kPos,  // Of the last change, in the global log.
  };
  enum Index : uint32_t { kByPos, kByState };
};
extern const TableSpec kPresence;

// Events that are to be sent later (MSC4140), and for a while those that were.
struct DelayedEvents {
  enum Column : uint32_t {
    kUser,
    kDelayId,
    kRoomId,
    kType,
    kStateKey,
    kContent,
    kDelayMs,
    kScheduledAt,
    kSendAt,       // Null once finalised.
    kFinalisedAt,  // Null while scheduled.
    kEventId,      // When sent.
    kError,        // JSON: why it could not be sent.
  };
  enum Index : uint32_t { kBySendAt, kByUser, kByFinalised };
};
extern const TableSpec kDelayedEvents;

// All of the above.
std::vector<TableSpec> EphemeralTables();

}  // namespace matrixcore::tables
