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
#include "matrixcore/room/tables.h"
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

constexpr std::string_view kDisplayName = "displayname";
// Unfinished work: a name on its way into rooms.  Its key is the field.
constexpr std::string_view kName = "name";

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

ProfileService::ProfileService(const Deps& deps) : deps_(deps) {
  deps.unfinished.Handle(std::string(kName),
                         [this](std::shared_ptr<UnfinishedWork::Try> work) {
                           Propagate(std::move(work));
                         });
}

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

// What a change of a name makes necessary, if anything: as the row that is
// being written, or that there is already, says.
struct ProfileService::Work {
  std::optional<PositionRef> fresh = {};
  std::optional<Position> old = {};
};

// Writes or removes one field, if the profile stays within its limit; a name
// with the work that follows, if there may be any.
Result<CommitInfo> ProfileService::Write(
    const std::string& user_id, const std::string& field,
    const std::optional<std::string>& value, Work* work) {
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    *work = {};
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot.Scan({.table = &kProfiles, .prefix = {user_id}}));
    std::optional<std::string> now;
    // Keys with their quotes, colons and commas, inside one pair of braces.
    size_t size = 1 + field.size() + value.value_or("").size() + 4;
    for (const Row& row : rows) {
      const std::string_view other = CellText(row[Profiles::kField]);
      const std::string_view json = CellText(row[Profiles::kJson]);
      if (other == field) {
        now = json;
      } else {
        size += other.size() + json.size() + 4;
      }
    }
    if (now == value) {
      MC_ASSIGN_OR_RETURN(
          const auto row,
          snapshot.Get(tables::kUnfinished, {TextCell(kName), user_id, field}));
      if (row) work->old = CellInt((*row)[tables::Unfinished::kPos]);
      return OkStatus();
    }
    if (value && size >= kMaxProfileBytes) {
      return Invalid("M_PROFILE_TOO_LARGE", "The profile would exceed 64 KiB");
    }
    if (value) {
      batch.PutRow(kProfiles, {user_id, field, *value});
    } else {
      batch.DeleteRow(kProfiles, {user_id, field});
    }
    if (field == kDisplayName) {
      UserDirectory::Index(batch, user_id, NameIn(value));
    }
    if (!IsName(field)) return OkStatus();
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rooms,
        snapshot.Scan(
            {.table = &tables::kMemberships, .prefix = {user_id}, .limit = 1}));
    if (!rooms.empty()) {
      work->fresh = UnfinishedWork::Add(batch, kName, user_id, field);
    }
    return OkStatus();
  };
  return Transact(deps_.store, attempt);
}

void ProfileService::Change(const std::string& user_id, std::string_view key,
                            const std::optional<std::string>& value,
                            Done done) {
  UnfinishedWork::Item item{
      .kind = std::string(kName), .user_id = user_id, .key = std::string(key)};
  Work work;
  const Result<CommitInfo> written = Write(user_id, item.key, value, &work);
  if (!written.ok()) {
    if (work.fresh && MayBeWritten(written.status())) {
      deps_.unfinished.LookLater();
    }
    return done(written.status());
  }
  if (work.fresh) {
    item.pos = written->first + work.fresh->index;
  } else if (work.old) {
    item.pos = *work.old;
  } else {
    return done(OkStatus());
  }
  deps_.unfinished.Begin(std::move(item), std::move(done));
}

void ProfileService::Set(const std::string& user_id, std::string_view key,
                         json::Value value, Done done) {
  Status status = CheckKey(key);
  if (status.ok()) status = CheckValue(key, value);
  if (!status.ok()) return done(std::move(status));
  std::optional<std::string> raw(value.raw());
  if (IsName(key) && value.StringOr("").empty()) raw.reset();
  Change(user_id, key, raw, std::move(done));
}

void ProfileService::Delete(const std::string& user_id, std::string_view key,
                            Done done) {
  Status status = CheckKey(key);
  if (!status.ok()) return done(std::move(status));
  Change(user_id, key, std::nullopt, std::move(done));
}

