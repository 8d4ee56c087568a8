#include "matrixcore/service/profiles.h"

#include <atomic>
#include <memory>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kProfiles;
using tables::kUsers;
using tables::Profiles;

Status NoProfile() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", "Profile was not found");
}

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

// The two fields that also stand in member events.
bool IsName(std::string_view key) {
  return key == "displayname" || key == "avatar_url";
}

// Spec: appendices, "Common Namespaced Identifier Grammar".
Status CheckKey(std::string_view key) {
  if (key.size() > ProfileService::kMaxKeyBytes) {
    return Invalid("M_KEY_TOO_LARGE", "The key is longer than 255 bytes");
  }
  bool valid = !key.empty() && key.front() >= 'a' && key.front() <= 'z' &&
               (IsName(key) || key.find('.') != std::string_view::npos) &&
               key.back() != '.';
  for (const char c : key) {
    valid = valid && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.');
  }
  return valid ? OkStatus() : Invalid("M_INVALID_PARAM", "Invalid profile key");
}

Status CheckValue(std::string_view key, json::Value value) {
  if (!IsName(key) && key != "m.tz") return OkStatus();
  const std::optional<std::string_view> text = value.AsString();
  if (!text) {
    return Invalid("M_INVALID_PARAM", "This field must be a string");
  }
  if (text->size() > ProfileService::kMaxNameBytes) {
    return Invalid("M_INVALID_PARAM", "This field is too long");
  }
  return OkStatus();
}

// A member event's content with another name; what belongs to how the user once
// joined goes.
std::string MemberContent(const Event& member, const std::string& key,
                          const std::optional<std::string>& value) {
  json::Object content = json::Object::From(member.content());
  for (const std::string_view transient :
       {"reason", "is_direct", "third_party_invite",
        "join_authorised_via_users_server"}) {
    content.Erase(transient);
  }
  if (value) {
    content.SetRaw(key, *value);
  } else {
    content.Erase(key);
  }
  return content.ToJson();
}

}  // namespace

Result<std::string> ProfileService::Get(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> user,
                      snapshot->Get(kUsers, {TextCell(user_id)}));
  if (!user) return NoProfile();
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot->Scan({.table = &kProfiles, .prefix = {TextCell(user_id)}}));
  std::string out;
  json::Writer w(&out);
  w.BeginObject();
  for (const Row& row : rows) {
    w.RawField(CellText(row[Profiles::kField]), CellText(row[Profiles::kJson]));
  }
  w.EndObject();
  return out;
}

Result<std::string> ProfileService::GetField(std::string_view user_id,
                                             std::string_view key) {
  MC_RETURN_IF_ERROR(CheckKey(key));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot->Get(kProfiles, {TextCell(user_id), TextCell(key)}));
  if (!row) return NoProfile();
  return std::string(CellText((*row)[Profiles::kJson]));
}

// Writes or removes one field, if the profile stays within its limit.
Status ProfileService::Write(const std::string& user_id, std::string_view key,
                             const std::optional<std::string>& value) {
  const std::string field(key);
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    if (!value) {
      batch.DeleteRow(kProfiles, {user_id, field});
      return OkStatus();
    }
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot.Scan({.table = &kProfiles, .prefix = {user_id}}));
    // Keys with their quotes, colons and commas, inside one pair of braces.
    size_t size = 1 + field.size() + value->size() + 4;
    for (const Row& row : rows) {
      const std::string_view other = CellText(row[Profiles::kField]);
      if (other == field) continue;
      size += other.size() + CellText(row[Profiles::kJson]).size() + 4;
    }
    if (size >= kMaxProfileBytes) {
      return Invalid("M_PROFILE_TOO_LARGE", "The profile would exceed 64 KiB");
    }
    batch.PutRow(kProfiles, {user_id, field, *value});
    return OkStatus();
  };
  return Transact(deps_.store, attempt).status();
}

void ProfileService::Set(const std::string& user_id, std::string_view key,
                         json::Value value, Done done) {
  Status status = CheckKey(key);
  if (status.ok()) status = CheckValue(key, value);
  if (!status.ok()) return done(std::move(status));
  std::optional<std::string> raw(value.raw());
  if (IsName(key) && value.StringOr("").empty()) raw.reset();
  status = Write(user_id, key, raw);
  if (!status.ok() || !IsName(key)) return done(std::move(status));
  Propagate(user_id, std::string(key), std::move(raw), std::move(done));
}

void ProfileService::Delete(const std::string& user_id, std::string_view key,
                            Done done) {
  Status status = CheckKey(key);
  if (status.ok()) status = Write(user_id, key, std::nullopt);
  if (!status.ok() || !IsName(key)) return done(std::move(status));
  Propagate(user_id, std::string(key), std::nullopt, std::move(done));
}

// Sends a member event to every room that the user is joined to.  A room that
// refuses it keeps the old name; that is no failure of the request.
void ProfileService::Propagate(const std::string& user_id, std::string key,
                               std::optional<std::string> value, Done done) {
  std::vector<std::string> rooms;
  const Status read = [&]() -> Status {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader.RoomsOf(user_id));
    std::vector<RoomNid> joined;
    for (const MembershipRow& row : rows) {
      if (row.membership == Membership::kJoin) joined.push_back(row.room);
    }
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                        reader.Heads(joined));
    for (const std::optional<RoomHead>& head : heads) {
      if (head) rooms.push_back(head->room_id);
    }
    return OkStatus();
  }();
  if (!read.ok() || rooms.empty()) return done(read);

  // Destroyed with the last answer.
  struct Waiting {
    ~Waiting() { done(OkStatus()); }
    Done done;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->done = std::move(done);
  for (std::string& room_id : rooms) {
    RoomRequest request;
    request.room_id = std::move(room_id);
    request.user_id = user_id;
    request.prepare = [user_id, key,
                       value](const RoomView& room) -> Result<RoomChange> {
      RoomChange change;
      const Event* member = room.Find(kTypeMember, user_id);
      if (member == nullptr || MembershipOf(*member) != Membership::kJoin) {
        return change;
      }
      std::string content = MemberContent(*member, key, value);
      if (content == member->content_json()) return change;
      change.drafts.push_back({.type = std::string(kTypeMember),
                               .sender = user_id,
                               .state_key = user_id,
                               .content = std::move(content)});
      return change;
    };
    request.done = [waiting, &log = deps_.log,
                    user_id](Result<RoomRequest::Answer> answer) {
      if (answer.ok()) return;
      log.Debug("profiles", "a room refused a member's new name",
                {{"user", user_id}, {"error", answer.status().ToString()}});
    };
    deps_.writer.Send(std::move(request));
  }
}

}  // namespace matrixcore
