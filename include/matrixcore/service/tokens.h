// Opaque tokens that clients bring back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/store/store.h"

namespace matrixcore {

// A point in time for /sync (`since`, `next_batch`) and in a room's timeline
// for /messages (`from`, `to`, `prev_batch`, `start`, `end`): a position of the
// log, and a serial of what is not in the log (typing).
//
// In a timeline the token stands between events: after every event with
// pos <= position.
//
// `to_device` is how far the device's queue of to-device messages was read,
// when that is less far than `position`: an answer holds only so many.
//
// Text form: "s123_45_67"; "s123" reads as {123, 0, 0}.  The text of a
// SlidingToken reads as the StreamToken in it.
struct StreamToken {
  Position position = 0;
  int64_t ephemeral = 0;
  Position to_device = 0;  // 0: as far as `position`.

  // What the client has had of its to-device messages.
  Position ToDevicePosition() const {
    return to_device == 0 ? position : to_device;
  }

  std::string ToString() const;
  // Nothing for text that no server of ours has made.
  static std::optional<StreamToken> Parse(std::string_view text);
  friend auto operator<=>(const StreamToken&, const StreamToken&) = default;
};

// A point in a connection of sliding sync (`pos`): a point in time, and which
// answer of the connection it came with, so that it says what the client has.
//
// Text form: "s123_45~7.8.9".
struct SlidingToken {
  StreamToken stream;
  int64_t epoch = 0;    // Of the connection: since it began anew.
  int64_t version = 0;  // What the connection's client has been sent.
  int64_t serial = 0;   // Of the answer.

  std::string ToString() const;
  static std::optional<SlidingToken> Parse(std::string_view text);
  friend auto operator<=>(const SlidingToken&, const SlidingToken&) = default;
};

}  // namespace matrixcore
