#include "matrixcore/event/event.h"

#include <algorithm>
#include <utility>

#include "event/canonical_reader.h"
#include "event/event_factory.h"
#include "event/redact_canonical.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {

struct Event::LazyContent {
  json::Document document;
};

Event::Event() = default;

Event::~Event() { delete lazy_content_.load(std::memory_order_acquire); }

std::string_view Event::content_json() const {
  return std::string_view(json_).substr(content_begin_, content_size_);
}

json::Value Event::content() const {
  LazyContent* content = lazy_content_.load(std::memory_order_acquire);
  if (content == nullptr) {
    auto fresh = std::make_unique<LazyContent>();
    // The bytes were parsed when the event was made.  Should they be damaged
    // storage, the content reads as missing.
    Result<json::Document> parsed = json::Document::ParseView(content_json());
    if (parsed.ok()) fresh->document = std::move(*parsed);
    if (lazy_content_.compare_exchange_strong(content, fresh.get(),
                                              std::memory_order_acq_rel)) {
      content = fresh.release();
    }
  }
  return content->document.root();
}

Result<json::Document> Event::Document() const {
  return json::Document::ParseView(json_);
}

size_t Event::ByteSize() const {
  constexpr size_t kCounts = 24;  // Of the shared pointer.
  size_t size = HeapBlock(sizeof(Event)) + HeapBlock(kCounts) +
                HeapBytes(json_) + HeapBytes(event_id_) + HeapBytes(room_id_) +
                HeapBytes(decoded_) + HeapBytes(prev_events_) +
                HeapBytes(auth_events_);
  const LazyContent* const content =
      lazy_content_.load(std::memory_order_acquire);
  if (content != nullptr) {
    size += HeapBlock(sizeof(LazyContent)) + content->document.HeapBytes();
  }
  return size;
}

Result<EventPtr> Event::Parse(std::string_view json,
                              const RoomVersionRules& rules) {
  MC_ASSIGN_OR_RETURN(
      const json::Document document,
      json::Document::ParseView(
          json, {.refuse_duplicate_keys = rules.strict_canonical_json}));
  MC_ASSIGN_OR_RETURN(
      std::string canonical,
      CanonicalEvent(document.root(), HasEventIdField(rules),
                     rules.strict_canonical_json ? json::NumberRule::kStrict
                                                 : json::NumberRule::kLax));
  EventFields fields;
  fields.Read(canonical);
  MC_RETURN_IF_ERROR(CheckEventFormat(canonical, fields, rules));
  std::string event_id = EventIdOf(canonical, fields, rules);
  return EventFactory::Make(std::move(canonical), std::move(event_id), rules,
                            EventTrust::kReceived);
}

Result<EventPtr> Event::FromStored(std::string json, std::string event_id,
                                   const RoomVersionRules& rules) {
  return EventFactory::Make(std::move(json), std::move(event_id), rules,
                            EventTrust::kStored);
}

Result<EventPtr> Event::FromTrusted(std::string_view json,
                                    const RoomVersionRules& rules,
                                    std::string event_id) {
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(json));
  MC_ASSIGN_OR_RETURN(std::string canonical,
                      CanonicalEvent(document.root(), HasEventIdField(rules),
                                     json::NumberRule::kLax));
  return EventFactory::Make(std::move(canonical), std::move(event_id), rules,
                            EventTrust::kTest);
}

bool EventFields::Read(std::string_view canonical) {
  canonical::ObjectReader reader(canonical);
  while (reader.Next()) {
    const std::string_view key = reader.key();
    const std::string_view value = reader.value();
    if (key == "auth_events") {
      auth_events = value;
    } else if (key == "content") {
      content = value;
    } else if (key == "depth") {
      depth = value;
    } else if (key == "event_id") {
      event_id = value;
    } else if (key == "hashes") {
      hashes = value;
    } else if (key == "origin_server_ts") {
      origin_server_ts = value;
    } else if (key == "prev_events") {
      prev_events = value;
    } else if (key == "redacts") {
      redacts = value;
    } else if (key == "room_id") {
      room_id = value;
    } else if (key == "sender") {
      sender = value;
    } else if (key == "signatures") {
      signatures = value;
    } else if (key == "state_key") {
      state_key = value;
    } else if (key == "type") {
      type = value;
    }
  }
  return reader.complete();
}

