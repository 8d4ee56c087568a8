#include "matrixcore/service/rooms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/sliding_tables.h"
#include "service/canonical_alias.h"
#include "service/invite_permission.h"
#include "service/joining.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

using Extra = std::vector<std::pair<std::string, std::string>>;

Status NoSuchRoom(std::string_view room) {
  return NotFoundError(fmt::format("There is no room {} here.", room));
}

Result<std::optional<Row>> FindAlias(Store& store, const std::string& alias) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store.NewSnapshot());
  return snapshot->Get(tables::kAliases, {Cell(alias)});
}

std::string_view EventIdOf(const Event* event) {
  return event == nullptr ? std::string_view() : event->event_id();
}

EventDraft MemberDraft(const std::string& sender, const std::string& target,
                       std::string content) {
  EventDraft draft;
  draft.type = kTypeMember;
  draft.sender = sender;
  draft.state_key = target;
  draft.content = std::move(content);
  return draft;
}

}  // namespace

// --- Pieces ---

Result<MemberProfile> ReadMemberProfile(Snapshot& snapshot,
                                        std::string_view user_id) {
  const std::string user(user_id);
  const std::array<Row, 2> keys = {Row{Cell(user), Cell("displayname")},
                                   Row{Cell(user), Cell("avatar_url")}};
  MC_ASSIGN_OR_RETURN(const auto rows,
                      snapshot.GetMany(tables::kProfiles, keys));
  const auto text =
      [](const std::optional<Row>& row) -> Result<std::optional<std::string>> {
    if (!row) return std::optional<std::string>();
    MC_ASSIGN_OR_RETURN(const json::Document value,
                        json::Document::Parse(std::string(
                            CellText((*row)[tables::Profiles::kJson]))));
    const auto string = value.root().AsString();
    if (!string) return std::optional<std::string>();
    return std::optional<std::string>(std::string(*string));
  };
  MemberProfile profile;
  MC_ASSIGN_OR_RETURN(profile.displayname, text(rows[0]));
  MC_ASSIGN_OR_RETURN(profile.avatar_url, text(rows[1]));
  return profile;
}

Status RoomService::CheckInvitee(std::string_view user_id) const {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  return CheckInvitable(*snapshot, user_id, options_.server_name);
}

Status RoomService::CheckLocalAlias(std::string_view alias) const {
  const auto bad_character = [](char c) {
    return c == '\0' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
  };
  if (!IsRoomAlias(alias) || LocalpartOf(alias).empty() ||
      std::any_of(alias.begin(), alias.end(), bad_character)) {
    return InvalidParamError(fmt::format("{} is not a room alias.", alias));
  }
  if (DomainOf(alias) != options_.server_name) {
    return InvalidParamError(fmt::format(
        "{} belongs to another server than {}.", alias, options_.server_name));
  }
  return OkStatus();
}

Result<std::string> RoomService::MemberContent(
    std::string_view membership, std::string_view user_id,
    const std::optional<std::string>& reason, const Extra& more) {
  json::Object content;
  content.SetString("membership", membership);
  if (DomainOf(user_id) == options_.server_name) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const MemberProfile profile,
                        ReadMemberProfile(*snapshot, user_id));
    if (profile.displayname) {
      content.SetString("displayname", *profile.displayname);
    }
    if (profile.avatar_url)
      content.SetString("avatar_url", *profile.avatar_url);
  }
  if (reason) content.SetString("reason", *reason);
  for (const auto& [key, json] : more) content.SetRaw(key, json);
  return content.ToJson();
}

Result<RoomHead> RoomService::FindRoom(RoomReader& reader,
                                       std::string_view id_or_alias) {
  std::optional<RoomHead> head;
  if (!id_or_alias.empty() && id_or_alias[0] == '#') {
    if (!IsRoomAlias(id_or_alias)) {
      return InvalidParamError(
          fmt::format("{} is not a room alias.", id_or_alias));
    }
    MC_ASSIGN_OR_RETURN(const auto room, reader.AliasRoom(id_or_alias));
    if (room) {
      MC_ASSIGN_OR_RETURN(head, reader.Head(*room));
    }
  } else {
    if (!IsRoomId(id_or_alias)) {
      return InvalidParamError(
          fmt::format("{} is not a room id.", id_or_alias));
    }
    MC_ASSIGN_OR_RETURN(head, reader.Head(id_or_alias));
  }
  if (!head) return NoSuchRoom(id_or_alias);
  return std::move(*head);
}

