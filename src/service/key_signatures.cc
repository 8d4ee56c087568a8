#include "service/key_signatures.h"

#include <utility>

#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"

namespace matrixcore {

std::string SignedPart(json::Value key) {
  json::Object object = json::Object::From(key);
  object.Erase("signatures");
  object.Erase("unsigned");
  Result<std::string> canonical = json::Canonical(object.ToJson());
  return canonical.ok() ? std::move(*canonical) : std::string();
}

std::string WithSignature(json::Value key, std::string_view signer,
                          std::string_view key_id, std::string_view signature) {
  const json::Value old = key["signatures"];
  json::Object of_signer = json::Object::From(old[signer]);
  of_signer.SetString(key_id, signature);
  json::Object signatures = json::Object::From(old);
  signatures.SetRaw(signer, of_signer.ToJson());
  json::Object object = json::Object::From(key);
  object.SetRaw("signatures", signatures.ToJson());
  return object.ToJson();
}

std::string WithSignaturesOf(json::Value key, json::Value other) {
  const json::Value old = key["signatures"];
  json::Object signatures = json::Object::From(old);
  for (const auto& [signer, more] : other["signatures"].members()) {
    json::Object of_signer = json::Object::From(old[signer]);
    for (const auto& [key_id, signature] : more.members()) {
      of_signer.SetString(key_id, signature.StringOr(""));
    }
    signatures.SetRaw(signer, of_signer.ToJson());
  }
  json::Object object = json::Object::From(key);
  object.SetRaw("signatures", signatures.ToJson());
  return object.ToJson();
}

}  // namespace matrixcore