Result<std::string> CanonicalEvent(json::Value event, bool keep_event_id,
                                   json::NumberRule numbers) {
  if (!event.IsObject()) {
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  "an event must be a JSON object");
  }
  std::vector<json::Value::Member> members;
  for (const json::Value::Member member : event.members()) {
    if (member.key == "unsigned") continue;
    if (member.key == "event_id" && !keep_event_id) continue;
    members.push_back(member);
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  std::string out;
  out.reserve(event.raw().size());
  out += '{';
  for (size_t i = 0; i < members.size(); ++i) {
    // The last one of repeated keys counts.
    if (i + 1 < members.size() && members[i].key == members[i + 1].key)
      continue;
    if (out.size() > 1) out += ',';
    json::AppendString(&out, members[i].key);
    out += ':';
    MC_RETURN_IF_ERROR(json::AppendCanonical(members[i].value, numbers, &out));
  }
  out += '}';
  return out;
}

std::string_view EventFactory::Decode(std::string_view raw, Event* event) {
  const std::string_view body = canonical::StringBody(raw);
  if (!canonical::HasEscapes(body)) return body;
  // `decoded_` was reserved to hold all of them, so earlier views stay valid.
  const size_t begin = event->decoded_.size();
  canonical::AppendUnescaped(body, &event->decoded_);
  return std::string_view(event->decoded_).substr(begin);
}

namespace {

// The ids in `prev_events` or `auth_events`, in either format.
void ReadReferences(std::string_view raw, std::vector<std::string>* out) {
  size_t count = 0;
  for (canonical::ArrayReader counter(raw); counter.Next();) ++count;
  out->reserve(count);
  for (canonical::ArrayReader reader(raw); reader.Next();) {
    std::string_view id = reader.value();
    if (canonical::IsArray(id)) {
      canonical::ArrayReader pair(id);
      if (!pair.Next()) continue;
      id = pair.value();
    }
    if (!canonical::IsString(id)) continue;
    out->emplace_back();
    canonical::AppendUnescaped(canonical::StringBody(id), &out->back());
  }
}

}  // namespace

void EventFactory::FillReferences(const EventFields& fields, Event* event) {
  ReadReferences(fields.prev_events, &event->prev_events_);
  ReadReferences(fields.auth_events, &event->auth_events_);
}

Result<EventPtr> EventFactory::Make(std::string canonical, std::string event_id,
                                    const RoomVersionRules& rules,
                                    EventTrust trust) {
  const auto failure = [trust](std::string message) {
    return trust == EventTrust::kStored
               ? Status(StatusCode::kDataLoss, std::move(message))
               : Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                        std::move(message));
  };
  if (canonical.size() >= UINT32_MAX) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "the event is too large");
  }
  std::shared_ptr<Event> event(new Event());
  event->json_ = std::move(canonical);
  event->event_id_ = std::move(event_id);
  event->rules_ = &rules;

  EventFields fields;
  if (!fields.Read(event->json_)) return failure("not a JSON object");
  const char* missing = !canonical::IsString(fields.type)     ? "type"
                        : !canonical::IsString(fields.sender) ? "sender"
                                                              : nullptr;
  if (missing != nullptr) {
    return failure(std::string("not an event: ") + missing +
                   " is missing or not a string");
  }
  if (!canonical::IsObject(fields.content)) {
    return failure("not an event: content is missing or not an object");
  }
  event->content_begin_ =
      static_cast<uint32_t>(fields.content.data() - event->json_.data());
  event->content_size_ = static_cast<uint32_t>(fields.content.size());

  std::string_view redacts = fields.redacts;
  if (rules.redacts_in_content) {
    redacts = canonical::StringEquals(fields.type, kTypeRedaction)
                  ? canonical::Member(fields.content, "redacts")
                  : std::string_view();
  }
  size_t escaped = 0;
  for (const std::string_view raw :
       {fields.type, fields.sender, fields.state_key, redacts}) {
    if (canonical::HasEscapes(raw)) escaped += raw.size();
  }
  event->decoded_.reserve(escaped);
  event->type_ = Decode(fields.type, event.get());
  event->sender_ = Decode(fields.sender, event.get());
  event->redacts_ = Decode(redacts, event.get());
  if (canonical::IsString(fields.state_key)) {
    event->is_state_ = true;
    event->state_key_ = Decode(fields.state_key, event.get());
  }
  canonical::AppendUnescaped(canonical::StringBody(fields.room_id),
                             &event->room_id_);
  if (fields.room_id.empty() && rules.room_id_is_create_hash &&
      event->Is(kTypeCreate, "") && !event->event_id_.empty()) {
    event->room_id_ = "!" + event->event_id_.substr(1);
  }
  event->depth_ = canonical::Int(fields.depth).value_or(0);
  event->origin_server_ts_ =
      canonical::Int(fields.origin_server_ts).value_or(0);
  FillReferences(fields, event.get());
  return EventPtr(std::move(event));
}

}  // namespace matrixcore
