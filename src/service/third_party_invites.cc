// RoomService: invites by e-mail address or telephone number (spec:
// client-server API, "Third-party invites").
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/rooms.h"
#include "service/room_access.h"
#include "service/transact.h"

namespace matrixcore {

// A room on its way, until those whom identity servers must be asked about are
// in it.
struct RoomService::Creation {
  Session session;
  NewRoom room;
  std::shared_ptr<void> owner;
  RoomDone done;
  size_t looked_up = 0;         // Of room.invite_3pid.
  std::vector<size_t> unknown;  // Those of them without a user id.
  size_t next = 0;              // Of `unknown`: the next one to invite.
  std::string room_id;
  bool has_row = false;
  size_t noted = 0;   // What the row says of `next`.
  bool told = false;  // An invitation's commit says it.

  // The row that a repeated request finds, while not all are invited: which of
  // invite_3pid comes next, and the room.
  Row key;  // Of tables::kTransactions.
  // Of invite_3pid; its size behind the last of `unknown`.
  size_t IndexOf(size_t place) const {
    return place < unknown.size() ? unknown[place] : room.invite_3pid.size();
  }
  BatchRow RowOf(size_t next_invitee, Timestamp now) const {
    BatchRow cells = ToBatchRow(key);
    cells.emplace_back(fmt::format("{} {}", next_invitee, room_id));
    cells.emplace_back(now.ms);
    return cells;
  }
};

// Answers of identity servers come on their client's thread, which must not
// wait for the store.
void RoomService::GoOn(Task task) {
  // After Shutdown nobody waits for the answer any more.
  (void)deps_.background.PostAdmitted(std::move(task));
}

// Strangers to the room do not make the server ask others.
Status RoomService::CheckMayInvite(const Session& session,
                                   const std::string& room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  const Status outside = ForbiddenError("You are not in this room.");
  if (!head) return outside;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head->nid));
  if (!row || row->membership != Membership::kJoin) return outside;
  MC_ASSIGN_OR_RETURN(const EventPtr create,
                      reader.StateEvent(*head, head->state, kTypeCreate, ""));
  MC_ASSIGN_OR_RETURN(
      const EventPtr power,
      reader.StateEvent(*head, head->state, kTypePowerLevels, ""));
  const PowerLevels levels(create.get(), power.get());
  if (levels.User(session.user_id) >= levels.ToInvite()) return OkStatus();
  return ForbiddenError("You may not invite anybody to this room.");
}

Result<ThirdPartyInvitation> RoomService::InvitationTo(
    const Session& session, const std::string& room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
  if (!head) return ForbiddenError("You are not in this room.");
  MC_ASSIGN_OR_RETURN(const auto previews, reader.Previews({&head->nid, 1}));
  MC_ASSIGN_OR_RETURN(const MemberProfile sender,
                      ReadMemberProfile(*snapshot, session.user_id));
  const RoomPreview& room = previews[0];
  return ThirdPartyInvitation{
      .room_id = room_id,
      .sender = session.user_id,
      .room_alias = room.canonical_alias,
      .room_avatar_url = room.avatar_url,
      .room_join_rules = room.join_rule,
      .room_name = room.name,
      .room_type = room.type,
      .sender_display_name = sender.displayname.value_or(""),
      .sender_avatar_url = sender.avatar_url.value_or("")};
}

void RoomService::InviteByThirdParty(const Session& session,
                                     const std::string& room_id,
                                     const ThirdPartyInvitee& invitee,
                                     Done done) {
  if (Status status = CheckMayInvite(session, room_id); !status.ok()) {
    return done(std::move(status));
  }
  deps_.identity.Lookup(
      invitee, [this, session, room_id, invitee, done = std::move(done)](
                   Result<std::optional<std::string>> user_id) mutable {
        if (!user_id.ok()) return done(std::move(user_id).status());
        GoOn([this, session, room_id, invitee, user_id = std::move(*user_id),
              done = std::move(done)]() mutable {
          if (user_id) {
            return Invite(
                session, {.room_id = room_id, .target = *user_id, .reason = {}},
                std::move(done));
          }
          StoreInvite(session, room_id, invitee, nullptr, std::move(done));
        });
      });
}

void RoomService::StoreInvite(const Session& session,
                              const std::string& room_id,
                              const ThirdPartyInvitee& invitee, MoreRows also,
                              Done done) {
  const Result<ThirdPartyInvitation> invitation =
      InvitationTo(session, room_id);
  if (!invitation.ok()) return done(invitation.status());
  deps_.identity.Store(
      invitee, *invitation,
      [this, session, room_id, also = std::move(also),
       done = std::move(done)](Result<IdentityClient::Stored> stored) mutable {
        if (!stored.ok()) return done(std::move(stored).status());
        GoOn([this, session, room_id, stored = std::move(*stored),
              also = std::move(also), done = std::move(done)]() mutable {
          AddStoredInvite(session, room_id, stored, std::move(also),
                          std::move(done));
        });
      });
}

void RoomService::AddStoredInvite(const Session& session,
                                  const std::string& room_id,
                                  const IdentityClient::Stored& stored,
                                  MoreRows also, Done done) {
  if (!stored.user_id.empty()) {
    return Invite(session,
                  {.room_id = room_id, .target = stored.user_id, .reason = {}},
                  std::move(done));
  }
  EventDraft draft;
  draft.type = kTypeThirdPartyInvite;
  draft.sender = session.user_id;
  draft.state_key = stored.token;
  draft.content = stored.content;
  RoomRequest request;
  request.room_id = room_id;
  request.user_id = session.user_id;
  request.prepare = [draft = std::move(draft), also = std::move(also)](
                        const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    change.drafts.push_back(draft);
    if (also)
      change.also = [also](WriteBatch& batch, PositionRef) { also(batch); };
    return change;
  };
  request.done =
      [done = std::move(done)](Result<RoomRequest::Answer> answer) mutable {
        done(HideUnknownRoom(std::move(answer).status()));
      };
  deps_.writer.Send(std::move(request));
}

