#include "matrixcore/service/openid.h"

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore {
namespace {

using tables::kOpenIdTokens;
using tables::OpenIdTokens;

constexpr size_t kTokenLength = 32;
constexpr int64_t kMsPerSecond = 1000;
// Making a token removes so many that are too old.
constexpr size_t kPruneRows = 20;

Blob HashOf(std::string_view token) {
  const Sha256Digest hash = Sha256(token);
  return Blob{std::string(AsText(ByteView(hash)))};
}

}  // namespace

Result<std::string> OpenIdService::MakeToken(std::string_view user_id) {
  const int64_t now = deps_.clock.Now().ms;
  WriteBatch batch;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::vector<Row> old,
                        snapshot->Scan({.table = &kOpenIdTokens,
                                        .index = OpenIdTokens::kByExpires,
                                        .to = ScanSpec::Bound{Cell(now), true},
                                        .limit = kPruneRows}));
    for (const Row& row : old) {
      batch.DeleteRow(kOpenIdTokens,
                      {Blob{std::string(CellBlob(row[OpenIdTokens::kHash]))}});
    }
  }
  std::string token = "mco_" + deps_.random.AlphaNumeric(kTokenLength);
  batch.InsertRow(kOpenIdTokens, {HashOf(token), std::string(user_id),
                                  now + kLifeSeconds * kMsPerSecond});
  MC_RETURN_IF_ERROR(deps_.store.Commit(std::move(batch)).status());
  return token;
}

Result<std::optional<std::string>> OpenIdService::UserOf(
    std::string_view token) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const auto row,
                      snapshot->Get(kOpenIdTokens, {Cell(HashOf(token))}));
  if (!row || CellInt((*row)[OpenIdTokens::kExpires]) <= deps_.clock.Now().ms) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(CellText((*row)[OpenIdTokens::kUser]));
}

}  // namespace matrixcore
