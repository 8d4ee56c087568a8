#include "matrixcore/event/signing.h"

#include <algorithm>
#include <utility>

#include "event/canonical_reader.h"
#include "event/event_factory.h"
#include "event/redact_canonical.h"
#include "event/signatures.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/canonical.h"

namespace matrixcore {
namespace {

constexpr std::string_view kEd25519Prefix = "ed25519:";

// The canonical bytes that a signature of a JSON object covers.
Result<std::string> SigningBytes(json::Object object,
                                 json::NumberRule numbers) {
  object.Erase("signatures");
  object.Erase("unsigned");
  return json::Canonical(object.ToJson(), numbers);
}

bool IsThirdPartyInvite(const Event& event) {
  return event.type() == kTypeMember && event.is_state() &&
         canonical::StringEquals(
             canonical::Member(event.content_json(), "membership"), "invite") &&
         !canonical::Member(event.content_json(), "third_party_invite").empty();
}

std::string Unescaped(std::string_view body) {
  std::string text;
  canonical::AppendUnescaped(body, &text);
  return text;
}

// The bytes that the signatures of an event cover.
std::string EventSigningBytes(const Event& event, const EventFields& fields) {
  return RedactCanonical(event.json(), fields.type, event.rules(),
                         RedactedForm::kSigned);
}

bool HasGoodContentHash(const Event& event, const EventFields& fields) {
  const std::optional<std::string> claimed = Base64Decode(Unescaped(
      canonical::StringBody(canonical::Member(fields.hashes, "sha256"))));
  const Sha256Digest hash = ContentHashOfCanonical(event.json());
  return claimed.has_value() && *claimed == AsText(hash);
}

// Whether at least one signature of `server` is by a known key and none that is
// by a known key is wrong; unknown keys are skipped.
bool ServerSigned(const Event& event, std::string_view signatures,
                  std::string_view server, std::string_view message,
                  const KeyLookup& keys) {
  const int64_t valid_at =
      event.rules().enforce_key_validity ? event.origin_server_ts() : 0;
  bool verified = false;
  const std::string_view of_server = canonical::MemberNamed(signatures, server);
  for (canonical::ObjectReader reader(of_server); reader.Next();) {
    const std::string key_id = Unescaped(reader.key());
    if (key_id.rfind(kEd25519Prefix, 0) != 0) continue;
    const std::optional<Ed25519PublicKey> key = keys(server, key_id, valid_at);
    if (!key.has_value()) continue;
    const std::optional<Ed25519Signature> signature =
        ParseEd25519Signature(Unescaped(canonical::StringBody(reader.value())));
    if (!signature.has_value() ||
        !Ed25519Verify(*key, AsBytes(message), *signature)) {
      return false;
    }
    verified = true;
  }
  return verified;
}

}  // namespace

Status SignJson(json::Object* object, std::string_view entity,
                const SigningKey& key) {
  MC_ASSIGN_OR_RETURN(const std::string bytes,
                      SigningBytes(*object, json::NumberRule::kStrict));
  const Ed25519Signature signature = key.Sign(AsBytes(bytes));
  object->SetRaw("signatures", WithSignature(object->Get("signatures"), entity,
                                             key.key_id(), signature));
  return OkStatus();
}

bool VerifyJson(json::Value object, std::string_view entity,
                std::string_view key_id, const Ed25519PublicKey& key) {
  const std::optional<std::string_view> text =
      object["signatures"][entity][key_id].AsString();
  if (!text.has_value()) return false;
  const std::optional<Ed25519Signature> signature =
      ParseEd25519Signature(*text);
  if (!signature.has_value()) return false;
  const Result<std::string> bytes =
      SigningBytes(json::Object::From(object), json::NumberRule::kLax);
  return bytes.ok() && Ed25519Verify(key, AsBytes(*bytes), *signature);
}

Sha256Digest ContentHashOfCanonical(std::string_view canonical) {
  std::string covered;
  covered.reserve(canonical.size());
  covered += '{';
  for (canonical::ObjectReader reader(canonical); reader.Next();) {
    const std::string_view key = reader.key();
    if (key == "signatures" || key == "hashes" || key == "unsigned") continue;
    if (covered.size() > 1) covered += ',';
    covered += '"';
    covered += key;
    covered += "\":";
    covered += reader.value();
  }
  covered += '}';
  return Sha256(covered);
}

Sha256Digest ContentHash(json::Value event) {
  const Result<std::string> canonical =
      CanonicalEvent(event, /*keep_event_id=*/true, json::NumberRule::kLax);
  return ContentHashOfCanonical(canonical.ok() ? *canonical : "{}");
}

Result<Sha256Digest> ReferenceHash(json::Value event,
                                   const RoomVersionRules& rules) {
  MC_ASSIGN_OR_RETURN(
      const std::string canonical,
      CanonicalEvent(event, HasEventIdField(rules), json::NumberRule::kLax));
  EventFields fields;
  fields.Read(canonical);
  return Sha256(
      RedactCanonical(canonical, fields.type, rules, RedactedForm::kSigned));
}

Result<std::string> ComputeEventId(json::Value event,
                                   const RoomVersionRules& rules) {
  if (HasEventIdField(rules)) {
    const std::string_view id = event["event_id"].StringOr("");
    if (id.size() < 2 || id.front() != '$') {
      return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                    "the event has no event_id");
    }
    return std::string(id);
  }
  MC_ASSIGN_OR_RETURN(const Sha256Digest hash, ReferenceHash(event, rules));
  return EventIdFromHash(hash, rules);
}

