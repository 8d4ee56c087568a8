// The `signatures` object; internal to the event floor.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/crypto/ed25519.h"

namespace matrixcore {

// `signatures` (raw JSON, or "" for none) with one more entry, which replaces
// one of the same entity and key.  Canonical when `signatures` is.
std::string WithSignature(std::string_view signatures, std::string_view entity,
                          std::string_view key_id,
                          const Ed25519Signature& signature);

}  // namespace matrixcore
