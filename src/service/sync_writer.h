// Writing the blocks of a sync answer as JSON.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/time.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "matrixcore/service/presence.h"
#include "service/event_fields.h"
#include "service/sync_block.h"

namespace matrixcore {

// One m.receipt event (spec: "Receipts"); the receipts are ordered by event,
// type and user, each of which is there once.  `room_id` is for clients that
// are not told of the room otherwise.
void WriteReceiptEvent(json::Writer& out, std::span<const Receipt> receipts,
                       std::string_view room_id = {});
// One m.typing event.
void WriteTypingEvent(json::Writer& out, const TypingUsers& typing);
// An array of account data events.
void WriteAccountDataArray(json::Writer& out,
                           std::span<const AccountDatum> data);

// Writes for one user at one snapshot.  Not thread-safe.
class SyncWriter {
 public:
  struct Options {
    bool federation_format = false;
    bool use_state_after = false;
    bool unread_by_thread = false;
    const EventFields* fields = nullptr;
  };
  // Everything outlives the writer.
  SyncWriter(json::Writer& out, RoomReader& reader, const Session& session,
             Timestamp now, const Options& options)
      : now_(now),
        out_(out),
        events_(reader, session, now),
        options_(options) {}

  // The value of a room in the "join" section ...
  Status WriteJoined(const RoomBlock& block);
  // ... and in the "leave" section.
  Status WriteLeft(const RoomBlock& block);
  // In "invite" (`key` is invite_state) or "knock" (knock_state).
  Status WriteStripped(std::string_view key, const RoomHead& room,
                       StateSnap snap);
  // {"events": [...]} of m.presence, with the names of the users.
  Status WritePresence(Snapshot& snapshot, std::span<const Presence> users);
  // {"events": [...]} of account data.
  void WriteAccountData(std::span<const AccountDatum> data);

 private:
  Status WriteState(const RoomBlock& block);
  Status WriteTimeline(const RoomBlock& block);
  enum class Kind { kState, kTimeline, kLimitedTimeline };
  Status WriteEvents(const RoomHead& room,
                     const std::vector<StoredEvent>& events, Kind kind);
  void WriteSummary(const SyncSummary& summary);
  void WriteEphemeral(const RoomBlock& block);
  void WriteUnread(const Unread& unread);

  const Timestamp now_;
  json::Writer& out_;
  ClientEvents events_;
  const Options options_;
};

}  // namespace matrixcore
