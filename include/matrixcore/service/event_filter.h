// Filters of /sync, /messages, /context and /search as values (spec:
// client-server API, "Filtering"): parsed once, then asked about each event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

// The specification's EventFilter.  Types may contain `*` wildcards.
struct EventFilter {
  std::optional<size_t> limit;
  std::optional<std::vector<std::string>> types;  // Nothing: all; empty: none.
  std::vector<std::string> not_types;
  std::optional<std::vector<std::string>> senders;
  std::vector<std::string> not_senders;

  bool AllowsType(std::string_view type) const;
  bool AllowsSender(std::string_view sender) const;
  // Nothing can pass.
  bool AllowsNothing() const {
    return (types && types->empty()) || (senders && senders->empty());
  }

  friend bool operator==(const EventFilter&, const EventFilter&) = default;
};

// The specification's RoomEventFilter.
struct RoomEventFilter : EventFilter {
  std::optional<std::vector<std::string>> rooms;
  std::vector<std::string> not_rooms;
  std::optional<bool> contains_url;
  bool lazy_load_members = false;
  bool include_redundant_members = false;
  bool unread_thread_notifications = false;
  // Only events to which an event of these senders, or of these types, relates
  // (MSC3440); heeded where AsksForRelations is looked at.
  std::optional<std::vector<std::string>> related_by_senders;
  std::optional<std::vector<std::string>> related_by_rel_types;

  bool AsksForRelations() const {
    return related_by_senders || related_by_rel_types;
  }
  bool AllowsRoom(std::string_view room_id) const;
  // Everything but the room and the relations.
  bool Allows(const Event& event) const;
  // Whether every event passes.
  bool AllowsEverything() const;

  friend bool operator==(const RoomEventFilter&,
                         const RoomEventFilter&) = default;
};

// The specification's Filter, which /sync uses.
struct SyncFilter {
  std::vector<std::string> event_fields;  // Empty: all.
  bool federation_format = false;
  EventFilter presence;
  EventFilter account_data;
  struct Room {
    std::optional<std::vector<std::string>> rooms;
    std::vector<std::string> not_rooms;
    bool include_leave = false;
    RoomEventFilter state;
    RoomEventFilter timeline;
    RoomEventFilter ephemeral;
    RoomEventFilter account_data;

    bool AllowsRoom(std::string_view room_id) const;
    friend bool operator==(const Room&, const Room&) = default;
  } room;

  friend bool operator==(const SyncFilter&, const SyncFilter&) = default;
};

// Unknown fields are ignored, as filters live long.  Errors: kInvalidArgument
// M_BAD_JSON that names the field.
Result<EventFilter> ParseEventFilter(json::Value value);
Result<RoomEventFilter> ParseRoomEventFilter(json::Value value);
Result<SyncFilter> ParseSyncFilter(json::Value value);

// Whether `pattern`, in which each `*` stands for any text, matches all of
// `text`.
bool WildcardMatch(std::string_view pattern, std::string_view text);

// Memory that a filter holds on the heap, in bytes.
size_t HeapBytes(const SyncFilter& filter);

}  // namespace matrixcore
