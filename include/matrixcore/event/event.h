// Event: one persistent data unit (PDU) of a room, immutable.
//
// An event IS its bytes: the canonical JSON that was hashed and signed, with
// `hashes` and `signatures`, without `unsigned` and (from room version 3 on)
// without `event_id`.  The few fields that every floor asks for are found once;
// everything else is read from the bytes on demand, and unknown fields survive.
// The header fields and content_json() are views of those bytes, so an answer
// to a client is spliced together from stored pieces.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore {

class Event;
using EventPtr = std::shared_ptr<const Event>;

// Canonical size of the largest PDU, signatures included.
inline constexpr size_t kMaxEventBytes = 65536;
inline constexpr size_t kMaxPrevEvents = 20;
inline constexpr size_t kMaxAuthEvents = 10;

// Thread-safe: all accessors are const; content() parses once on first use.
class Event {
 public:
  // Makes an event from JSON that someone sent: checks the format of the room
  // version (types of all fields, limits on sizes, ids, depth, prev and auth
  // events, canonical JSON rules), drops `unsigned` and, where it does not
  // belong, `event_id`, and computes the event id.  It checks neither hashes,
  // signatures nor authorisation.
  // Errors: kInvalidArgument M_BAD_JSON, kTooLarge M_TOO_LARGE.
  static Result<EventPtr> Parse(std::string_view json,
                                const RoomVersionRules& rules);

  // Makes an event from bytes that json() gave and an id that event_id() gave.
  // Only checks what is needed to be memory-safe; kDataLoss when the bytes are
  // not those of an event.
  static Result<EventPtr> FromStored(std::string json, std::string event_id,
                                     const RoomVersionRules& rules);

  // As Parse, for test data whose `event_id` is not a real hash: the id is
  // believed, limits and canonical form are not judged.
  static Result<EventPtr> FromTrusted(std::string_view json,
                                      const RoomVersionRules& rules,
                                      std::string event_id);

  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  const RoomVersionRules& rules() const { return *rules_; }
  const std::string& json() const { return json_; }
  const std::string& event_id() const { return event_id_; }
  // Of a version 12 create event: computed from its id.
  const std::string& room_id() const { return room_id_; }
  std::string_view type() const { return type_; }
  std::string_view sender() const { return sender_; }
  std::optional<std::string_view> state_key() const {
    return is_state_ ? std::optional<std::string_view>(state_key_)
                     : std::nullopt;
  }
  bool is_state() const { return is_state_; }
  // Whether it is a state event of this type and state key.
  bool Is(std::string_view type, std::string_view state_key) const {
    return is_state_ && type_ == type && state_key_ == state_key;
  }
  int64_t origin_server_ts() const { return origin_server_ts_; }
  int64_t depth() const { return depth_; }
  const std::vector<std::string>& prev_events() const { return prev_events_; }
  const std::vector<std::string>& auth_events() const { return auth_events_; }
  // The event that a redaction names, wherever this version puts it; "" if
  // none.
  std::string_view redacts() const { return redacts_; }

  // The raw JSON of `content`, an object.
  std::string_view content_json() const;
  // The same, parsed (once, on first use).
  json::Value content() const;
  // The whole event, parsed anew: for the rare reader of other fields.
  Result<json::Document> Document() const;

  // Memory that this event and what it points to take, in bytes; grows when
  // the content is parsed.
  size_t ByteSize() const;

 private:
  friend class EventFactory;
  Event();
  const RoomVersionRules* rules_ = nullptr;
  std::string json_;
  std::string event_id_;
  std::string room_id_;
  // Decoded copies of those header fields whose JSON has escapes; others view
  // json_.
  std::string decoded_;
  std::string_view type_;
  std::string_view sender_;
  std::string_view state_key_;
  std::string_view redacts_;
  bool is_state_ = false;
  uint32_t content_begin_ = 0;
  uint32_t content_size_ = 0;
  int64_t origin_server_ts_ = 0;
  int64_t depth_ = 0;
  std::vector<std::string> prev_events_;
  std::vector<std::string> auth_events_;
  struct LazyContent;
  mutable std::atomic<LazyContent*> lazy_content_{nullptr};
};

}  // namespace matrixcore
