// Reading keys and signatures, for queries and sync.
#include "matrixcore/service/cross_signing.h"

#include "matrixcore/service/e2ee_tables.h"
#include "service/key_signatures.h"
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
// themselves, which is with their keys, and what oneself has signed.
Result<CrossSigningService::Keys> CrossSigningService::Read(
    Snapshot& snapshot, std::string_view user_id, std::string_view asker,
    bool signed_by_asker) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kCrossSigningKeys,
                                     .prefix = {TextCell(user_id)}}));
  Keys keys;
  std::string_view master_key;
  for (const Row& row : rows) {
    const std::string_view usage = CellText(row[CrossSigningKeys::kUsage]);
    const std::string_view json = CellText(row[CrossSigningKeys::kJson]);
    if (usage == "master") {
      keys.master = json;
      master_key = CellText(row[CrossSigningKeys::kPublicKey]);
    } else if (usage == "self_signing") {
      keys.self_signing = json;
    } else if (user_id == asker) {
      keys.user_signing = json;
    }
  }
  if (!signed_by_asker || master_key.empty()) return keys;
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> signatures,
      snapshot.Scan({.table = &kKeySignatures,
                     .prefix = {TextCell(user_id), TextCell(master_key),
                                TextCell(asker)}}));
  for (const Row& row : signatures) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(keys.master));
    keys.master = WithSignature(document.root(), asker,
                                CellText(row[KeySignatures::kSignerKey]),
                                CellText(row[KeySignatures::kSignature]));
  }
  return keys;
}

Result<std::vector<bool>> CrossSigningService::HasSigned(
    Snapshot& snapshot, std::string_view asker,
    std::span<const std::string> user_ids) {
  std::vector<Row> keys;
  keys.reserve(user_ids.size());
  for (const std::string& user : user_ids) {
    keys.push_back({TextCell(asker), user});
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> rows,
                      snapshot.GetMany(kOwnSignatureChanges, keys));
  std::vector<bool> has_signed;
  has_signed.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    has_signed.push_back(rows[i] && user_ids[i] != asker);
  }
  return has_signed;
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
