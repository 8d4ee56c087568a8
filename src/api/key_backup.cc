// Backups of room keys (spec: client-server API, "Server-side key backups").
#include "matrixcore/service/key_backup.h"

#include <fmt/format.h>

#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<Reply> CreateBackup(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view algorithm,
                      RequiredString(call.root(), "algorithm"));
  MC_ASSIGN_OR_RETURN(const json::Value auth_data,
                      RequiredObject(call.root(), "auth_data"));
  MC_ASSIGN_OR_RETURN(
      const int64_t version,
      call.services.key_backup.Create(call.user_id(), algorithm, auth_data));
  return ObjectReply(
      [&](json::Writer& w) { w.Field("version", fmt::to_string(version)); });
}

// With and without a version in the path.
Result<Reply> GetBackup(Call& call) {
  std::optional<std::string_view> version;
  if (!call.path.empty()) version = call.path[0];
  MC_ASSIGN_OR_RETURN(const KeyBackupInfo info,
                      call.services.key_backup.Get(call.user_id(), version));
  return ObjectReply([&](json::Writer& w) {
    w.Field("algorithm", info.algorithm);
    w.RawField("auth_data", info.auth_data);
    w.Field("count", info.count);
    w.Field("etag", fmt::to_string(info.etag));
    w.Field("version", fmt::to_string(info.version));
  });
}

Result<Reply> UpdateBackup(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view algorithm,
                      RequiredString(call.root(), "algorithm"));
  MC_ASSIGN_OR_RETURN(const json::Value auth_data,
                      RequiredObject(call.root(), "auth_data"));
  MC_ASSIGN_OR_RETURN(const auto version,
                      OptionalString(call.root(), "version"));
  if (version && *version != call.path[0]) {
    return InvalidParam("The version is not the one in the path");
  }
  MC_RETURN_IF_ERROR(call.services.key_backup.Update(
      call.user_id(), call.path[0], algorithm, auth_data));
  return EmptyReply();
}

Result<Reply> DeleteBackup(Call& call) {
  MC_RETURN_IF_ERROR(
      call.services.key_backup.Delete(call.user_id(), call.path[0]));
  return EmptyReply();
}

// The keys that the path and the query name.
Result<KeyBackupService::Place> PlaceOf(const Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view version,
                      RequiredQuery(call, "version"));
  KeyBackupService::Place place{.user_id = call.user_id(), .version = version};
  for (const std::string& part : call.path) {
    if (part.empty()) return InvalidParam("An id in the path is empty");
  }
  if (!call.path.empty()) place.room_id = call.path[0];
  if (call.path.size() > 1) place.session_id = call.path[1];
  return place;
}

Reply ChangeReply(const KeyBackupService::Change& change) {
  return ObjectReply([&](json::Writer& w) {
    w.Field("count", change.count);
    w.Field("etag", fmt::to_string(change.etag));
  });
}

Result<Reply> PutKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(const KeyBackupService::Place place, PlaceOf(call));
  std::optional<int64_t> current;
  const Result<KeyBackupService::Change> change =
      call.services.key_backup.Put(place, call.root(), &current);
  if (change.ok()) return ChangeReply(*change);
  if (!current) return change.status();
  Reply reply = ObjectReply([&](json::Writer& w) {
    w.Field("errcode", change.status().errcode());
    w.Field("error", change.status().message());
    w.Field("current_version", fmt::to_string(*current));
  });
  reply.status = HttpStatusOf(change.status());
  return reply;
}

Result<Reply> GetKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(const KeyBackupService::Place place, PlaceOf(call));
  MC_ASSIGN_OR_RETURN(std::string keys,
                      call.services.key_backup.GetKeys(place));
  return JsonReply(std::move(keys));
}

Result<Reply> DeleteKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(const KeyBackupService::Place place, PlaceOf(call));
  MC_ASSIGN_OR_RETURN(const KeyBackupService::Change change,
                      call.services.key_backup.DeleteKeys(place));
  return ChangeReply(change);
}

constexpr std::string_view kVersions = "/_matrix/client/v3/room_keys/version";
constexpr std::string_view kVersion =
    "/_matrix/client/v3/room_keys/version/{version}";
constexpr std::string_view kAll = "/_matrix/client/v3/room_keys/keys";
constexpr std::string_view kRoom = "/_matrix/client/v3/room_keys/keys/{roomId}";
constexpr std::string_view kSession =
    "/_matrix/client/v3/room_keys/keys/{roomId}/{sessionId}";

constexpr Route Row(HttpMethod method, std::string_view path, Handler handler,
                    std::string_view operation,
                    Lane lane = Lane::kInteractive) {
  const bool body = method == HttpMethod::kPut || method == HttpMethod::kPost;
  return {method,      path,
          Auth::kUser, RateLimit::kDefault,
          lane,        body ? Body::kObject : Body::kNone,
          handler,     operation};
}

constexpr std::array kRoutes = {
    Row(HttpMethod::kPost, kVersions, &CreateBackup, "postRoomKeysVersion"),
    Row(HttpMethod::kGet, kVersions, &GetBackup, "getRoomKeysVersionCurrent"),
    Row(HttpMethod::kGet, kVersion, &GetBackup, "getRoomKeysVersion"),
    Row(HttpMethod::kPut, kVersion, &UpdateBackup, "putRoomKeysVersion"),
    Row(HttpMethod::kDelete, kVersion, &DeleteBackup, "deleteRoomKeysVersion",
        Lane::kBackground),
    Row(HttpMethod::kPut, kAll, &PutKeys, "putRoomKeys", Lane::kBackground),
    Row(HttpMethod::kGet, kAll, &GetKeys, "getRoomKeys", Lane::kBackground),
    Row(HttpMethod::kDelete, kAll, &DeleteKeys, "deleteRoomKeys",
        Lane::kBackground),
    Row(HttpMethod::kPut, kRoom, &PutKeys, "putRoomKeysByRoomId"),
    Row(HttpMethod::kGet, kRoom, &GetKeys, "getRoomKeysByRoomId",
        Lane::kBackground),
    Row(HttpMethod::kDelete, kRoom, &DeleteKeys, "deleteRoomKeysByRoomId",
        Lane::kBackground),
    Row(HttpMethod::kPut, kSession, &PutKeys, "putRoomKeyBySessionId"),
    Row(HttpMethod::kGet, kSession, &GetKeys, "getRoomKeyBySessionId"),
    Row(HttpMethod::kDelete, kSession, &DeleteKeys, "deleteRoomKeyBySessionId"),
};

}  // namespace

std::span<const Route> KeyBackupRoutes() { return kRoutes; }

}  // namespace matrixcore::api