void RoomService::ChangeMembership(const Session& session,
                                   const MembershipChange& change,
                                   Result<std::string> content,
                                   MembershipCheck check, Done done) {
  if (!content.ok()) return done(std::move(content).status());
  if (!IsUserId(change.target)) {
    return done(
        InvalidParamError(fmt::format("{} is not a user id.", change.target)));
  }
  RoomRequest request;
  request.room_id = change.room_id;
  request.user_id = session.user_id;
  request.prepare = [user = session.user_id, target = change.target,
                     content = std::move(*content), check = std::move(check)](
                        const RoomView& view) -> Result<RoomChange> {
    MC_ASSIGN_OR_RETURN(const bool needed,
                        check(view, view.MembershipOf(target)));
    RoomChange result;
    if (needed) {
      result.drafts.push_back(MemberDraft(user, target, content));
    } else {
      result.existing_event_id = EventIdOf(view.Find(kTypeMember, target));
    }
    return result;
  };
  request.done =
      [done = std::move(done)](Result<RoomRequest::Answer> answer) mutable {
        done(HideUnknownRoom(std::move(answer).status()));
      };
  deps_.writer.Send(std::move(request));
}

// --- Joining ---

namespace {

// What a join request says beyond the specification.  What the server itself
// puts into a member event is not the client's to say here.
Extra FurtherFields(json::Value body) {
  constexpr std::array<std::string_view, 8> kDefined = {
      "avatar_url",         "displayname",
      "is_direct",          "join_authorised_via_users_server",
      "membership",         "reason",
      "third_party_invite", "third_party_signed"};
  Extra further;
  for (const auto [key, value] : body.members()) {
    if (std::find(kDefined.begin(), kDefined.end(), key) == kDefined.end()) {
      further.emplace_back(std::string(key), std::string(value.raw()));
    }
  }
  return further;
}

// What must be asked about before a proof opens the room: keys of which one
// must be valid; none when there is nothing to ask, or the auth rules say no
// anyhow.
Result<std::vector<InviteKey>> KeysToAskAbout(RoomReader& reader,
                                              const RoomHead& room,
                                              const std::string& user_id,
                                              const ThirdPartyProof& proof) {
  std::vector<InviteKey> keys;
  MC_ASSIGN_OR_RETURN(const auto row, reader.MembershipOf(user_id, room.nid));
  if (row && (row->membership == Membership::kJoin ||
              row->membership == Membership::kInvite)) {
    return keys;
  }
  MC_ASSIGN_OR_RETURN(
      const EventPtr invite,
      reader.StateEvent(room, room.state, kTypeThirdPartyInvite, proof.token));
  if (invite != nullptr) keys = KeysThatSigned(*invite, proof);
  if (std::any_of(keys.begin(), keys.end(), [](const InviteKey& key) {
        return key.validity_url.empty();
      })) {
    keys.clear();
  }
  return keys;
}

}  // namespace

void RoomService::Join(const Session& session, const JoinRequest& join,
                       RoomDone done) {
  std::vector<InviteKey> keys;
  Result<RoomRequest> request = JoinRequestOf(session, join, keys);
  if (!request.ok()) return done(std::move(request).status());
  request->done = [room_id = request->room_id, done = std::move(done)](
                      Result<RoomRequest::Answer> answer) mutable {
    if (!answer.ok()) return done(std::move(answer).status());
    done(std::move(room_id));
  };
  if (keys.empty()) return deps_.writer.Send(std::move(*request));
  SendIfValid(std::move(*request), std::move(keys));
}

// Spec: POST /join, "key validity checking".
void RoomService::SendIfValid(RoomRequest request,
                              std::vector<InviteKey> keys) {
  const InviteKey key = std::move(keys.back());
  keys.pop_back();
  deps_.identity.CheckKey(
      key.validity_url, key.public_key,
      [this, request = std::move(request),
       keys = std::move(keys)](Status valid) mutable {
        if (!valid.ok() && keys.empty()) return request.done(std::move(valid));
        GoOn([this, ok = valid.ok(), request = std::move(request),
              keys = std::move(keys)]() mutable {
          if (ok) return deps_.writer.Send(std::move(request));
          SendIfValid(std::move(request), std::move(keys));
        });
      });
}

