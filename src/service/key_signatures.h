// Signed JSON of keys, apart from its signatures and together with more.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/json/value.h"

namespace matrixcore {

// What a signature is over, to compare; "" for what cannot be signed.
std::string SignedPart(json::Value key);

// The key with one more signature, or another one of the same name.
std::string WithSignature(json::Value key, std::string_view signer,
                          std::string_view key_id, std::string_view signature);

// The key with all signatures of `other`, which is the same key.
std::string WithSignaturesOf(json::Value key, json::Value other);

}  // namespace matrixcore
