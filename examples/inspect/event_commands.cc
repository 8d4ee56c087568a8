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
Result<std::string> ForEachObject(std::string input, const LineOf& line_of) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> objects,
                      ParseObjects(std::move(input)));
  std::string out;
  for (size_t i = 0; i < objects.size(); ++i) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(objects[i]));
    Result<std::string> line = line_of(document.root());
    if (!line.ok()) {
      return Status(line.status().code(), fmt::format("object {}: {}", i + 1,
                                                      line.status().message()));
    }
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

Result<std::string> Canonical(std::string input, bool lax) {
  MC_ASSIGN_OR_RETURN(const std::vector<json::Document> values,
                      ParseValues(std::move(input)));
  std::string out;
  for (const json::Document& value : values) {
    MC_RETURN_IF_ERROR(json::AppendCanonical(
        value.root(), lax ? json::NumberRule::kLax : json::NumberRule::kStrict,
        &out));
    out += '\n';
  }
  return out;
}

Result<std::string> EventIds(std::string input, const RoomVersionRules& rules) {
  return ForEachObject(
      std::move(input), [&](json::Value event) -> Result<std::string> {
        MC_ASSIGN_OR_RETURN(const std::string id, ComputeEventId(event, rules));
        std::string line;
        json::Writer(&line).BeginObject().Field("event_id", id).EndObject();
        return line;
      });
}

Result<std::string> Hashes(std::string input, const RoomVersionRules& rules) {
  return ForEachObject(
      std::move(input), [&](json::Value event) -> Result<std::string> {
        MC_ASSIGN_OR_RETURN(const std::string text,
                            WithoutForeignId(event, rules));
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

Result<std::string> Redact(std::string input, const RoomVersionRules& rules) {
  return ForEachObject(std::move(input), [&](json::Value event) {
    return RedactJson(event, rules);
  });
}

Result<std::string> Sign(std::string input, const RoomVersionRules* rules,
                         const std::string& entity, const SigningKey& key) {
  return ForEachObject(
      std::move(input), [&](json::Value value) -> Result<std::string> {
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
        object.SetRaw(
            "hashes",
            "{\"sha256\":\"" + Base64Encode(ContentHash(bare.root())) + "\"}");
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

Result<Answer> Verify(std::string input, const RoomVersionRules* rules,
                      const std::string& entity, const std::string& key_id,
                      const Ed25519PublicKey& key) {
  Answer answer;
  Result<std::string> text = ForEachObject(
      std::move(input), [&](json::Value value) -> Result<std::string> {
        std::string line;
        json::Writer w(&line);
        w.BeginObject();
        if (rules == nullptr) {
          const bool valid = VerifyJson(value, entity, key_id, key);
          w.Field("signature", valid);
          answer.good = answer.good && valid;
        } else {
          MC_ASSIGN_OR_RETURN(const EventPtr event,
                              Event::FromTrusted(value.raw(), *rules, "$"));
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
