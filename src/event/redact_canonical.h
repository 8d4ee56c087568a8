// Redaction, hashing and what is signed, on canonical bytes; internal to the
// event floor.
#pragma once

#include <string>
#include <string_view>

#include "event/event_factory.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore {

// Appends the redacted form of `content` for an event of the type that the raw
// string `type` names.
void AppendRedactedContent(std::string_view type, std::string_view content,
                           const RoomVersionRules& rules, std::string* out);

enum class RedactedForm {
  kComplete,  // What the redaction algorithm gives.
  kSigned,    // Without `signatures`, and without an event_id that is a hash:
              // what is signed, and what the reference hash covers.
};
// The redacted form of a canonical event without `unsigned`; `type` is its raw
// type.
std::string RedactCanonical(std::string_view canonical, std::string_view type,
                            const RoomVersionRules& rules, RedactedForm form);

// The content hash of a canonical event.
Sha256Digest ContentHashOfCanonical(std::string_view canonical);

// "$" and the hash in the version's alphabet (version 3 and later).
std::string EventIdFromHash(const Sha256Digest& hash,
                            const RoomVersionRules& rules);

}  // namespace matrixcore
