#include "service/joining.h"

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "service/room_access.h"
#include "service/room_preview_json.h"

namespace matrixcore {
namespace {

constexpr std::string_view kAuthorisedVia = "join_authorised_via_users_server";

bool IsRestricted(std::string_view join_rule) {
  return join_rule == "restricted" || join_rule == "knock_restricted";
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

Status CheckGuest(const RoomView& view, const Session& session) {
  if (!session.is_guest) return OkStatus();
  const Event* access = view.Find(kTypeGuestAccess, "");
  if (access != nullptr &&
      access->content()["guest_access"].StringOr("") == "can_join") {
    return OkStatus();
  }
  return Status(StatusCode::kPermissionDenied, "M_GUEST_ACCESS_FORBIDDEN",
                "Guests may not join this room.");
}

// A restricted room: a local user who may invite stands for the join.  "" when
// it needs none, or when there is none (the auth rules then refuse the join).
std::string Authoriser(const RoomView& view, const JoinFacts& facts,
                       Membership now) {
  if (!facts.restriction_met || now == Membership::kInvite ||
      !view.rules().restricted_joins ||
      !IsRestricted(JoinRuleOf(view.Find(kTypeJoinRules, "")))) {
    return {};
  }
  const PowerLevels levels(view.Find(kTypeCreate, ""),
                           view.Find(kTypePowerLevels, ""));
  return view
      .FindJoinedLocal([&levels](std::string_view user) {
        return levels.User(user) >= levels.ToInvite();
      })
      .value_or("");
}

// The third-party invite that the proof is for.
Result<const Event*> InviteOfProof(const RoomView& view, const Session& session,
                                   const ThirdPartyProof& proof) {
  const Event* invite = view.Find(kTypeThirdPartyInvite, proof.token);
  if (invite == nullptr || invite->sender() != proof.sender ||
      proof.user_id != session.user_id) {
    return ForbiddenError(
        "third_party_signed goes with no invite of this room.");
  }
  return invite;
}

// The invite that a third-party invite becomes once it is known for whom it
// was; the auth rules check its signatures.
Result<EventDraft> ThirdPartyInvite(const Event& invite, const Session& session,
                                    const ThirdPartyProof& proof) {
  if (DomainOf(proof.sender) != DomainOf(session.user_id)) {
    return ForbiddenError("The server of who invited you cannot be asked.");
  }
  json::Object third_party;
  third_party.SetString("display_name",
                        invite.content()["display_name"].StringOr(""));
  third_party.SetRaw("signed", proof.json);
  json::Object content;
  content.SetString("membership", "invite");
  content.SetRaw("third_party_invite", third_party.ToJson());
  return MemberDraft(proof.sender, session.user_id, content.ToJson());
}

}  // namespace

Result<JoinFacts> ReadJoinFacts(RoomReader& reader, const RoomHead& room,
                                const std::string& user_id) {
  JoinFacts facts;
  MC_ASSIGN_OR_RETURN(const auto previews, reader.Previews({&room.nid, 1}));
  if (IsRestricted(previews[0].join_rule)) {
    MC_ASSIGN_OR_RETURN(
        facts.restriction_met,
        JoinedToAny(reader, user_id, previews[0].allowed_room_ids));
  }
  MC_ASSIGN_OR_RETURN(const EventPtr create,
                      reader.StateEvent(room, room.state, kTypeCreate, ""));
  if (create == nullptr) return facts;
  const std::string old_room(
      create->content()["predecessor"]["room_id"].StringOr(""));
  if (old_room.empty()) return facts;
  MC_ASSIGN_OR_RETURN(const auto old_head, reader.Head(old_room));
  if (!old_head) return facts;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(user_id, old_head->nid));
  if (!row || row->forgotten) return facts;
  // What says so must be the old room: anybody can name a predecessor.
  MC_ASSIGN_OR_RETURN(
      const EventPtr tombstone,
      reader.StateEvent(*old_head, old_head->state, kTypeTombstone, ""));
  if (tombstone == nullptr ||
      tombstone->content()["replacement_room"].StringOr("") != room.room_id) {
    return facts;
  }
  MC_ASSIGN_OR_RETURN(facts.settings,
                      SettingsForReplacement(reader.snapshot(), user_id,
                                             old_room, room.room_id));
  return facts;
}

Status AddJoin(const RoomView& view, const Session& session,
               const JoinFacts& facts, std::string_view content,
               const std::optional<ThirdPartyProof>& proof,
               RoomChange& change) {
  MC_RETURN_IF_ERROR(CheckGuest(view, session));
  Membership now = view.MembershipOf(session.user_id);
  if (proof) {
    MC_ASSIGN_OR_RETURN(const Event* pending,
                        InviteOfProof(view, session, *proof));
    if (now != Membership::kInvite) {
      MC_ASSIGN_OR_RETURN(EventDraft invite,
                          ThirdPartyInvite(*pending, session, *proof));
      change.drafts.push_back(std::move(invite));
      now = Membership::kInvite;
    }
  }
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(content));
  json::Object member = json::Object::From(document.root());
  member.Erase(kAuthorisedVia);
  const std::string authoriser = Authoriser(view, facts, now);
  if (!authoriser.empty()) member.SetString(kAuthorisedVia, authoriser);
  change.drafts.push_back(
      MemberDraft(session.user_id, session.user_id, member.ToJson()));
  if (!facts.settings.empty()) {
    change.also = [user = session.user_id, settings = facts.settings](
                      WriteBatch& batch, PositionRef) {
      AddSettings(batch, user, settings);
    };
  }
  return OkStatus();
}

}  // namespace matrixcore
