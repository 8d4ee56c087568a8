#include "service/invite_permission.h"

#include <fmt/format.h>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/account_tables.h"
#include "service/room_access.h"

namespace matrixcore {

Result<bool> BlocksInvites(Snapshot& snapshot, std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(tables::kAccountData,
                   {Cell(std::string(user_id)), Cell(std::string()),
                    Cell(std::string(kInvitePermissionType))}));
  if (!row) return false;
  MC_ASSIGN_OR_RETURN(
      const json::Document config,
      json::Document::ParseView(CellText((*row)[tables::AccountData::kJson])));
  return config.root()["default_action"].StringOr("") == "block";
}

Status CheckInvitable(Snapshot& snapshot, std::string_view user_id,
                      std::string_view server_name) {
  if (!IsUserId(user_id)) {
    return InvalidParamError(fmt::format("{} is not a user id.", user_id));
  }
  if (DomainOf(user_id) != server_name) {
    return ForbiddenError(fmt::format(
        "{} is on another server, and this one does not federate.", user_id));
  }
  MC_ASSIGN_OR_RETURN(const bool blocked, BlocksInvites(snapshot, user_id));
  if (!blocked) return OkStatus();
  return Status(StatusCode::kPermissionDenied, "M_INVITE_BLOCKED",
                fmt::format("{} does not want to be invited.", user_id));
}

}  // namespace matrixcore
