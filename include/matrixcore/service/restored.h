// What a server must do after its store was set back to an earlier time, and
// what it must remember of that.
//
// Between the backup and its restoration there was a time that the store knows
// nothing of, but clients and other servers do: they saw positions of the log,
// were given one-time keys, numbers of filters and of key backups.  Whoever
// restores a store lets its log go on above every position of that time
// (PositionAfterRestoring) and calls MarkRestored, once, before a server opens
// it.  docs/running-a-server.md says what clients notice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// From where the log of a restored store goes on: above every position that the
// server can have given out until `now`, after this backup or after another
// restoration of it, as long as it made fewer than 100,000 commits a second.
Position PositionAfterRestoring(Position backup, Timestamp now);

struct RestoredReport {
  Position lost_after = 0;     // The time that was undone: from here ...
  Position lost_until = 0;     // ... to here.
  uint64_t devices = 0;        // Whose one-time keys were dropped,
  uint64_t one_time_keys = 0;  // and how many.
  uint64_t users = 0;          // Whose device lists are announced again.
};

// `store` holds what it held at position `backup`, and its log stands where it
// goes on.  Notes that the positions between are of a time that was undone;
//   drops all one-time keys, since any may have been given away: they count as
//     claimed, and the counts in sync make clients upload new ones; fallback
//     keys stay but count as used, so that clients replace them;
//   announces the devices of every user as changed;
//   changes the etag of every key backup.
// Commits in steps; after a failure it can be called again.
Result<RestoredReport> MarkRestored(Store& store, Position backup,
                                    Timestamp now);

// The times that were undone.  A value.
class LostTimes {
 public:
  LostTimes() = default;
  static Result<LostTimes> Read(Snapshot& snapshot);

  // For a position that was given out in a time that was undone: the newest
  // position before it of which the store still knows.
  std::optional<Position> LastKnownBefore(Position position) const;

  // Numbers counted from 1 or 0 begin here, so that none of a lost time comes
  // again; 0 when no time was lost.
  int64_t first_number() const;

  // Whether a token that is not known may be one of a lost time, whose client
  // should log in again without forgetting its keys: until 30 days after.
  bool MayHaveLostTokens(Timestamp now) const;

 private:
  struct Span {
    Position after = 0;
    Position until = 0;
    Timestamp restored;
  };
  std::vector<Span> spans_;
};

}  // namespace matrixcore
