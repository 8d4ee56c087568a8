// Reading keys and signatures, for queries and sync.
#include "matrixcore/service/cross_signing.h"

#include "matrixcore/json/object.h"
#include "matrixcore/service/e2ee_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::CrossSigningKeys;
using tables::kCrossSigningKeys;
using tables::KeySignatures;
using tables::kKeySignatures;
using tables::kOwnSignatureChanges;
using tables::OwnSignatureChanges;

}  // namespace

// Spec: "Key and signature security": of others one sees what they signed
// themselves, and what oneself has signed.
Result<CrossSigningService::Signatures> CrossSigningService::ReadSignatures(
    Snapshot& snapshot, std::string_view user_id, std::string_view asker) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &kKeySignatures, .prefix = {TextCell(user_id)}}));
  Signatures signatures;
  for (const Row& row : rows) {
    const std::string_view signer = CellText(row[KeySignatures::kSigner]);
    if (signer != user_id && signer != asker) continue;
    signatures[std::string(CellText(row[KeySignatures::kKey]))][std::string(
        signer)][std::string(CellText(row[KeySignatures::kSignerKey]))] =
        CellText(row[KeySignatures::kSignature]);
  }
  return signatures;
}

std::string CrossSigningService::MergedSignatures(
    json::Value key, const Signatures::mapped_type& more) {
  const json::Value old = key["signatures"];
  json::Object all = json::Object::From(old);
  for (const auto& [signer, signatures] : more) {
    json::Object of_signer = json::Object::From(old[signer]);
    for (const auto& [key_id, signature] : signatures) {
      of_signer.SetString(key_id, signature);
    }
    all.SetRaw(signer, of_signer.ToJson());
  }
  return all.ToJson();
}

Result<CrossSigningService::Keys> CrossSigningService::Read(
    Snapshot& snapshot, std::string_view user_id, std::string_view asker,
    const Signatures& signatures) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kCrossSigningKeys,
                                     .prefix = {TextCell(user_id)}}));
  Keys keys;
  for (const Row& row : rows) {
    const std::string_view usage = CellText(row[CrossSigningKeys::kUsage]);
    std::string json(CellText(row[CrossSigningKeys::kJson]));
    if (const auto more =
            signatures.find(CellText(row[CrossSigningKeys::kPublicKey]));
        more != signatures.end()) {
      MC_ASSIGN_OR_RETURN(
          const json::Document document,
          json::Document::ParseView(CellText(row[CrossSigningKeys::kJson])));
      json::Object object = json::Object::From(document.root());
      object.SetRaw("signatures",
                    MergedSignatures(document.root(), more->second));
      json = object.ToJson();
    }
    if (usage == "master") {
      keys.master = std::move(json);
    } else if (usage == "self_signing") {
      keys.self_signing = std::move(json);
    } else if (user_id == asker) {
      keys.user_signing = std::move(json);
    }
  }
  return keys;
}

Result<std::vector<std::string>> CrossSigningService::OwnChanges(
    Snapshot& snapshot, std::string_view user_id, Position after) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kOwnSignatureChanges,
                                     .index = OwnSignatureChanges::kByPos,
                                     .prefix = {TextCell(user_id)},
                                     .from = ScanSpec::Bound{after, false}}));
  std::vector<std::string> users;
  for (const Row& row : rows) {
    users.emplace_back(CellText(row[OwnSignatureChanges::kUser]));
  }
  return users;
}

}  // namespace matrixcore