Result<RoomRequest> RoomService::JoinRequestOf(const Session& session,
                                               const JoinRequest& join,
                                               std::vector<InviteKey>& keys) {
  std::optional<ThirdPartyProof> proof;
  if (join.third_party_signed) {
    MC_ASSIGN_OR_RETURN(proof, ReadThirdPartyProof(join.third_party_signed));
  }
  RoomHead head;
  JoinFacts facts;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(head, FindRoom(reader, join.room_id_or_alias));
    MC_ASSIGN_OR_RETURN(facts, ReadJoinFacts(reader, head, session.user_id));
    if (proof) {
      MC_ASSIGN_OR_RETURN(
          keys, KeysToAskAbout(reader, head, session.user_id, *proof));
    }
  }
  MC_ASSIGN_OR_RETURN(std::string content,
                      MemberContent("join", session.user_id, join.reason,
                                    FurtherFields(join.body)));
  RoomRequest request;
  request.room_id = head.room_id;
  request.user_id = session.user_id;
  request.prepare =
      [session, facts = std::move(facts), content = std::move(content),
       proof = std::move(proof)](const RoomView& view) -> Result<RoomChange> {
    RoomChange change;
    if (view.MembershipOf(session.user_id) == Membership::kJoin) {
      change.existing_event_id =
          EventIdOf(view.Find(kTypeMember, session.user_id));
      return change;
    }
    MC_RETURN_IF_ERROR(AddJoin(view, session, facts, content, proof, change));
    return change;
  };
  return request;
}

void RoomService::Knock(const Session& session,
                        std::string_view room_id_or_alias,
                        const std::optional<std::string>& reason,
                        RoomDone done) {
  const auto find = [&]() -> Result<std::string> {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(RoomHead head, FindRoom(reader, room_id_or_alias));
    return std::move(head.room_id);
  };
  Result<std::string> room_id = find();
  if (!room_id.ok()) return done(std::move(room_id).status());
  const MembershipChange change{
      .room_id = *room_id, .target = session.user_id, .reason = reason};
  ChangeMembership(
      session, change, MemberContent("knock", session.user_id, reason),
      [](const RoomView&, Membership now) -> Result<bool> {
        return now != Membership::kKnock;
      },
      [room_id = std::move(*room_id),
       done = std::move(done)](Status status) mutable {
        if (!status.ok()) return done(std::move(status));
        done(std::move(room_id));
      });
}

// --- Other changes ---

void RoomService::Invite(const Session& session, const MembershipChange& change,
                         Done done) {
  if (Status status = CheckInvitee(change.target); !status.ok()) {
    return done(std::move(status));
  }
  ChangeMembership(
      session, change, MemberContent("invite", change.target, change.reason),
      [user = session.user_id](const RoomView& view,
                               Membership now) -> Result<bool> {
        // Inviting again changes nothing, for those who may invite at all.
        return now != Membership::kInvite ||
               view.MembershipOf(user) != Membership::kJoin;
      },
      std::move(done));
}

void RoomService::Leave(const Session& session, const MembershipChange& change,
                        Done done) {
  ChangeMembership(
      session, change, MemberContent("leave", {}, change.reason),
      [](const RoomView&, Membership now) -> Result<bool> {
        if (now == Membership::kNone) {
          return ForbiddenError("You are not in this room.");
        }
        return now != Membership::kLeave;
      },
      std::move(done));
}

void RoomService::Kick(const Session& session, const MembershipChange& change,
                       Done done) {
  ChangeMembership(
      session, change, MemberContent("leave", {}, change.reason),
      [user = session.user_id](const RoomView& view,
                               Membership now) -> Result<bool> {
        // Who is not in the room is not told who is.
        if (view.MembershipOf(user) != Membership::kJoin) return true;
        if (now == Membership::kBan) {
          return Status(StatusCode::kPermissionDenied, "M_BAD_STATE",
                        "The user is banned: unban instead.");
        }
        if (now == Membership::kNone || now == Membership::kLeave) {
          return ForbiddenError("The user is not in this room.");
        }
        return true;
      },
      std::move(done));
}

void RoomService::Ban(const Session& session, const MembershipChange& change,
                      Done done) {
  ChangeMembership(
      session, change, MemberContent("ban", {}, change.reason),
      [user = session.user_id](const RoomView& view,
                               Membership now) -> Result<bool> {
        return now != Membership::kBan ||
               view.MembershipOf(user) != Membership::kJoin;
      },
      std::move(done));
}

void RoomService::Unban(const Session& session, const MembershipChange& change,
                        Done done) {
  ChangeMembership(
      session, change, MemberContent("leave", {}, change.reason),
      [user = session.user_id, target = change.target](
          const RoomView& view, Membership now) -> Result<bool> {
        if (now == Membership::kBan ||
            (user != target && view.MembershipOf(user) != Membership::kJoin)) {
          return true;
        }
        return Status(StatusCode::kPermissionDenied, "M_BAD_STATE",
                      "The user is not banned.");
      },
      std::move(done));
}

