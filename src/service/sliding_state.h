// What the client of one connection of sliding sync has been sent: enough to
// send it only what is new, in any room, whenever the room comes into view.
//
// Most of it is in the position that the client brings back: of a room that is
// `up to date` it has everything up to there.  So an answer that only brings
// news of such rooms changes nothing here, and costs no write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

// A room that was sent.
struct SentRoom {
  RoomNid room = 0;
  // The client has everything up to here; 0: up to its position.
  Position upto = 0;
  // Of the configuration that it was sent with: the number of its required
  // state among SlidingState::configs, and how many of the newest events it
  // has.
  uint16_t config = 0;
  uint16_t limit = 0;
  bool is_dm = false;  // As it was told.
  // Receipts and account data of the room were sent up to the same point; else
  // not at all.
  bool receipts = false;
  bool account_data = false;

  friend bool operator==(const SentRoom&, const SentRoom&) = default;
};

// Immutable once shared.  A value.
struct SlidingState {
  // Grows with every change; what an answer's position names.
  int64_t version = 0;
  std::vector<SentRoom> rooms;  // By room.
  // Extensions that were on, so that what they tell beside rooms was sent.
  bool account_data = false;
  bool thread_subscriptions = false;
  // Required state that rooms were sent with, in the form that the request's
  // CombinedConfig gives it.
  std::vector<std::string> configs;

  const SentRoom* Find(RoomNid room) const;
  // Replaces the entries of those rooms, or adds them; each room once.
  void Apply(std::vector<SentRoom> changes);
  // The number of a configuration, new or known.  Nothing when there are too
  // many: then the connection has to begin anew.
  std::optional<uint16_t> ConfigNumber(std::string_view config);
  size_t ByteSize() const;

  friend bool operator==(const SlidingState&, const SlidingState&) = default;
};
using SlidingStatePtr = std::shared_ptr<const SlidingState>;

// The stored form: all of a state ...
std::string EncodeState(const SlidingState& state);
// ... or what `to` has and `from` has not.  (Rooms never go.)
std::string EncodeChange(const SlidingState& from, const SlidingState& to);
// Applies a change to a state, or all of one to an empty state.  kDataLoss when
// it is not what Encode made.
Status DecodeInto(std::string_view bytes, SlidingState* state);

}  // namespace matrixcore
