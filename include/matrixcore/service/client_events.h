// Events in the form that clients get them (spec: client-server API, "Client
// event", "unsigned data").
//
// The stored bytes are spliced into the answer; only `unsigned` is written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

// Instead of a device, in the transaction of an event that the server sent
// later on behalf of a user (MSC4140); its id is the delay id.
inline constexpr std::string_view kDelayedDevice =
    "\x01"
    "delayed";

struct ClientEventFormat {
  bool with_room_id = true;  // Sync leaves it out.
  // The specification's "federation" event_format: the PDU as it is stored,
  // with event_id and unsigned.
  bool federation = false;
  // unsigned.membership: the asking user's membership at the event.
  bool with_membership = true;
  // unsigned.prev_content and replaces_state of state events.
  bool with_previous = true;
  // unsigned.m.relations (spec: "Aggregations of child events").
  bool with_relations = false;
  // `user_id` beside `sender`, as clients of the deprecated endpoints know it.
  bool with_user_id = false;
};

// Writes events for one user at one snapshot.  Not thread-safe; everything
// given to it outlives it.
class ClientEvents {
 public:
  ClientEvents(RoomReader& reader, const Session& session, Timestamp now)
      : reader_(reader), session_(session), now_(now) {}

  // Writes a JSON array of `events` (all of `room`) in their order.  What
  // `unsigned` needs (prev_content and replaces_state, redacted_because,
  // transaction_id of the asking device, membership, age, aggregated relations)
  // is read in batches.
  Status WriteArray(json::Writer& out, const RoomHead& room,
                    std::span<const StoredEvent> events,
                    const ClientEventFormat& format);
  // One event as a JSON object.
  Status Write(json::Writer& out, const RoomHead& room,
               const StoredEvent& event, const ClientEventFormat& format);

  // The stripped state of a room for an invited or knocking user (spec:
  // "Stripped state"), at a state snapshot, as a JSON array; the user's own
  // member event comes last.
  Status WriteStrippedState(json::Writer& out, const RoomHead& room,
                            StateSnap snap);

 private:
  struct Extras;
  struct Bundle;
  // Which relations of an event are aggregated: all, all but its thread (the
  // last event of a thread has none), or none.
  enum class Depth { kAll, kNoThread, kNone };
  Result<std::vector<Extras>> LoadExtras(const RoomHead& room,
                                         std::span<const StoredEvent> events,
                                         const ClientEventFormat& format,
                                         Depth depth = Depth::kAll);
  // Relations: client_relations.cc.
  class BundleLoader;
  void WriteBundle(json::Writer& out, const RoomHead& room,
                   const Bundle& bundle, const ClientEventFormat& format) const;
  void WriteOne(json::Writer& out, const RoomHead& room,
                const StoredEvent& event, const Extras& extras,
                const ClientEventFormat& format) const;

  RoomReader& reader_;
  const Session& session_;
  Timestamp now_;
  // Read when first needed; sorted.
  std::optional<std::vector<std::string>> ignored_;
};

}  // namespace matrixcore
