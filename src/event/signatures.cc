#include "event/signatures.h"

#include "matrixcore/crypto/base64.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

json::Object ParseObject(std::string_view raw) {
  Result<json::Document> document = json::Document::ParseView(raw);
  return document.ok() ? json::Object::From(document->root()) : json::Object();
}

}  // namespace

std::string WithSignature(std::string_view signatures, std::string_view entity,
                          std::string_view key_id,
                          const Ed25519Signature& signature) {
  json::Object all = ParseObject(signatures);
  json::Object of_entity = ParseObject(all.Get(entity));
  of_entity.SetString(key_id, Base64Encode(signature));
  all.SetRaw(entity, of_entity.ToJson());
  return all.ToJson();
}

}  // namespace matrixcore