Status RoomService::Forget(const Session& session, std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  if (!head) return NoSuchRoom(room_id);
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head->nid));
  if (!row) return NoSuchRoom(room_id);
  if (row->membership != Membership::kLeave &&
      row->membership != Membership::kBan) {
    return Status(StatusCode::kFailedPrecondition, "M_UNKNOWN",
                  "Leave the room before you forget it.");
  }
  using tables::Memberships;
  WriteBatch batch;
  batch.Require(
      WriteBatch::ColumnEquals{&tables::kMemberships,
                               {Cell(session.user_id), Cell(head->nid)},
                               Memberships::kIdx,
                               Cell(int64_t{row->idx})});
  batch.PutRow(tables::kMemberships, {session.user_id, head->nid,
                                      static_cast<int64_t>(row->membership),
                                      int64_t{row->idx}, row->pos, int64_t{1}});
  batch.PutRow(tables::kForgets, {session.user_id, batch.NewPosition()});
  Status status = deps_.store.Commit(std::move(batch)).status();
  if (status.code() == StatusCode::kAborted) {
    return Status(StatusCode::kFailedPrecondition, "M_UNKNOWN",
                  "Your membership changed just now.");
  }
  return status;
}

Result<std::vector<std::string>> RoomService::JoinedRooms(
    const Session& session) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto rows, reader.RoomsOf(session.user_id));
  std::vector<RoomNid> nids;
  for (const MembershipRow& row : rows) {
    if (row.membership == Membership::kJoin) nids.push_back(row.room);
  }
  MC_ASSIGN_OR_RETURN(auto heads, reader.Heads(nids));
  std::vector<std::string> rooms;
  for (auto& head : heads) {
    if (head) rooms.push_back(std::move(head->room_id));
  }
  return rooms;
}

// --- Aliases and the directory ---

Status RoomService::CreateAlias(const Session& session, std::string_view alias,
                                std::string_view room_id) {
  MC_RETURN_IF_ERROR(CheckLocalAlias(alias));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  const Status taken(StatusCode::kAlreadyExists, "M_UNKNOWN",
                     fmt::format("The alias {} is taken.", alias));
  MC_ASSIGN_OR_RETURN(const auto there, reader.AliasRoom(alias));
  if (there) return taken;
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  if (!head) return NoSuchRoom(room_id);
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head->nid));
  if (!row || row->membership != Membership::kJoin) {
    return ForbiddenError("You are not in this room.");
  }
  WriteBatch batch;
  batch.InsertRow(tables::kAliases,
                  {std::string(alias), head->nid, session.user_id});
  const Status status = deps_.store.Commit(std::move(batch)).status();
  if (status.code() == StatusCode::kAborted) return taken;
  if (status.code() != StatusCode::kDeadlineExceeded) return status;
  // Asked again, it would seem taken.
  MC_ASSIGN_OR_RETURN(const auto written,
                      FindAlias(deps_.store, std::string(alias)));
  const bool own =
      written && CellInt((*written)[tables::Aliases::kRoom]) == head->nid &&
      CellText((*written)[tables::Aliases::kCreator]) == session.user_id;
  return own ? OkStatus() : status;
}

// Whether the user may send the room's canonical alias.
Result<bool> RoomService::MayNameRoom(RoomReader& reader, const RoomHead& head,
                                      const Session& session) {
  if (session.is_admin) return true;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head.nid));
  if (!row || row->membership != Membership::kJoin) return false;
  MC_ASSIGN_OR_RETURN(const EventPtr create,
                      reader.StateEvent(head, head.state, kTypeCreate, ""));
  MC_ASSIGN_OR_RETURN(
      const EventPtr power,
      reader.StateEvent(head, head.state, kTypePowerLevels, ""));
  const PowerLevels levels(create.get(), power.get());
  return levels.User(session.user_id) >=
         levels.ToSend(kTypeCanonicalAlias, true);
}