std::vector<std::string> RequiredSigners(const Event& event) {
  std::vector<std::string> servers;
  const auto add = [&servers](std::string_view server) {
    if (std::find(servers.begin(), servers.end(), server) == servers.end()) {
      servers.emplace_back(server);
    }
  };
  if (!IsThirdPartyInvite(event)) add(DomainOf(event.sender()));
  if (HasEventIdField(event.rules())) add(DomainOf(event.event_id()));
  if (event.rules().restricted_joins && event.type() == kTypeMember) {
    const std::string_view authoriser = canonical::Member(
        event.content_json(), "join_authorised_via_users_server");
    // Not a user id: a signature of "" is asked for, which nobody can give.
    if (!authoriser.empty()) {
      add(DomainOf(Unescaped(canonical::StringBody(authoriser))));
    }
  }
  return servers;
}

EventIntegrity CheckIntegrity(const Event& event, const KeyLookup& keys) {
  EventFields fields;
  fields.Read(event.json());
  const std::string message = EventSigningBytes(event, fields);
  for (const std::string& server : RequiredSigners(event)) {
    if (!ServerSigned(event, fields.signatures, server, message, keys)) {
      return EventIntegrity::kBadSignature;
    }
  }
  return HasGoodContentHash(event, fields) ? EventIntegrity::kGood
                                           : EventIntegrity::kRedact;
}

bool VerifyEventSignature(const Event& event, std::string_view server,
                          std::string_view key_id,
                          const Ed25519PublicKey& key) {
  EventFields fields;
  fields.Read(event.json());
  const std::string_view raw = canonical::MemberNamed(
      canonical::MemberNamed(fields.signatures, server), key_id);
  const std::optional<Ed25519Signature> signature =
      ParseEd25519Signature(Unescaped(canonical::StringBody(raw)));
  return signature.has_value() &&
         Ed25519Verify(key, AsBytes(EventSigningBytes(event, fields)),
                       *signature);
}

Result<EventPtr> AddEventSignature(const Event& event, std::string_view server,
                                   std::string_view key_id,
                                   const Ed25519Signature& signature) {
  std::string out;
  out.reserve(event.json().size() + server.size() + 128);
  out += '{';
  // `signatures` has its place in the order of the keys, also when it is new.
  bool written = false;
  const auto write = [&](std::string_view existing) {
    if (out.size() > 1) out += ',';
    out += "\"signatures\":";
    out += WithSignature(existing, server, key_id, signature);
    written = true;
  };
  for (canonical::ObjectReader reader(event.json()); reader.Next();) {
    const std::string_view key = reader.key();
    if (key == "signatures") {
      write(reader.value());
      continue;
    }
    if (!written && key > "signatures") write("");
    if (out.size() > 1) out += ',';
    out += '"';
    out += key;
    out += "\":";
    out += reader.value();
  }
  if (!written) write("");
  out += '}';
  if (out.size() > kMaxEventBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "the event is too large with one more signature");
  }
  return Event::FromStored(std::move(out), event.event_id(), event.rules());
}

Result<EventPtr> SignEvent(const Event& event, std::string_view server,
                           const SigningKey& key) {
  EventFields fields;
  fields.Read(event.json());
  const std::string message = EventSigningBytes(event, fields);
  return AddEventSignature(event, server, key.key_id(),
                           key.Sign(AsBytes(message)));
}

}  // namespace matrixcore
