#include "matrixcore/service/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/event_filter.h"
#include "matrixcore/service/restored.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::Filters;
using tables::kFilters;

Status NoSuchFilter() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such filter");
}

// Lists whose entries must be identifiers; the parser of filters has checked
// that they are lists of strings.
Status CheckIds(json::Value object, std::string_view key,
                bool (*is_id)(std::string_view)) {
  for (const json::Value item : object[key]) {
    if (is_id(item.StringOr(""))) continue;
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  fmt::format("'{}' holds a malformed identifier", key));
  }
  return OkStatus();
}

Status CheckIdentifiers(json::Value filter) {
  const json::Value room = filter["room"];
  for (const json::Value part :
       {filter["presence"], filter["account_data"], room["state"],
        room["timeline"], room["ephemeral"], room["account_data"]}) {
    MC_RETURN_IF_ERROR(CheckIds(part, "senders", &IsUserId));
    MC_RETURN_IF_ERROR(CheckIds(part, "not_senders", &IsUserId));
    MC_RETURN_IF_ERROR(CheckIds(part, "rooms", &IsRoomId));
    MC_RETURN_IF_ERROR(CheckIds(part, "not_rooms", &IsRoomId));
  }
  MC_RETURN_IF_ERROR(CheckIds(room, "rooms", &IsRoomId));
  return CheckIds(room, "not_rooms", &IsRoomId);
}

}  // namespace

Result<std::string> FilterService::Create(std::string_view user_id,
                                          json::Value filter) {
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const SyncFilter parsed,
                      ParseSyncFilter(filter));
  MC_RETURN_IF_ERROR(CheckIdentifiers(filter));
  MC_ASSIGN_OR_RETURN(const std::string canonical,
                      json::Canonical(filter, json::NumberRule::kLax));
  const Sha256Digest digest = Sha256(canonical);
  const Blob hash{std::string(AsText(ByteView(digest)))};
  const std::string user(user_id);
  int64_t id = 0;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> same,
        FindByIndex(snapshot, kFilters, Filters::kByHash, {user, hash}));
    if (same) {
      id = CellInt((*same)[Filters::kId]);
      return OkStatus();
    }
    MC_ASSIGN_OR_RETURN(const std::vector<Row> last,
                        snapshot.Scan({.table = &kFilters,
                                       .prefix = {user},
                                       .descending = true,
                                       .limit = 1}));
    id = last.empty() ? 0 : CellInt(last[0][Filters::kId]) + 1;
    MC_ASSIGN_OR_RETURN(const LostTimes lost, LostTimes::Read(snapshot));
    id = std::max(id, lost.first_number());
    batch.InsertRow(kFilters, {user, id, hash, canonical});
    return OkStatus();
  };
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                      Transact(store_, attempt));
  return fmt::to_string(id);
}

Result<std::string> FilterService::Get(std::string_view user_id,
                                       std::string_view filter_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  return Get(*snapshot, user_id, filter_id);
}

Result<std::string> FilterService::Get(Snapshot& snapshot,
                                       std::string_view user_id,
                                       std::string_view filter_id) {
  int64_t id = 0;
  const char* const end = filter_id.data() + filter_id.size();
  const auto [rest, error] = std::from_chars(filter_id.data(), end, id);
  if (error != std::errc() || rest != end) return NoSuchFilter();
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kFilters, {TextCell(user_id), id}));
  if (!row) return NoSuchFilter();
  return std::string(CellText((*row)[Filters::kJson]));
}

}  // namespace matrixcore
