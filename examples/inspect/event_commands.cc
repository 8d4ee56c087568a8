#include <fmt/format.h>

#include <functional>
#include <utility>
#include <vector>

#include "commands.h"
#include "input.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::inspect {
namespace {

using LineOf = std::function<Result<std::string>(json::Value)>;

// A line for each object of the input.
Result<std::string> ForEachObject(const Input& input, const LineOf& line_of) {
  MC_ASSIGN_OR_RETURN(const std::vector<PlacedObject> objects,
                      ParseObjects(input));
  std::string out;
  for (const PlacedObject& object : objects) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(object.json));
    Result<std::string> line = line_of(document.root());
    if (!line.ok()) return Wrong(object.where, line.status().message());
    out += *line;
    out += '\n';
  }
  return out;
}

// The event as it is hashed: without the id that newer versions do not carry.
Result<std::string> WithoutForeignId(json::Value event,
                                     const RoomVersionRules& rules) {
  json::Object object = json::Object::From(event);
  if (rules.event_id_format != EventIdFormat::kServerGiven) {
    object.Erase("event_id");
  }
  return object.ToJson();
}

}  // namespace

Result<std::string> Canonical(const Input& input, bool lax) {
  MC_ASSIGN_OR_RETURN(const std::vector<PlacedValue> values,
                      ParseValues(input));
  std::string out;
  for (const PlacedValue& value : values) {
    const Status status = json::AppendCanonical(
        value.document.root(),
        lax ? json::NumberRule::kLax : json::NumberRule::kStrict, &out);
    if (!status.ok()) {
      return Wrong(
          value.where,
          status.message() +
              (lax ? "; numbers must fit a double"
                   : "; canonical JSON has the integers from -(2^53)+1 "
                     "to 2^53-1 only: --lax takes others, as room "
                     "versions 1 to 5 do"));
    }
    out += '\n';
  }
  return out;
}

Result<std::string> EventIds(const Input& input,
                             const RoomVersionRules& rules) {
  return ForEachObject(input, [&](json::Value event) -> Result<std::string> {
    Result<std::string> id = ComputeEventId(event, rules);
    if (!id.ok() && rules.event_id_format == EventIdFormat::kServerGiven) {
      return Status(id.status().code(),
                    "event_id is missing or does not begin with $; in room "
                    "versions 1 and 2 the sender's server chooses it: add "
                    "it, or name a later --room-version");
    }
    if (!id.ok()) return id;
    std::string line;
    json::Writer(&line).BeginObject().Field("event_id", *id).EndObject();
    return line;
  });
}

Result<std::string> Hashes(const Input& input, const RoomVersionRules& rules) {
  return ForEachObject(input, [&](json::Value event) -> Result<std::string> {
    MC_ASSIGN_OR_RETURN(const std::string text, WithoutForeignId(event, rules));
    MC_ASSIGN_OR_RETURN(const json::Document bare,
                        json::Document::ParseView(text));
    const std::string content = Base64Encode(ContentHash(bare.root()));
    MC_ASSIGN_OR_RETURN(const Sha256Digest reference,
                        ReferenceHash(bare.root(), rules));
    const bool matches = event["hashes"]["sha256"].StringOr("") == content;
    std::string line;
    json::Writer(&line)
        .BeginObject()
        .Field("content_hash", content)
        .Field("content_hash_matches", matches)
        .Field("reference_hash", Base64Encode(reference))
        .EndObject();
    return line;
  });
}

Result<std::string> Redact(const Input& input, const RoomVersionRules& rules) {
  return ForEachObject(
      input, [&](json::Value event) { return RedactJson(event, rules); });
}

Result<std::string> Sign(const Input& input, const RoomVersionRules* rules,
                         const std::string& entity, const SigningKey& key) {
  return ForEachObject(input, [&](json::Value value) -> Result<std::string> {
    json::Object object = json::Object::From(value);
    if (rules == nullptr) {
      MC_RETURN_IF_ERROR(SignJson(&object, entity, key));
      return object.ToJson();
    }
    MC_ASSIGN_OR_RETURN(const std::string text,
                        WithoutForeignId(value, *rules));
    MC_ASSIGN_OR_RETURN(const json::Document bare,
                        json::Document::ParseView(text));
    object = json::Object::From(bare.root());
    object.SetRaw("hashes", "{\"sha256\":\"" +
                                Base64Encode(ContentHash(bare.root())) + "\"}");
    const std::string hashed = object.ToJson();
    MC_ASSIGN_OR_RETURN(const json::Document with_hash,
                        json::Document::ParseView(hashed));
    MC_ASSIGN_OR_RETURN(const std::string redacted,
                        RedactJson(with_hash.root(), *rules));
    MC_ASSIGN_OR_RETURN(const json::Document covered,
                        json::Document::ParseView(redacted));
    json::Object stripped = json::Object::From(covered.root());
    MC_RETURN_IF_ERROR(SignJson(&stripped, entity, key));
    object.SetRaw("signatures", std::string(stripped.Get("signatures")));
    return json::Canonical(object.ToJson(), json::NumberRule::kLax);
  });
}

Result<Answer> Verify(const Input& input, const RoomVersionRules* rules,
                      const std::string& entity, const std::string& key_id,
                      const Ed25519PublicKey& key) {
  Answer answer;
  Result<std::string> text =
      ForEachObject(input, [&](json::Value value) -> Result<std::string> {
        std::string line;
        json::Writer w(&line);
        w.BeginObject();
        if (rules == nullptr) {
          const bool valid = VerifyJson(value, entity, key_id, key);
          w.Field("signature", valid);
          answer.good = answer.good && valid;
        } else {
          Result<EventPtr> read = Event::FromTrusted(value.raw(), *rules, "$");
          if (!read.ok()) {
            return Status(read.status().code(),
                          read.status().message() +
                              "; without --room-version any signed object is "
                              "checked");
          }
          const EventPtr event = *read;
          const bool valid = VerifyEventSignature(*event, entity, key_id, key);
          MC_ASSIGN_OR_RETURN(const json::Document bare, event->Document());
          const bool hash = event->Document().ok() &&
                            bare.root()["hashes"]["sha256"].StringOr("") ==
                                Base64Encode(ContentHash(bare.root()));
          w.Field("signature", valid).Field("content_hash", hash);
          answer.good = answer.good && valid && hash;
        }
        w.EndObject();
        return line;
      });
  if (!text.ok()) return text.status();
  answer.text = std::move(*text);
  return answer;
}

}  // namespace matrixcore::inspect
