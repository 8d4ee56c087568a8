#include "service/key_upload.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

constexpr size_t kMaxKeyIdBytes = 255;
constexpr size_t kMaxKeyBytes = 8192;
constexpr size_t kMaxDeviceKeysBytes = 65536;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status Invalid(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}

Status TooLarge(std::string message) {
  return Status(StatusCode::kTooLarge, "M_TOO_LARGE", std::move(message));
}

bool HoldsStrings(json::Value list) {
  for (const json::Value value : list) {
    if (!value.IsString()) return false;
  }
  return true;
}

// What the definition of DeviceKeys requires.
Status CheckShape(json::Value keys) {
  if (!keys.IsObject()) return BadJson("'device_keys' must be an object");
  if (!keys["user_id"].IsString() || !keys["device_id"].IsString()) {
    return BadJson("'device_keys' must name its user and device");
  }
  if (!keys["algorithms"].IsArray() || !HoldsStrings(keys["algorithms"])) {
    return BadJson("'device_keys.algorithms' must be a list of strings");
  }
  if (!keys["keys"].IsObject() || !HoldsStrings(keys["keys"])) {
    return BadJson("'device_keys.keys' must be an object of strings");
  }
  const json::Value signatures = keys["signatures"];
  if (!signatures.IsObject()) {
    return BadJson("'device_keys.signatures' must be an object");
  }
  for (const json::Value of_signer : signatures) {
    if (!of_signer.IsObject() || !HoldsStrings(of_signer)) {
      return BadJson("'device_keys.signatures' must hold objects of strings");
    }
  }
  if (keys.raw().size() > kMaxDeviceKeysBytes) {
    return TooLarge("The device keys are too large");
  }
  return OkStatus();
}

// Spec: "Uploading keys": device keys are those of the device that uploads
// them, and signed by its ed25519 key.  Where that key is missing, or is a text
// that is no key, there is nothing to verify: such keys are passed on as they
// are, as other servers do, and no client trusts them.
Status CheckDeviceKeys(json::Value keys, std::string_view user_id,
                       std::string_view device_id) {
  MC_RETURN_IF_ERROR(CheckShape(keys));
  if (keys["user_id"].StringOr("") != user_id) {
    return Invalid("'device_keys.user_id' is not the asking user");
  }
  if (keys["device_id"].StringOr("") != device_id) {
    return Invalid("'device_keys.device_id' is not the asking device");
  }
  const std::string key_id = fmt::format("ed25519:{}", device_id);
  const std::optional<Ed25519PublicKey> key =
      ParseEd25519PublicKey(keys["keys"][key_id].StringOr(""));
  if (key && !VerifyJson(keys, user_id, key_id, *key)) {
    return Status(
        StatusCode::kInvalidArgument, "M_INVALID_SIGNATURE",
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

// A text, or as the definition of KeyObject has it.
bool IsKey(json::Value key) {
  if (key.IsString()) return true;
  const json::Value signatures = key["signatures"];
  return key.IsObject() && key["key"].IsString() &&
         (signatures.IsMissing() || signatures.IsObject());
}

std::string_view TextOfKey(json::Value key) {
  return key.IsString() ? key.StringOr("") : key["key"].StringOr("");
}

// Of a repeated name, the last one counts, in its place.
Result<std::vector<UploadedKey>> ParseKeys(json::Value body,
                                           std::string_view field) {
  std::vector<UploadedKey> keys;
  const json::Value object = body[field];
  if (object.IsMissing() || object.IsNull()) return keys;
  if (!object.IsObject()) {
    return BadJson(fmt::format("'{}' must be an object", field));
  }
  std::map<std::string_view, size_t> last;
  size_t index = 0;
  for (const auto& [name, key] : object.members()) last[name] = index++;
  index = 0;
  for (const auto& [name, key] : object.members()) {
    const size_t colon = name.find(':');
    if (colon == std::string_view::npos || colon == 0 ||
        colon + 1 == name.size() || name.size() > kMaxKeyIdBytes) {
      return BadJson(fmt::format("'{}' has a malformed key id", field));
    }
    if (!IsKey(key)) {
      return BadJson(fmt::format("'{}' has a malformed key", field));
    }
    if (key.raw().size() > kMaxKeyBytes) return TooLarge("A key is too large");
    if (last[name] != index++) continue;
    keys.push_back({std::string(name.substr(0, colon)), std::string(name),
                    std::string(TextOfKey(key)), std::string(key.raw())});
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
  MC_ASSIGN_OR_RETURN(std::vector<UploadedKey> fallback,
                      ParseKeys(body, "fallback_keys"));
  // Of keys of the same algorithm, the later one counts.
  std::map<std::string, UploadedKey> by_algorithm;
  for (UploadedKey& key : fallback) {
    std::string algorithm = key.algorithm;
    by_algorithm.insert_or_assign(std::move(algorithm), std::move(key));
  }
  for (auto& [algorithm, key] : by_algorithm) {
    upload.fallback_keys.push_back(std::move(key));
  }
  return upload;
}

Result<std::string> PublicKeyText(std::string_view key_json) {
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(key_json));
  return std::string(TextOfKey(document.root()));
}

}  // namespace matrixcore