// First out of the room's state, then out of the table: cut short, the request
// can be made again.
void RoomService::DeleteAlias(const Session& session, const std::string& alias,
                              Done done) {
  const Result<std::string> room_id = CheckMayDelete(session, alias);
  if (!room_id.ok()) return done(room_id.status());
  if (room_id->empty()) return RemoveAlias(alias, std::move(done));
  RoomRequest request;
  request.room_id = *room_id;
  request.user_id = session.user_id;
  request.prepare = [user = session.user_id,
                     alias](const RoomView& view) -> Result<RoomChange> {
    RoomChange change;
    const Event* names = view.Find(kTypeCanonicalAlias, "");
    if (names == nullptr) return change;
    const PowerLevels levels(view.Find(kTypeCreate, ""),
                             view.Find(kTypePowerLevels, ""));
    if (view.MembershipOf(user) != Membership::kJoin ||
        levels.User(user) < levels.ToSend(kTypeCanonicalAlias, true)) {
      return change;
    }
    const std::string all =
        FilterAliases(*names, [](std::string_view) { return true; });
    std::string rest = FilterAliases(
        *names, [&alias](std::string_view name) { return name != alias; });
    if (rest == all) return change;
    EventDraft draft;
    draft.type = kTypeCanonicalAlias;
    draft.sender = user;
    draft.state_key = "";
    draft.content = rest.empty() ? "{}" : std::move(rest);
    change.drafts.push_back(std::move(draft));
    return change;
  };
  request.done = [this, alias, done = std::move(done)](
                     Result<RoomRequest::Answer> answer) mutable {
    // A room that refuses the event keeps naming what is there no more.
    if (IsPassing(answer.status())) return done(std::move(answer).status());
    RemoveAlias(alias, std::move(done));
  };
  deps_.writer.Send(std::move(request));
}

Result<std::string> RoomService::CheckMayDelete(const Session& session,
                                                const std::string& alias) {
  using tables::Aliases;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(tables::kAliases, {Cell(alias)}));
  if (!row) return NotFoundError(fmt::format("There is no alias {}.", alias));
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head,
                      reader.Head(CellInt((*row)[Aliases::kRoom])));
  if (CellText((*row)[Aliases::kCreator]) != session.user_id) {
    bool allowed = false;
    if (head) {
      MC_ASSIGN_OR_RETURN(allowed, MayNameRoom(reader, *head, session));
    }
    if (!allowed) return ForbiddenError("This is not your alias.");
  }
  return head ? head->room_id : std::string();
}

// Runs on the store's thread too: commits without waiting.
void RoomService::RemoveAlias(const std::string& alias, Done done) {
  WriteBatch batch;
  batch.DeleteRow(tables::kAliases, {alias});
  deps_.store.CommitAsync(
      std::move(batch), [this, alias, done = std::move(done)](
                            const Result<CommitInfo>& removed) mutable {
        if (removed.status().code() != StatusCode::kDeadlineExceeded) {
          return done(removed.status());
        }
        // Asked again, there would be no such alias.
        GoOn([this, alias, failure = removed.status(),
              done = std::move(done)]() mutable {
          const auto left = FindAlias(deps_.store, alias);
          done(left.ok() && !*left ? OkStatus() : std::move(failure));
        });
      });
}

Result<std::string> RoomService::ResolveAlias(std::string_view alias) {
  if (!IsRoomAlias(alias)) {
    return InvalidParamError(fmt::format("{} is not a room alias.", alias));
  }
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto room, reader.AliasRoom(alias));
  std::optional<RoomHead> head;
  if (room) {
    MC_ASSIGN_OR_RETURN(head, reader.Head(*room));
  }
  if (!head) return NotFoundError(fmt::format("There is no alias {}.", alias));
  return std::move(head->room_id);
}

Result<std::vector<std::string>> RoomService::Aliases(
    const Session& session, std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  const Status refused = ForbiddenError("You are not in this room.");
  if (!head) return refused;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head->nid));
  if (!row || row->membership != Membership::kJoin) {
    MC_ASSIGN_OR_RETURN(
        const EventPtr visibility,
        reader.StateEvent(*head, head->state, kTypeHistoryVisibility, ""));
    if (HistoryVisibilityOf(visibility.get()) !=
        HistoryVisibility::kWorldReadable) {
      return refused;
    }
  }
  return reader.AliasesOf(head->nid);
}

Result<bool> RoomService::IsListed(std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  if (!head) return NoSuchRoom(room_id);
  return head->listed;
}

Status RoomService::SetListed(const Session& session, std::string_view room_id,
                              bool listed) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  if (!head) return NoSuchRoom(room_id);
  MC_ASSIGN_OR_RETURN(const bool allowed, MayNameRoom(reader, *head, session));
  if (!allowed) {
    return ForbiddenError("You may not change this room's directory entry.");
  }
  RoomRequest request;
  request.room_id = head->room_id;
  request.user_id = session.user_id;
  request.prepare = [listed](const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    change.listed = listed;
    return change;
  };
  return deps_.writer.SendAndWait(std::move(request)).status();
}

}  // namespace matrixcore
