#include "matrixcore/service/account_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/account_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::AccountData;
using tables::kAccountData;

// Types that other endpoints write (spec: "Client Config", server behaviour).
constexpr std::string_view kManagedTypes[] = {"m.fully_read", kPushRulesType};

Status CheckUnmanaged(std::string_view type) {
  if (std::find(std::begin(kManagedTypes), std::end(kManagedTypes), type) ==
      std::end(kManagedTypes)) {
    return OkStatus();
  }
  return Status(StatusCode::kUnsupported, "M_BAD_JSON",
                fmt::format("Cannot set {} through this API", type));
}

Status CheckNames(std::string_view room_id, std::string_view type) {
  if (!room_id.empty() && !IsRoomId(room_id)) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "Malformed room id");
  }
  if (type.empty() || type.size() > kMaxIdentifierBytes) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "The type must have 1 to 255 bytes");
  }
  return OkStatus();
}

}  // namespace

Status AccountDataService::Put(std::string_view user_id,
                               std::string_view room_id, std::string_view type,
                               std::string_view content) {
  MC_RETURN_IF_ERROR(CheckNames(room_id, type));
  MC_RETURN_IF_ERROR(CheckUnmanaged(type));
  // An empty object, however it is spaced, stands for nothing.
  const bool empty =
      content.find_first_not_of("{} \t\r\n") == std::string_view::npos;
  return Write(user_id, room_id, type,
               std::string(empty ? kDeletedContent : content));
}

Status AccountDataService::Delete(std::string_view user_id,
                                  std::string_view room_id,
                                  std::string_view type) {
  MC_RETURN_IF_ERROR(CheckNames(room_id, type));
  MC_RETURN_IF_ERROR(CheckUnmanaged(type));
  const Result<std::string> known = Get(user_id, room_id, type);
  if (known.status().code() == StatusCode::kNotFound) return OkStatus();
  MC_RETURN_IF_ERROR(known.status());
  return Write(user_id, room_id, type, std::string(kDeletedContent));
}

Status AccountDataService::Write(std::string_view user_id,
                                 std::string_view room_id,
                                 std::string_view type, std::string content) {
  const bool ignored = room_id.empty() && type == kIgnoredUserListType;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    AddRow(batch, user_id, room_id, type, content);
    return ignored ? PushProfiles::AddUser(snapshot, batch, user_id)
                   : OkStatus();
  };
  Status done = Transact(store_, attempt).status();
  if (!MayBeWritten(done)) return done;
  const std::string user(user_id);
  if (ignored && profiles_ != nullptr) profiles_->Changed(user);
  notifier_.PublishUsers({&user, 1});
  return done;
}

Result<std::string> AccountDataService::Get(std::string_view user_id,
                                            std::string_view room_id,
                                            std::string_view type) {
  MC_RETURN_IF_ERROR(CheckNames(room_id, type));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot->Get(kAccountData,
                    {TextCell(user_id), TextCell(room_id), TextCell(type)}));
  if (!row || CellText((*row)[AccountData::kJson]) == kDeletedContent) {
    return Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such account data");
  }
  return std::string(CellText((*row)[AccountData::kJson]));
}

Status AccountDataService::SetTag(std::string_view user_id,
                                  std::string_view room_id,
                                  std::string_view tag,
                                  std::string_view content) {
  MC_RETURN_IF_ERROR(CheckNames(room_id, tag));
  if (!content.empty()) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(content));
    const json::Value order = document.root()["order"];
    if (order && !order.IsNumber()) {
      return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                    "The order of a tag is a number");
    }
  }
  const Row key = {TextCell(user_id), TextCell(room_id), TextCell(kTagType)};
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot.Get(kAccountData, key));
    json::Object data;
    if (row) {
      const Cell& old = (*row)[AccountData::kJson];
      MC_ASSIGN_OR_RETURN(const json::Document document,
                          json::Document::Parse(std::string(CellText(old))));
      data = json::Object::From(document.root());
      batch.Require(WriteBatch::ColumnEquals{&kAccountData, key,
                                             AccountData::kJson, old});
    } else {
      batch.Require(WriteBatch::RowAbsent{&kAccountData, key});
    }
    json::Object tags;
    if (!data.Get("tags").empty()) {
      MC_ASSIGN_OR_RETURN(const json::Document document,
                          json::Document::ParseView(data.Get("tags")));
      tags = json::Object::From(document.root());
    }
    if (content.empty()) {
      tags.Erase(tag);
    } else {
      tags.SetRaw(tag, std::string(content));
    }
    data.SetRaw("tags", tags.ToJson());
    AddRow(batch, user_id, room_id, kTagType, data.ToJson());
    return OkStatus();
  };
  Status done = Transact(store_, attempt).status();
  const std::string user(user_id);
  if (MayBeWritten(done)) notifier_.PublishUsers({&user, 1});
  return done;
}

Result<std::vector<AccountDataService::Entry>> AccountDataService::Since(
    Snapshot& snapshot, std::string_view user_id, Position after) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kAccountData,
                                     .index = AccountData::kByPos,
                                     .prefix = {TextCell(user_id)},
                                     .from = ScanSpec::Bound{after, false}}));
  std::vector<Entry> entries;
  entries.reserve(rows.size());
  for (const Row& row : rows) {
    if (after == 0 && CellText(row[AccountData::kJson]) == kDeletedContent) {
      continue;
    }
    entries.push_back(
        {.room_id = std::string(CellText(row[AccountData::kRoomId])),
         .type = std::string(CellText(row[AccountData::kType])),
         .content = std::string(CellText(row[AccountData::kJson])),
         .pos = CellInt(row[AccountData::kPos])});
  }
  return entries;
}

void AccountDataService::AddRow(WriteBatch& batch, std::string_view user_id,
                                std::string_view room_id, std::string_view type,
                                std::string content) {
  batch.PutRow(kAccountData,
               {std::string(user_id), std::string(room_id), std::string(type),
                std::move(content), batch.NewPosition()});
}

}  // namespace matrixcore
