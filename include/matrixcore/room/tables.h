// The tables of the room floor, as data.
//
// Rooms have a number (`nid`): the log position at which they were created.
// Inside a room, events and (type, state_key) pairs are numbered densely from 1
// by the room's writer, so that room state is kept and compared as pairs of
// 32-bit numbers.
#pragma once

#include <string_view>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// One row a room: what is fixed, and the head that every append replaces.
struct Rooms {
  enum Column : uint32_t {
    kNid,
    kRoomId,  // Unique.
    kVersion,
    kCreator,
    kGeneration,   // Grows with every append: the precondition of the next one.
    kExtremities,  // Event ids, separated by spaces.
    kDepth,        // Of the deepest extremity.
    kLastIdx,      // Event numbers given so far.
    kLastKey,      // State key numbers given so far.
    kLastSnap,     // State snapshot numbers given so far.
    kState,        // The current state's snapshot; 0 is the empty state.
    kJoined,       // How many users are joined ...
    kInvited,      // ... and invited.
    kLastPos,      // Position of the newest event.
    kMaxTs,        // The greatest origin_server_ts of its events.
    kPublic,       // 1: listed in the room directory.
  };
  // kByPublic: the listed ones in the order of their size.
  enum Index : uint32_t { kByRoomId, kByPublic };
};
extern const TableSpec kRooms;

// What may be told of a room to who is not in it; follows the current state.
struct RoomPreviews {
  enum Column : uint32_t {
    kRoom,
    kName,
    kTopic,
    kCanonicalAlias,
    kAvatarUrl,
    kJoinRule,
    kWorldReadable,
    kGuestCanJoin,
    kType,        // "m.space"; "" for a room without a type.
    kEncryption,  // The algorithm; "" for an unencrypted room.
    kAllowed,     // A JSON array: rooms whose members may join.
  };
};
extern const TableSpec kRoomPreviews;

// Counts over all rooms.  A row that is missing is not counted.
struct RoomCounters {
  enum Column : uint32_t { kName, kValue };
};
extern const TableSpec kRoomCounters;
inline constexpr std::string_view kListedRooms = "listed_rooms";

// One row an event.
struct Events {
  enum Column : uint32_t {
    kRoom,
    kIdx,
    kPos,      // Place in the global log, and in the room's timeline.
    kEventId,  // Unique.
    kType,
    kSender,
    kStateKey,  // Null for an event that is not state.
    kBefore,    // State snapshot before the event ...
    kAfter,     // ... and after it.
    kReplaces,  // Of a state event: the number of the event before at its key.
    kFlags,     // EventFlags.
    kRedactedBy,  // The number of the redaction that was applied; 0 if none.
    kTxnDevice,   // Who sent it with which transaction id; null if neither.
    kTxnId,
    kTs,     // origin_server_ts, in milliseconds.
    kMaxTs,  // The greatest kTs of the room up to this event.
    kJson,   // Event::json(); its redacted form once redacted.
  };
  // By kLog: the events of all rooms in the order of the log.  Within a room,
  // numbers, positions and kMaxTs all grow together, so that any of them is
  // found by bisection; an index that each event had to enter would cost more.
  enum Index : uint32_t { kByEventId, kByLog };
};
extern const TableSpec kEvents;

// Events whose origin_server_ts is below that of an event before them in the
// room; all others have kTs = kMaxTs.
struct LateEvents {
  enum Column : uint32_t { kRoom, kTs, kIdx };
};
extern const TableSpec kLateEvents;

// Names of the (type, state_key) numbers of a room.
struct StateKeys {
  enum Column : uint32_t { kRoom, kNum, kType, kStateKey };
  enum Index : uint32_t { kByName };
};
extern const TableSpec kStateKeys;

// State snapshots: a delta to `base`; the lineage's heights form skip deltas
// (base height = height & (height - 1)), with the whole state every so often
// (base 0), so that one is read from about log2(keys) rows, however old.
struct StateSnaps {
  enum Column : uint32_t {
    kRoom,
    kSnap,
    kParent,  // The snapshot that it follows.
    kBase,    // The snapshot that the delta applies to; 0 for the empty state.
    kHeight,  // Length of the lineage, from 1.
    kDelta,   // Pairs of little-endian uint32: key number, event number.
  };
};
extern const TableSpec kStateSnaps;

// The newest membership of each user in each room.
struct Memberships {
  enum Column : uint32_t {
    kUser,
    kRoom,
    kMembership,  // Of the enum Membership.
    kIdx,         // The member event.
    kPos,
    kForgotten,  // 1 after /forget.
  };
  enum Index : uint32_t { kByRoom, kByPos };
};
extern const TableSpec kMemberships;

// Local room aliases.
struct Aliases {
  enum Column : uint32_t { kAlias, kRoom, kCreator };
  enum Index : uint32_t { kByRoom };
};
extern const TableSpec kAliases;

// Answers to requests with a transaction id.
struct Transactions {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kScope,  // The request's path without its transaction id.
    kTxnId,
    kResult,  // What the answer was made from: an event id.
    kTs,      // Milliseconds, for pruning.
  };
  enum Index : uint32_t { kByTs };
};
extern const TableSpec kTransactions;

// Which events relate to an event (spec: "Forming relationships between
// events"): one row an event with an m.relates_to, unless it is redacted.  The
// target may be unknown.
struct Relations {
  enum Column : uint32_t {
    kRoom,
    kTarget,  // The event id that it relates to.
    kPos,     // Of the event that relates ...
    kIdx,     // ... and its number.
    kRelType,
    kType,  // Of that event.
    kSender,
    kKey,  // Of an annotation; null if none.
  };
  enum Index : uint32_t { kByRelType, kBySender };
};
extern const TableSpec kRelations;

// What is served of those rows together with their target, one row a target.
struct RelationTargets {
  enum Column : uint32_t {
    kRoom,
    kTarget,      // An event id.
    kIdx,         // Its number, 0 if it is not in the room.
    kChildren,    // How many events relate to it.
    kReferences,  // Those of them with m.reference.
    kEdit,        // The newest valid replacement, 0 if none: by kEditTs,
    kEditTs,      // then by
    kEditId,      // its event id.
    kThreaded,    // How many events its thread has.
    kThreadLast,  // The last of them, 0 if none ...
    kThreadPos,   // ... and its position, null if none.
  };
  enum Index : uint32_t { kByThread };
};
extern const TableSpec kRelationTargets;

// Users who were erased, and since when.
struct Erasures {
  enum Column : uint32_t { kUser, kPos };
};
extern const TableSpec kErasures;

// How many events a user has in a thread; no row for none.
struct ThreadUsers {
  enum Column : uint32_t { kRoom, kRoot, kUser, kCount };
};
extern const TableSpec kThreadUsers;

// All of the above.
std::vector<TableSpec> RoomTables();

}  // namespace matrixcore::tables
