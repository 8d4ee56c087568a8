// Account data (spec: client-server API, "Client Config").
#include "matrixcore/service/account_data.h"

#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/push_rules.h"

namespace matrixcore::api {
namespace {

// A type that the server manages is answered with 405.
Result<Reply> AnswerWrite(const Status& status) {
  if (status.code() == StatusCode::kUnsupported) {
    Reply reply = ErrorReply(status);
    reply.status = 405;
    return reply;
  }
  MC_RETURN_IF_ERROR(status);
  return EmptyReply();
}

Result<Reply> Put(Call& call, std::string_view room_id, std::string_view type) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  return AnswerWrite(call.services.account_data.Put(call.user_id(), room_id,
                                                    type, call.root().raw()));
}

Result<Reply> Get(Call& call, std::string_view room_id, std::string_view type) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  if (room_id.empty() && type == kPushRulesType) {
    MC_ASSIGN_OR_RETURN(std::string rules,
                        call.services.push_rules.Get(call.user_id()));
    return JsonReply(std::move(rules));
  }
  MC_ASSIGN_OR_RETURN(std::string content, call.services.account_data.Get(
                                               call.user_id(), room_id, type));
  return JsonReply(std::move(content));
}

Result<Reply> Delete(Call& call, std::string_view room_id,
                     std::string_view type) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  return AnswerWrite(
      call.services.account_data.Delete(call.user_id(), room_id, type));
}

// An empty room id is no room, and not the global account data either.
Status RequireRoomId(const Call& call) {
  if (!call.path[1].empty()) return OkStatus();
  return InvalidParam("Malformed room id");
}

Result<Reply> SetAccountData(Call& call) { return Put(call, "", call.path[1]); }
Result<Reply> GetAccountData(Call& call) { return Get(call, "", call.path[1]); }
Result<Reply> SetAccountDataPerRoom(Call& call) {
  MC_RETURN_IF_ERROR(RequireRoomId(call));
  return Put(call, call.path[1], call.path[2]);
}
Result<Reply> GetAccountDataPerRoom(Call& call) {
  MC_RETURN_IF_ERROR(RequireRoomId(call));
  return Get(call, call.path[1], call.path[2]);
}

Result<Reply> DeleteAccountData(Call& call) {
  return Delete(call, "", call.path[1]);
}
Result<Reply> DeleteAccountDataPerRoom(Call& call) {
  MC_RETURN_IF_ERROR(RequireRoomId(call));
  return Delete(call, call.path[1], call.path[2]);
}

// MSC3391
constexpr std::string_view kUnstableGlobal =
    "/_matrix/client/unstable/org.matrix.msc3391/user/{userId}/account_data/"
    "{type}";
constexpr std::string_view kUnstableRoom =
    "/_matrix/client/unstable/org.matrix.msc3391/user/{userId}/rooms/{roomId}/"
    "account_data/{type}";
constexpr std::string_view kGlobal =
    "/_matrix/client/v3/user/{userId}/account_data/{type}";
constexpr std::string_view kRoom =
    "/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}";

constexpr Route kRoutes[] = {
    {HttpMethod::kPut, kGlobal, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetAccountData, "setAccountData"},
    {HttpMethod::kGet, kGlobal, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetAccountData, "getAccountData"},
    {HttpMethod::kPut, kRoom, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetAccountDataPerRoom,
     "setAccountDataPerRoom"},
    {HttpMethod::kGet, kRoom, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetAccountDataPerRoom,
     "getAccountDataPerRoom"},
    {HttpMethod::kDelete, kUnstableGlobal, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteAccountData, ""},
    {HttpMethod::kDelete, kUnstableRoom, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteAccountDataPerRoom, ""},
};

}  // namespace

std::span<const Route> AccountDataRoutes() { return kRoutes; }

}  // namespace matrixcore::api