Status ProfileService::AddName(WriteBatch& batch, const std::string& user_id,
                               std::string_view name) {
  if (name.size() > kMaxNameBytes) {
    return Invalid("M_INVALID_PARAM", "The display name is too long");
  }
  if (name.empty()) return OkStatus();
  std::string json;
  json::Writer(&json).String(name);
  batch.PutRow(kProfiles, {user_id, std::string(kDisplayName), json});
  UserDirectory::Index(batch, user_id, name);
  return OkStatus();
}

// --- Names on their way into rooms ---

struct ProfileService::Propagation {
  ProfileService& service;
  const std::shared_ptr<UnfinishedWork::Try> work;
  const std::vector<std::string> rooms;

  Mutex mutex;
  // What the profile said when the last rooms were sent to.
  std::optional<std::string> value MC_GUARDED_BY(mutex);
  size_t next MC_GUARDED_BY(mutex) = 0;  // The next room to send to.
  size_t finished MC_GUARDED_BY(mutex) = 0;
  // Why some room has to be tried again, if any has.
  Status failure MC_GUARDED_BY(mutex);

  // Nothing if there is no such field.
  Result<std::optional<std::string>> Current() const {
    Result<std::string> known =
        service.GetField(work->item().user_id, work->item().key);
    if (known.ok()) return std::optional<std::string>(std::move(*known));
    if (known.status().code() != StatusCode::kNotFound) return known.status();
    return std::optional<std::string>();
  }
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
void ProfileService::Propagate(std::shared_ptr<UnfinishedWork::Try> work) {
  const auto read = [&]() -> Result<std::vector<std::string>> {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    return JoinedRooms(reader, work->item().user_id);
  };
  Result<std::vector<std::string>> rooms = read();
  if (!rooms.ok() || rooms->empty()) return work->End(rooms.status());
  SendMore(std::shared_ptr<Propagation>(new Propagation{
      *this, std::move(work), std::move(*rooms), {}, {}, 0, 0, {}}));
}

// The next few rooms; comes back when they are done.
void ProfileService::SendMore(const std::shared_ptr<Propagation>& work) {
  const Result<std::optional<std::string>> value = work->Current();
  if (!value.ok()) return work->work->End(value.status());
  size_t begin = 0;
  size_t end = 0;
  Status failure;
  {
    MutexLock lock(work->mutex);
    // Those before may have got another one, or get it after a newer one.
    if (work->next > 0 && work->value != *value) {
      work->failure = Status(StatusCode::kAborted, "the name changed");
    }
    work->value = *value;
    begin = work->next;
    end = std::min(begin + kRoomsAtOnce, work->rooms.size());
    work->next = end;
    failure = work->failure;
  }
  if (begin == end) return work->work->End(std::move(failure));
  for (size_t i = begin; i < end; ++i) {
    RoomRequest request;
    request.room_id = work->rooms[i];
    request.user_id = work->work->item().user_id;
    request.prepare =
        NameChange(request.user_id, work->work->item().key, *value);
    request.done = [work, end](Result<RoomRequest::Answer> answer) {
      const Deps& of = work->service.deps_;
      const bool again = IsPassing(answer.status());
      if (!answer.ok() && !again) {
        of.log.Debug("profiles", "a room refused a member's new name",
                     {{"user", work->work->item().user_id},
                      {"error", answer.status().ToString()}});
      }
      bool more = false;
      bool enough = false;
      {
        MutexLock lock(work->mutex);
        if (again) work->failure = std::move(answer).status();
        ++work->finished;
        more = work->finished == end;
        enough = work->failure.ok() && work->finished >= kMaxAwaitedRooms;
      }
      if (enough) work->work->Answer(OkStatus());
      // Refused, the task drops the work.
      if (more) {
        (void)of.background.PostAdmitted([work] { SendMore(work); });
      }
    };
    work->service.deps_.writer.Send(std::move(request));
  }
}

}  // namespace matrixcore
