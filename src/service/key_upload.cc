#include "service/key_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

constexpr size_t kMaxKeyIdBytes = 255;
constexpr size_t kMaxKeyBytes = 8192;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status Invalid(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}

// Device keys must be those of the device that uploads them, and signed by
// their own ed25519 key when they have one.
Status CheckDeviceKeys(json::Value keys, std::string_view user_id,
                       std::string_view device_id) {
  if (!keys.IsObject()) return BadJson("'device_keys' must be an object");
  if (keys["user_id"].StringOr("") != user_id) {
    return Invalid("'device_keys.user_id' is not the asking user");
  }
  if (keys["device_id"].StringOr("") != device_id) {
    return Invalid("'device_keys.device_id' is not the asking device");
  }
  for (const std::string_view field : {"keys", "signatures"}) {
    if (!keys[field].IsMissing() && !keys[field].IsObject()) {
      return BadJson(fmt::format("'device_keys.{}' must be an object", field));
    }
  }
  if (!keys["algorithms"].IsMissing() && !keys["algorithms"].IsArray()) {
    return BadJson("'device_keys.algorithms' must be an array");
  }
  const std::string key_id = fmt::format("ed25519:{}", device_id);
  const json::Value own = keys["keys"][key_id];
  if (own.IsMissing()) return OkStatus();
  const std::optional<Ed25519PublicKey> key =
      ParseEd25519PublicKey(own.StringOr(""));
  if (!key) return Invalid(fmt::format("'{}' is not a public key", key_id));
  if (!VerifyJson(keys, user_id, key_id, *key)) {
    return Invalid(
        fmt::format("The device keys are not signed by '{}'", key_id));
  }
  return OkStatus();
}

// The keys that others are given, without what only the server may say.
std::string StoredDeviceKeys(json::Value keys) {
  json::Object object = json::Object::From(keys);
  object.Erase("unsigned");
  return object.ToJson();
}

Result<std::vector<UploadedKey>> ParseKeys(json::Value body,
                                           std::string_view field) {
  std::vector<UploadedKey> keys;
  const json::Value object = body[field];
  if (object.IsMissing() || object.IsNull()) return keys;
  if (!object.IsObject()) {
    return BadJson(fmt::format("'{}' must be an object", field));
  }
  for (const auto& [name, key] : object.members()) {
    const size_t colon = name.find(':');
    if (colon == std::string_view::npos || colon == 0 ||
        colon + 1 == name.size() || name.size() > kMaxKeyIdBytes) {
      return BadJson(fmt::format("'{}' has a malformed key id", field));
    }
    if (!key.IsString() && !(key.IsObject() && key["key"].IsString())) {
      return BadJson(fmt::format("'{}' has a malformed key", field));
    }
    if (key.raw().size() > kMaxKeyBytes) {
      return Status(StatusCode::kTooLarge, "M_TOO_LARGE", "A key is too large");
    }
    UploadedKey uploaded{std::string(name.substr(0, colon)), std::string(name),
                         std::string(key.raw())};
    // Of a repeated name, the last one counts.
    const auto same =
        std::find_if(keys.begin(), keys.end(), [&](const UploadedKey& earlier) {
          return earlier.key_id == uploaded.key_id;
        });
    if (same != keys.end()) keys.erase(same);
    keys.push_back(std::move(uploaded));
  }
  return keys;
}

}  // namespace

Result<KeyUpload> ParseKeyUpload(json::Value body, std::string_view user_id,
                                 std::string_view device_id) {
  KeyUpload upload;
  if (const json::Value keys = body["device_keys"];
      !keys.IsMissing() && !keys.IsNull()) {
    MC_RETURN_IF_ERROR(CheckDeviceKeys(keys, user_id, device_id));
    upload.device_keys = StoredDeviceKeys(keys);
  }
  MC_ASSIGN_OR_RETURN(upload.one_time_keys, ParseKeys(body, "one_time_keys"));
  MC_ASSIGN_OR_RETURN(upload.fallback_keys, ParseKeys(body, "fallback_keys"));
  // Of keys of the same algorithm, the later one counts.
  std::vector<UploadedKey>& fallback = upload.fallback_keys;
  for (size_t i = 0; i < fallback.size();) {
    const bool replaced =
        std::any_of(fallback.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                    fallback.end(), [&](const UploadedKey& later) {
                      return later.algorithm == fallback[i].algorithm;
                    });
    if (replaced) {
      fallback.erase(fallback.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return upload;
}

}  // namespace matrixcore