// --- Rooms that are made with such invites ---

void RoomService::CreateRoom(const Session& session, const NewRoom& room,
                             std::shared_ptr<void> owner, RoomDone done) {
  auto creation = std::make_shared<Creation>();
  creation->session = session;
  creation->room = room;
  creation->owner = std::move(owner);
  creation->done = std::move(done);
  creation->key = {Cell(session.user_id), Cell(session.device_id),
                   Cell("createRoom"),
                   Cell(Base64Encode(ByteView(Sha256(room.body.raw()))))};
  LookUpInvitees(std::move(creation));
}

// One after the other: nobody asks for many.
void RoomService::LookUpInvitees(std::shared_ptr<Creation> creation) {
  const std::vector<ThirdPartyInvitee>& invitees = creation->room.invite_3pid;
  if (creation->looked_up == invitees.size()) {
    return GoOn([this, creation] { CreateWithInvitees(creation); });
  }
  const size_t index = creation->looked_up++;
  deps_.identity.Lookup(
      invitees[index], [this, creation, index](
                           Result<std::optional<std::string>> user_id) mutable {
        if (!user_id.ok()) {
          return creation->done(std::move(user_id).status());
        }
        if (*user_id) {
          creation->room.invite.push_back(**user_id);
        } else {
          creation->unknown.push_back(index);
        }
        LookUpInvitees(std::move(creation));
      });
}

// Whether the same request has made its room before and failed then.
Result<bool> RoomService::FindBegun(Creation& creation) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const auto row,
                      snapshot->Get(tables::kTransactions, creation.key));
  if (!row) return false;
  const std::string_view result =
      CellText((*row)[tables::Transactions::kResult]);
  const size_t space = result.find(' ');
  size_t next_invitee = 0;
  std::from_chars(result.data(), result.data() + space, next_invitee);
  creation.room_id = result.substr(space + 1);
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(creation.room_id));
  if (!head) return false;
  MC_ASSIGN_OR_RETURN(const auto member,
                      reader.MembershipOf(creation.session.user_id, head->nid));
  if (!member || member->membership != Membership::kJoin) return false;
  creation.has_row = true;
  while (creation.next < creation.unknown.size() &&
         creation.unknown[creation.next] < next_invitee) {
    ++creation.next;
  }
  creation.noted = creation.next;
  return true;
}

void RoomService::CreateWithInvitees(std::shared_ptr<Creation> creation) {
  const Result<bool> begun = FindBegun(*creation);
  if (!begun.ok()) return creation->done(begun.status());
  if (*begun) return StoreInvites(std::move(creation));
  CreationRows also;
  creation->has_row = !creation->unknown.empty();
  if (creation->has_row) {
    also = [&](WriteBatch& batch, const std::string& room_id) {
      creation->room_id = room_id;
      batch.PutRow(tables::kTransactions,
                   creation->RowOf(0, deps_.clock.Now()));
    };
  }
  Result<std::string> made =
      CreateRoom(creation->session, creation->room, also);
  if (!made.ok()) return creation->done(std::move(made).status());
  creation->room_id = std::move(*made);
  StoreInvites(std::move(creation));
}

// A repeated request does not invite those before the next one again, and when
// all are invited it makes another room.
Status RoomService::NoteInvited(const Creation& creation) {
  const bool all = creation.next == creation.unknown.size();
  WriteBatch batch;
  if (all) {
    batch.DeleteRow(tables::kTransactions, ToBatchRow(creation.key));
  } else {
    batch.PutRow(
        tables::kTransactions,
        creation.RowOf(creation.IndexOf(creation.next), deps_.clock.Now()));
  }
  const Status status = deps_.store.Commit(std::move(batch)).status();
  if (!all || status.code() != StatusCode::kDeadlineExceeded) return status;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const auto left,
                      snapshot->Get(tables::kTransactions, creation.key));
  return left ? status : OkStatus();
}

void RoomService::StoreInvites(std::shared_ptr<Creation> creation) {
  const bool all = creation->next == creation->unknown.size();
  if (creation->has_row && (all || creation->noted != creation->next)) {
    if (Status noted = NoteInvited(*creation); !noted.ok()) {
      return creation->done(std::move(noted));
    }
    creation->noted = creation->next;
  }
  if (all) {
    return creation->done(std::move(creation->room_id));
  }
  const size_t index = creation->unknown[creation->next];
  // The row says so from the same commit on.
  creation->told = false;
  const auto also = [this, creation](WriteBatch& batch) {
    creation->told = true;
    batch.PutRow(tables::kTransactions,
                 creation->RowOf(creation->IndexOf(creation->next + 1),
                                 deps_.clock.Now()));
  };
  StoreInvite(creation->session, creation->room_id,
              creation->room.invite_3pid[index], also,
              [this, creation](Status status) mutable {
                if (!status.ok()) return creation->done(std::move(status));
                GoOn([this, creation] {
                  ++creation->next;
                  if (creation->told) creation->noted = creation->next;
                  StoreInvites(creation);
                });
              });
}

}  // namespace matrixcore
