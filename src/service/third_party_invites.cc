// RoomService: invites by e-mail address or telephone number (spec:
// client-server API, "Third-party invites").
#include <fmt/format.h>

#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/rooms.h"
#include "service/room_access.h"

namespace matrixcore {

// A room on its way, until those whom identity servers must be asked about are
// in it.
struct RoomService::Creation {
  Session session;
  NewRoom room;
  std::shared_ptr<void> owner;
  RoomDone done;
  size_t looked_up = 0;                    // Of room.invite_3pid.
  std::vector<ThirdPartyInvitee> unknown;  // Those without a user id.
  size_t stored = 0;                       // Of `unknown`.
  std::string room_id;
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
          StoreInvite(session, room_id, invitee, std::move(done));
        });
      });
}

void RoomService::StoreInvite(const Session& session,
                              const std::string& room_id,
                              const ThirdPartyInvitee& invitee, Done done) {
  const Result<ThirdPartyInvitation> invitation =
      InvitationTo(session, room_id);
  if (!invitation.ok()) return done(invitation.status());
  deps_.identity.Store(
      invitee, *invitation,
      [this, session, room_id,
       done = std::move(done)](Result<IdentityClient::Stored> stored) mutable {
        if (!stored.ok()) return done(std::move(stored).status());
        GoOn([this, session, room_id, stored = std::move(*stored),
              done = std::move(done)]() mutable {
          AddStoredInvite(session, room_id, stored, std::move(done));
        });
      });
}

void RoomService::AddStoredInvite(const Session& session,
                                  const std::string& room_id,
                                  const IdentityClient::Stored& stored,
                                  Done done) {
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
  request.prepare =
      [draft = std::move(draft)](const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    change.drafts.push_back(draft);
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
  LookUpInvitees(std::move(creation));
}

// One after the other: nobody asks for many.
void RoomService::LookUpInvitees(std::shared_ptr<Creation> creation) {
  const std::vector<ThirdPartyInvitee>& invitees = creation->room.invite_3pid;
  if (creation->looked_up == invitees.size()) {
    return GoOn([this, creation] { CreateWithInvitees(creation); });
  }
  const ThirdPartyInvitee& invitee = invitees[creation->looked_up++];
  deps_.identity.Lookup(
      invitee, [this, creation,
                &invitee](Result<std::optional<std::string>> user_id) mutable {
        if (!user_id.ok()) {
          return creation->done(std::move(user_id).status());
        }
        if (*user_id) {
          creation->room.invite.push_back(**user_id);
        } else {
          creation->unknown.push_back(invitee);
        }
        LookUpInvitees(std::move(creation));
      });
}

void RoomService::CreateWithInvitees(std::shared_ptr<Creation> creation) {
  Result<std::string> made = CreateRoom(creation->session, creation->room);
  if (!made.ok()) return creation->done(std::move(made).status());
  creation->room_id = std::move(*made);
  StoreInvites(std::move(creation));
}

void RoomService::StoreInvites(std::shared_ptr<Creation> creation) {
  if (creation->stored == creation->unknown.size()) {
    return creation->done(std::move(creation->room_id));
  }
  const ThirdPartyInvitee& invitee = creation->unknown[creation->stored++];
  StoreInvite(creation->session, creation->room_id, invitee,
              [this, creation](Status status) mutable {
                if (!status.ok()) return creation->done(std::move(status));
                GoOn([this, creation] { StoreInvites(creation); });
              });
}

}  // namespace matrixcore
