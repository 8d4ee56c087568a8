// The parts of a /keys/upload request, checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

// One key of one_time_keys or fallback_keys: "algorithm:id" and its JSON.
struct UploadedKey {
  std::string algorithm;
  std::string key_id;      // The whole name, "signed_curve25519:AAAAHQ".
  std::string public_key;  // The key itself, in base64.
  std::string json;
};

struct KeyUpload {
  std::optional<std::string> device_keys;
  std::vector<UploadedKey> one_time_keys;
  std::vector<UploadedKey> fallback_keys;  // One an algorithm.
};

// Errors: kInvalidArgument M_BAD_JSON, M_INVALID_PARAM, M_INVALID_SIGNATURE;
// kTooLarge M_TOO_LARGE.
Result<KeyUpload> ParseKeyUpload(json::Value body, std::string_view user_id,
                                 std::string_view device_id);

// The public key in a one-time key's JSON.
Result<std::string> PublicKeyText(std::string_view key_json);

}  // namespace matrixcore
