// The tables behind unread counts and the list of notifications, as data.
//
// Most users have the default push rules, under which an event either notifies
// everybody or nobody.  So an event that notifies under them gets one row for
// the whole room, with running totals: what a user has not read is a difference
// of two totals, however many events or members there are.  Rows of their own
// are only written for users whom an event concerns differently: those it
// mentions or invites, and those with rules of their own.
//
// A thread is an event id; null stands for the main timeline.
#pragma once

#include <cstdint>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// Events that notify users with the default rules.
struct Notices {
  enum Column : uint32_t {
    kRoom,
    kPos,
    kIdx,
    kSender,
    kThread,
    kHighlight,
    kActions,  // A JSON array.
    kTs,
    // Running totals of the room, this event included ...
    kTotal,
    kHighlights,
    // ... and those of it that are in threads.
    kThreadTotal,
    kThreadHighlights,
  };
};
extern const TableSpec kNotices;

// The same within one thread.
struct ThreadNotices {
  enum Column : uint32_t { kRoom, kThread, kPos, kTotal, kHighlights };
};
extern const TableSpec kThreadNotices;

// The newest row of each thread.
struct NoticeThreads {
  enum Column : uint32_t { kRoom, kThread, kLastPos, kTotal, kHighlights };
  enum Index : uint32_t { kByLastPos };
};
extern const TableSpec kNoticeThreads;

// What an event means to one user.
struct PersonalNotices {
  enum Column : uint32_t {
    kUser,
    kRoom,
    kPos,
    kIdx,
    kThread,
    kNotify,
    kHighlight,
    kUsualNotify,  // What the default rules say, as Notices counts it.
    kUsualHighlight,
    kActions,
    kTs,
  };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kPersonalNotices;

// From which event on a user's notifications of a room are only those of
// kPersonalNotices; before it, and without a row, they are those of kNotices,
// corrected by kPersonalNotices.
struct NoticeModes {
  enum Column : uint32_t { kUser, kRoom, kFrom };
  enum Index : uint32_t { kByRoom };
};
extern const TableSpec kNoticeModes;

// Users who may have rules of their own, or ignore someone.  Never removed.
struct PushUsers {
  enum Column : uint32_t {
    kUser,
    kThreads,  // 1: has ever subscribed to a thread (MSC4306).
  };
};
extern const TableSpec kPushUsers;

// Up to where a user has read, by receipts of both kinds and by sending.
struct ReadMarks {
  enum Column : uint32_t {
    kUser,
    kRoom,
    kThread,  // "" for everything in the room, "main", or an event id.
    kReadPos,
    kStay,  // With thread "": the join that began the stay.
    kPos,   // When the row was written, in the global log.
  };
};
extern const TableSpec kReadMarks;

// Threads that users subscribed to, or unsubscribed from (MSC4306).
struct ThreadSubscriptions {
  enum Column : uint32_t {
    kUser,
    kRoom,
    kThread,
    kSubscribed,
    kAutomatic,  // 1: a client did it by itself.
    kPos,        // Of the last change, in the global log.
  };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kThreadSubscriptions;

// All of the above.
std::vector<TableSpec> UnreadTables();

}  // namespace matrixcore::tables
