// An event is written in the order of its keys, once: what the content hash
// covers, what is signed and the event itself share their pieces, and the
// signed bytes are those of the reference hash.
#include "matrixcore/event/builder.h"

#include <utility>

#include "event/event_factory.h"
#include "event/redact_canonical.h"
#include "event/signatures.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {
namespace {

Status Bad(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status CheckDraft(const EventDraft& draft, const EventPlace& place) {
  for (const std::string* text :
       {&draft.type, &draft.sender, &draft.redacts, &place.room_id}) {
    if (text->size() > kMaxIdentifierBytes) {
      return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                    "an identifier is longer than 255 bytes");
    }
  }
  if (draft.state_key.has_value() &&
      draft.state_key->size() > kMaxIdentifierBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "state_key is longer than 255 bytes");
  }
  if (place.prev_events.size() > kMaxPrevEvents)
    return Bad("too many prev_events");
  if (place.auth_events.size() > kMaxAuthEvents)
    return Bad("too many auth_events");
  return OkStatus();
}

// The content in canonical form, with `redacts` where the version wants it
// there.
Result<std::string> CanonicalContent(const EventDraft& draft,
                                     const RoomVersionRules& rules) {
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(
                          draft.content, {.refuse_duplicate_keys =
                                              rules.strict_canonical_json}));
  if (!document.root().IsObject()) return Bad("content is not an object");
  const json::NumberRule numbers = rules.strict_canonical_json
                                       ? json::NumberRule::kStrict
                                       : json::NumberRule::kLax;
  if (draft.redacts.empty() || !rules.redacts_in_content) {
    std::string out;
    MC_RETURN_IF_ERROR(json::AppendCanonical(document.root(), numbers, &out));
    return out;
  }
  json::Object content = json::Object::From(document.root());
  content.SetString("redacts", draft.redacts);
  return json::Canonical(content.ToJson(), numbers);
}

void AppendReferences(const std::vector<std::string>& ids,
                      const std::vector<Sha256Digest>& hashes,
                      const RoomVersionRules& rules, std::string* out) {
  json::Writer writer(out);
  writer.BeginArray();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (rules.plain_event_references) {
      writer.String(ids[i]);
      continue;
    }
    writer.BeginArray().String(ids[i]).BeginObject();
    if (i < hashes.size()) writer.Field("sha256", Base64Encode(hashes[i]));
    writer.EndObject().EndArray();
  }
  writer.EndArray();
}

// The members of the event, in groups between which `content`, `hashes`,
// `redacts` and `signatures` stand.
struct Pieces {
  std::string head;     // {"auth_events":[..],"content":
  std::string middle;   // ,"depth":1[,"event_id":".."]
  std::string times;    // ,"origin_server_ts":1,"prev_events":[..]
  std::string redacts;  // [,"redacts":".."]
  std::string names;    // [,"room_id":".."],"sender":".."
  std::string tail;     // [,"state_key":".."],"type":".."}
};

void AppendField(const char* key, std::string_view text, std::string* out) {
  *out += ",\"";
  *out += key;
  *out += "\":";
  json::AppendString(out, text);
}

Pieces WritePieces(const EventDraft& draft, const EventPlace& place,
                   std::string_view event_id, const RoomVersionRules& rules) {
  Pieces p;
  p.head = "{\"auth_events\":";
  AppendReferences(place.auth_events, place.auth_hashes, rules, &p.head);
  p.head += ",\"content\":";
  p.middle = ",\"depth\":" + std::to_string(place.depth);
  if (HasEventIdField(rules)) AppendField("event_id", event_id, &p.middle);
  p.times = ",\"origin_server_ts\":" +
            std::to_string(draft.origin_server_ts.value_or(place.now).ms) +
            ",\"prev_events\":";
  AppendReferences(place.prev_events, place.prev_hashes, rules, &p.times);
  if (!draft.redacts.empty() && !rules.redacts_in_content) {
    AppendField("redacts", draft.redacts, &p.redacts);
  }
  if (!place.room_id.empty()) AppendField("room_id", place.room_id, &p.names);
  AppendField("sender", draft.sender, &p.names);
  if (draft.state_key.has_value()) {
    AppendField("state_key", *draft.state_key, &p.tail);
  }
  AppendField("type", draft.type, &p.tail);
  p.tail += '}';
  return p;
}

std::string Join(std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::string out;
  out.reserve(size);
  for (const std::string_view part : parts) out += part;
  return out;
}

}  // namespace

Result<EventPtr> BuildEvent(const EventDraft& draft, const EventPlace& place,
                            std::string_view server, const SigningKey& key,
                            const RoomVersionRules& rules,
                            std::string_view opaque_id) {
  MC_RETURN_IF_ERROR(CheckDraft(draft, place));
  MC_ASSIGN_OR_RETURN(const std::string content,
                      CanonicalContent(draft, rules));
  std::string event_id;
  if (HasEventIdField(rules)) event_id = Join({"$", opaque_id, ":", server});

  const Pieces p = WritePieces(draft, place, event_id, rules);
  const Sha256Digest content_hash = Sha256(
      Join({p.head, content, p.middle, p.times, p.redacts, p.names, p.tail}));
  const std::string hashes =
      Join({",\"hashes\":{\"sha256\":\"", Base64Encode(content_hash), "\"}"});

  std::string raw_type;
  json::AppendString(&raw_type, draft.type);
  std::string kept_content;
  AppendRedactedContent(raw_type, content, rules, &kept_content);
  const std::string covered =
      Join({p.head, kept_content, p.middle, hashes, p.times, p.names, p.tail});
  if (!HasEventIdField(rules))
    event_id = EventIdFromHash(Sha256(covered), rules);

  const std::string signatures =
      WithSignature("", server, key.key_id(), key.Sign(AsBytes(covered)));
  std::string event =
      Join({p.head, content, p.middle, hashes, p.times, p.redacts, p.names,
            ",\"signatures\":", signatures, p.tail});
  EventFields fields;
  fields.Read(event);
  MC_RETURN_IF_ERROR(CheckEventFormat(event, fields, rules));
  return EventFactory::Make(std::move(event), std::move(event_id), rules,
                            EventTrust::kReceived);
}

}  // namespace matrixcore
