#include "service/sync_account.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "matrixcore/json/value.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/push_rules.h"

namespace matrixcore {
namespace {

using tables::AccountData;
using tables::DeviceListChanges;

bool ByRoomAndType(const AccountDatum& a, const AccountDatum& b) {
  return std::tie(a.room_id, a.type) < std::tie(b.room_id, b.type);
}

// Completed with the default rules, as every other reader sees them.
Status AddPushRules(Snapshot& snapshot, const std::string& user_id,
                    std::vector<AccountDatum>* data) {
  MC_ASSIGN_OR_RETURN(std::string rules,
                      PushRuleService::Get(snapshot, user_id));
  data->push_back({"", std::string(kPushRulesType), std::move(rules)});
  return OkStatus();
}

}  // namespace

Result<std::vector<AccountDatum>> ReadAccountData(Snapshot& snapshot,
                                                  const std::string& user_id,
                                                  Position after) {
  MC_ASSIGN_OR_RETURN(std::vector<AccountDataService::Entry> entries,
                      AccountDataService::Since(snapshot, user_id, after));
  std::vector<AccountDatum> data;
  bool push_rules = after == 0;
  for (AccountDataService::Entry& entry : entries) {
    if (entry.room_id.empty() && entry.type == kPushRulesType) {
      push_rules = true;
      continue;
    }
    data.push_back({std::move(entry.room_id), std::move(entry.type),
                    std::move(entry.content)});
  }
  if (push_rules) MC_RETURN_IF_ERROR(AddPushRules(snapshot, user_id, &data));
  std::sort(data.begin(), data.end(), ByRoomAndType);
  return data;
}

Result<std::vector<AccountDatum>> ReadRoomAccountData(
    Snapshot& snapshot, const std::string& user_id, const std::string& room_id,
    Position after) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &tables::kAccountData,
                     .prefix = {Cell(user_id), Cell(room_id)}}));
  std::vector<AccountDatum> data;
  for (const Row& row : rows) {
    if (CellInt(row[AccountData::kPos]) <= after) continue;
    if (after == 0 && CellText(row[AccountData::kJson]) == kDeletedContent) {
      continue;
    }
    data.push_back({room_id, std::string(CellText(row[AccountData::kType])),
                    std::string(CellText(row[AccountData::kJson]))});
  }
  return data;
}

Result<std::vector<AccountDatum>> ReadAllGlobalAccountData(
    Snapshot& snapshot, const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(std::vector<AccountDatum> data,
                      ReadRoomAccountData(snapshot, user_id, ""));
  std::erase_if(data, [](const AccountDatum& datum) {
    return datum.type == kPushRulesType;
  });
  MC_RETURN_IF_ERROR(AddPushRules(snapshot, user_id, &data));
  std::sort(data.begin(), data.end(), ByRoomAndType);
  return data;
}

Result<std::optional<std::string>> ReadGlobalAccountData(
    Snapshot& snapshot, const std::string& user_id, std::string_view type) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(tables::kAccountData, {Cell(user_id), Cell(std::string()),
                                          Cell(std::string(type))}));
  if (!row) return std::optional<std::string>();
  return std::optional<std::string>(CellText((*row)[AccountData::kJson]));
}

Result<IgnoredUsers> ReadIgnoredUsers(Snapshot& snapshot,
                                      const std::string& user_id) {
  IgnoredUsers ignored;
  MC_ASSIGN_OR_RETURN(
      const std::optional<std::string> stored,
      ReadGlobalAccountData(snapshot, user_id, kIgnoredUserListType));
  if (!stored) return ignored;
  const Result<json::Document> content = json::Document::ParseView(*stored);
  if (!content.ok()) return ignored;
  for (const auto [user, details] :
       content->root()["ignored_users"].members()) {
    if (user != user_id) ignored.emplace_back(user);
  }
  std::sort(ignored.begin(), ignored.end());
  return ignored;
}

Result<std::vector<std::string>> ReadDeviceListChanges(Snapshot& snapshot,
                                                       Position after) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan({.table = &tables::kDeviceListChanges,
                     .index = DeviceListChanges::kByPos,
                     .from = ScanSpec::Bound{Cell(after), false}}));
  std::vector<std::string> users;
  for (const Row& row : rows) {
    users.emplace_back(CellText(row[DeviceListChanges::kUser]));
  }
  std::sort(users.begin(), users.end());
  return users;
}

}  // namespace matrixcore
