#include "matrixcore/testing/client_keys.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"

namespace matrixcore {
namespace {

template <typename T>
T OrDie(Result<T> result, std::string_view json) {
  if (!result.ok()) {
    fmt::print(stderr, "client keys: {}: {}\n", result.status().ToString(),
               json);
    std::abort();
  }
  return std::move(*result);
}

std::string CrossSigningJson(std::string_view user_id, std::string_view usage,
                             const ClientKey& key) {
  return fmt::format(
      R"({{"user_id":"{}","usage":["{}"],"keys":{{"{}":"{}"}}}})", user_id,
      usage, key.id(), key.public_key());
}

}  // namespace

ClientKey::ClientKey(Random& random)
    : key_(SigningKey::Generate(random, "client")),
      public_key_(Base64Encode(ByteView(key_.public_key()))) {
  id_ = "ed25519:" + public_key_;
}

ClientKey::ClientKey(Random& random, std::string_view device_id)
    : ClientKey(random) {
  id_ = fmt::format("ed25519:{}", device_id);
}

// SignJson would name the key by itself; device ids and public keys are no
// names of server keys.
std::string ClientKey::Sign(std::string_view json,
                            std::string_view user_id) const {
  const json::Document document = OrDie(json::Document::ParseView(json), json);
  json::Object bare = json::Object::From(document.root());
  bare.Erase("signatures");
  bare.Erase("unsigned");
  const std::string bytes = OrDie(json::Canonical(bare.ToJson()), json);
  const json::Value old = document.root()["signatures"];
  json::Object of_user = json::Object::From(old[user_id]);
  of_user.SetString(id_, Base64Encode(ByteView(key_.Sign(AsBytes(bytes)))));
  json::Object signatures = json::Object::From(old);
  signatures.SetRaw(user_id, of_user.ToJson());
  json::Object object = json::Object::From(document.root());
  object.SetRaw("signatures", signatures.ToJson());
  return object.ToJson();
}

std::string DeviceKeysJson(std::string_view user_id, std::string_view device_id,
                           const ClientKey& key) {
  const std::string json =
      fmt::format(R"({{"user_id":"{}","device_id":"{}","algorithms":)"
                  R"(["m.olm.v1.curve25519-aes-sha2","m.megolm.v1.aes-sha2"],)"
                  R"("keys":{{"{}":"{}","curve25519:{}":"{}"}}}})",
                  user_id, device_id, key.id(), key.public_key(), device_id,
                  key.public_key());
  return key.Sign(json, user_id);
}

std::string ClientIdentity::MasterJson(std::string_view user_id) const {
  return CrossSigningJson(user_id, "master", master);
}

std::string ClientIdentity::SelfSigningJson(std::string_view user_id) const {
  return master.Sign(CrossSigningJson(user_id, "self_signing", self_signing),
                     user_id);
}

std::string ClientIdentity::UserSigningJson(std::string_view user_id) const {
  return master.Sign(CrossSigningJson(user_id, "user_signing", user_signing),
                     user_id);
}

std::string ClientIdentity::UploadMembers(std::string_view user_id) const {
  return fmt::format(
      R"("master_key":{},"self_signing_key":{},"user_signing_key":{})",
      MasterJson(user_id), SelfSigningJson(user_id), UserSigningJson(user_id));
}

}  // namespace matrixcore
