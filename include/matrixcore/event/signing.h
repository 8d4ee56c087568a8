// Hashes and signatures of JSON and of events (spec: appendices "Signing JSON";
// server-server API "Signing Events").
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/event.h"
#include "matrixcore/json/object.h"

namespace matrixcore {

// Adds signatures.`entity`.`key id` to `object`, over its canonical form
// without `signatures` and `unsigned`; keeps other signatures. kInvalidArgument
// when a member is not canonical JSON.
Status SignJson(json::Object* object, std::string_view entity,
                const SigningKey& key);

// Whether `object` carries a valid signature of `entity` by that key.
bool VerifyJson(json::Value object, std::string_view entity,
                std::string_view key_id, const Ed25519PublicKey& key);

// The content hash of an event: what hashes.sha256 must say.
Sha256Digest ContentHash(json::Value event);

// The reference hash: identifies the event, over its redacted form without
// signatures and unsigned.
Result<Sha256Digest> ReferenceHash(json::Value event,
                                   const RoomVersionRules& rules);
// "$..." from the reference hash; from `event_id` itself in versions 1 and 2.
Result<std::string> ComputeEventId(json::Value event,
                                   const RoomVersionRules& rules);

// Gives the public key of (server, key id) that was valid at a time, if known.
using KeyLookup = std::function<std::optional<Ed25519PublicKey>(
    std::string_view server, std::string_view key_id, int64_t valid_at_ms)>;

enum class EventIntegrity {
  kGood,
  kRedact,  // Signatures are good, the content hash is not: use the redacted
            // form.
  kBadSignature,
};

// Judges an event as it was received: all required servers (sender's; of
// event_id in v1-2; of the authorising user for restricted joins) must have
// signed it.  A third-party invite needs no signature of its sender's server.
EventIntegrity CheckIntegrity(const Event& event, const KeyLookup& keys);

// The servers whose signature CheckIntegrity asks for.
std::vector<std::string> RequiredSigners(const Event& event);

// Whether the event carries a valid signature of `server` by that key: for
// policy servers (key id "ed25519:policy_server"), whose key is room state.
bool VerifyEventSignature(const Event& event, std::string_view server,
                          std::string_view key_id, const Ed25519PublicKey& key);

// The event with one more signature; same id.  For invites and restricted
// joins, which a second server signs, and for policy servers.  kTooLarge
// M_TOO_LARGE.
Result<EventPtr> SignEvent(const Event& event, std::string_view server,
                           const SigningKey& key);
Result<EventPtr> AddEventSignature(const Event& event, std::string_view server,
                                   std::string_view key_id,
                                   const Ed25519Signature& signature);

}  // namespace matrixcore
