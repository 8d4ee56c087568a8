#include "service/third_party_proof.h"

#include <algorithm>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

// More keys of one invite are not looked at.
constexpr size_t kMaxKeys = 10;

// Whether the key made one of the signatures of `proof`, whoever's it is.
bool HasSigned(json::Value proof, const Ed25519PublicKey& key) {
  for (const auto [server, signatures] : proof["signatures"].members()) {
    for (const auto [key_id, signature] : signatures.members()) {
      if (VerifyJson(proof, server, key_id, key)) return true;
    }
  }
  return false;
}

}  // namespace

Result<ThirdPartyProof> ReadThirdPartyProof(json::Value given) {
  const auto sender = given["sender"].AsString();
  const auto user_id = given["mxid"].AsString();
  const auto token = given["token"].AsString();
  if (!sender || !user_id || !token || !given["signatures"].IsObject()) {
    return BadJsonError(
        "third_party_signed needs sender, mxid, token and signatures.");
  }
  return ThirdPartyProof{std::string(*sender), std::string(*user_id),
                         std::string(*token), std::string(given.raw())};
}

std::vector<InviteKey> KeysThatSigned(const Event& invite,
                                      const ThirdPartyProof& proof) {
  std::vector<InviteKey> keys;
  const Result<json::Document> document = json::Document::ParseView(proof.json);
  if (!document.ok()) return keys;
  const auto add = [&](json::Value entry) {
    const std::string_view text = entry["public_key"].StringOr("");
    const auto known = [text](const InviteKey& key) {
      return key.public_key == text;
    };
    const auto key = ParseEd25519PublicKey(text);
    if (!key || keys.size() == kMaxKeys ||
        std::any_of(keys.begin(), keys.end(), known) ||
        !HasSigned(document->root(), *key)) {
      return;
    }
    keys.push_back({std::string(text),
                    std::string(entry["key_validity_url"].StringOr(""))});
  };
  const json::Value content = invite.content();
  add(content);
  for (const json::Value entry : content["public_keys"]) add(entry);
  return keys;
}

}  // namespace matrixcore
