#include "matrixcore/service/profiles.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "matrixcore/base/mutex.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/mxc_uri.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/user_directory.h"
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
  // Nothing, as some clients remove their avatar, or an MXC URI.
  if (key == "avatar_url" && !text->empty() && !IsMxcUri(*text)) {
    return Invalid("M_INVALID_PARAM", "The avatar must be an MXC URI");
  }
  return OkStatus();
}

// The text of a JSON string; "" for nothing.
std::string NameIn(const std::optional<std::string>& json) {
  if (!json) return {};
  const Result<json::Document> name = json::Document::ParseView(*json);
  return name.ok() ? std::string(name->root().StringOr("")) : std::string();
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
    if (field == "displayname") {
      UserDirectory::Index(batch, user_id, NameIn(value));
    }
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
  Propagate(user_id, std::string(key), std::move(done));
}

void ProfileService::Delete(const std::string& user_id, std::string_view key,
                            Done done) {
  Status status = CheckKey(key);
  if (status.ok()) status = Write(user_id, key, std::nullopt);
  if (!status.ok() || !IsName(key)) return done(std::move(status));
  Propagate(user_id, std::string(key), std::move(done));
}

// A name on its way into the rooms of a user.
struct ProfileService::Propagation {
  ProfileService& service;
  const std::string user_id;
  const std::string key;
  std::vector<std::string> rooms;

  Mutex mutex;
  size_t next MC_GUARDED_BY(mutex) = 0;  // The next room to send to.
  size_t finished MC_GUARDED_BY(mutex) = 0;
  Done done MC_GUARDED_BY(mutex);  // Gone once called.
};

namespace {

// Rooms that one change writes to at once.
constexpr size_t kRoomsAtOnce = 16;

Result<std::vector<std::string>> JoinedRooms(RoomReader& reader,
                                             const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader.RoomsOf(user_id));
  std::vector<RoomNid> joined;
  for (const MembershipRow& row : rows) {
    if (row.membership == Membership::kJoin) joined.push_back(row.room);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                      reader.Heads(joined));
  std::vector<std::string> rooms;
  for (const std::optional<RoomHead>& head : heads) {
    if (head) rooms.push_back(head->room_id);
  }
  return rooms;
}

// Writes the user's member event anew, if it does not say so already.
std::function<Result<RoomChange>(const RoomView&)> NameChange(
    std::string user_id, std::string key, std::optional<std::string> value) {
  return
      [user_id = std::move(user_id), key = std::move(key),
       value = std::move(value)](const RoomView& room) -> Result<RoomChange> {
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
}

}  // namespace

// Sends a member event to every room that the user is joined to.  A room that
// refuses it keeps the old name; that is no failure of the request.
void ProfileService::Propagate(const std::string& user_id, std::string key,
                               Done done) {
  const auto read = [&]() -> Result<std::vector<std::string>> {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    return JoinedRooms(reader, user_id);
  };
  Result<std::vector<std::string>> rooms = read();
  if (!rooms.ok() || rooms->empty()) return done(rooms.status());
  std::shared_ptr<Propagation> work(new Propagation{*this,
                                                    user_id,
                                                    std::move(key),
                                                    std::move(*rooms),
                                                    {},
                                                    0,
                                                    0,
                                                    std::move(done)});
  SendMore(work);
}

// The next few rooms; comes back when they are done.
void ProfileService::SendMore(const std::shared_ptr<Propagation>& work) {
  const Deps& deps = work->service.deps_;
  std::optional<std::string> value;
  Result<std::string> known = work->service.GetField(work->user_id, work->key);
  if (known.ok()) {
    value = std::move(*known);
  } else if (known.status().code() != StatusCode::kNotFound) {
    Done failed;
    {
      MutexLock lock(work->mutex);
      failed = std::exchange(work->done, nullptr);
    }
    if (failed) failed(std::move(known).status());
    return;
  }
  size_t begin = 0;
  size_t end = 0;
  {
    MutexLock lock(work->mutex);
    begin = work->next;
    end = std::min(begin + kRoomsAtOnce, work->rooms.size());
    work->next = end;
  }
  for (size_t i = begin; i < end; ++i) {
    RoomRequest request;
    request.room_id = work->rooms[i];
    request.user_id = work->user_id;
    request.prepare = NameChange(work->user_id, work->key, value);
    request.done = [work, end](Result<RoomRequest::Answer> answer) {
      const Deps& of = work->service.deps_;
      if (!answer.ok()) {
        of.log.Debug(
            "profiles", "a room refused a member's new name",
            {{"user", work->user_id}, {"error", answer.status().ToString()}});
      }
      Done finished;
      bool more = false;
      {
        MutexLock lock(work->mutex);
        ++work->finished;
        more = work->finished == end && end < work->rooms.size();
        if (work->done && (work->finished == work->rooms.size() ||
                           work->finished >= kMaxAwaitedRooms)) {
          finished = std::exchange(work->done, nullptr);
        }
      }
      if (finished) finished(OkStatus());
      if (more) of.background.PostAdmitted([work] { SendMore(work); });
    };
    deps.writer.Send(std::move(request));
  }
}

}  // namespace matrixcore
