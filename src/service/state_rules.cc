#include "service/state_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "matrixcore/event/server_acl.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/service/account_tables.h"
#include "service/canonical_alias.h"
#include "service/invite_permission.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

bool Names(const Event* event, std::string_view alias) {
  if (event == nullptr) return false;
  const json::Value content = event->content();
  if (content["alias"].StringOr("") == alias) return true;
  for (const json::Value item : content["alt_aliases"]) {
    if (item.StringOr("") == alias) return true;
  }
  return false;
}

// Aliases that the room's canonical alias event adds must lead to the room
// (spec: m.room.canonical_alias).
Status CheckAliases(RoomReader& reader, const RoomHead& room,
                    json::Value content) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> aliases,
                      ReadAliases(content));
  if (aliases.empty()) return OkStatus();
  // Those that stand there already may stay, whatever became of them.
  MC_ASSIGN_OR_RETURN(
      const EventPtr now,
      reader.StateEvent(room, room.state, kTypeCanonicalAlias, ""));
  for (const std::string& alias : aliases) {
    if (Names(now.get(), alias)) continue;
    if (!IsRoomAlias(alias)) {
      return InvalidParamError(fmt::format("{} is not a room alias.", alias));
    }
    MC_ASSIGN_OR_RETURN(const auto nid, reader.AliasRoom(alias));
    if (!nid || *nid != room.nid) {
      return BadAliasError(
          fmt::format("The alias {} does not lead here.", alias));
    }
  }
  return OkStatus();
}

// Who is joined on this server, and who of them is a guest.
Result<std::vector<std::pair<std::string, bool>>> LocalMembers(
    RoomReader& reader, const RoomHead& room, std::string_view server_name) {
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader.Members(room.nid, Membership::kJoin));
  std::vector<Row> keys;
  for (const MembershipRow& row : rows) {
    if (DomainOf(row.user_id) == server_name) {
      keys.push_back({Cell(row.user_id)});
    }
  }
  MC_ASSIGN_OR_RETURN(const auto users,
                      reader.snapshot().GetMany(tables::kUsers, keys));
  std::vector<std::pair<std::string, bool>> members;
  for (size_t i = 0; i < keys.size(); ++i) {
    members.emplace_back(
        CellText(keys[i][0]),
        users[i] && CellInt((*users[i])[tables::Users::kGuest]) != 0);
  }
  std::sort(members.begin(), members.end());
  return members;
}

Status CheckAcl(json::Value content, std::string_view server_name) {
  if (ServerAcl::FromContent(content).Allows(server_name)) return OkStatus();
  return InvalidParamError("This would shut this server out of the room.");
}

}  // namespace

Result<StateRules> StateRules::Make(RoomReader& reader, const Session& session,
                                    const EventDraft& draft,
                                    const std::string& room_id,
                                    json::Value content) {
  StateRules rules;
  rules.session_ = session;
  const std::string_view server_name = DomainOf(session.user_id);
  const bool is_member = draft.type == kTypeMember;
  const std::string_view membership = content["membership"].StringOr("");
  if (is_member) {
    if (ParseMembership(membership) == Membership::kNone) {
      return InvalidParamError(
          "`membership` is join, invite, leave, ban or knock.");
    }
    if (membership == "invite") {
      MC_RETURN_IF_ERROR(
          CheckInvitable(reader.snapshot(), *draft.state_key, server_name));
    }
  }
  const bool joins =
      is_member && membership == "join" && *draft.state_key == session.user_id;
  const bool singleton = draft.state_key->empty();
  const bool names = singleton && draft.type == kTypeCanonicalAlias;
  const bool guests = singleton && draft.type == kTypeGuestAccess &&
                      content["guest_access"].StringOr("") != "can_join";
  if (singleton && draft.type == kTypeServerAcl) {
    MC_RETURN_IF_ERROR(CheckAcl(content, server_name));
  }
  // Clients would go round in circles.
  if (singleton && draft.type == kTypeTombstone &&
      content["replacement_room"].StringOr("") == room_id) {
    return InvalidParamError("A room cannot be replaced by itself.");
  }
  if (!joins && !names && !guests) return rules;
  MC_ASSIGN_OR_RETURN(const auto room, reader.Head(room_id));
  if (!room) return ForbiddenError("You are not in this room.");
  if (names) {
    MC_RETURN_IF_ERROR(CheckAliases(reader, *room, content));
  } else if (joins) {
    rules.kind_ = Kind::kJoin;
    MC_ASSIGN_OR_RETURN(rules.join_,
                        ReadJoinFacts(reader, *room, session.user_id));
  } else {
    rules.kind_ = Kind::kGuestsMustLeave;
    MC_ASSIGN_OR_RETURN(rules.members_,
                        LocalMembers(reader, *room, server_name));
  }
  return rules;
}

Result<StateRules> StateRules::ForRedaction(RoomReader& reader,
                                            const Session& session,
                                            const std::string& room_id,
                                            std::string_view event_id) {
  StateRules rules;
  rules.session_ = session;
  MC_ASSIGN_OR_RETURN(const auto target, reader.Event(event_id));
  if (!target) return rules;
  MC_ASSIGN_OR_RETURN(const auto room, reader.Head(target->room));
  if (!room || room->room_id != room_id) {
    return InvalidParamError("The event belongs to another room.");
  }
  if (!target->stored.event->Is(kTypeGuestAccess, "")) return rules;
  rules.kind_ = Kind::kGuestsMustLeave;
  MC_ASSIGN_OR_RETURN(rules.members_,
                      LocalMembers(reader, *room, DomainOf(session.user_id)));
  return rules;
}

Status StateRules::Apply(const RoomView& view, const EventDraft& draft,
                         RoomChange& change) const {
  if (kind_ == Kind::kJoin) {
    if (view.MembershipOf(session_.user_id) != Membership::kJoin) {
      MC_RETURN_IF_ERROR(
          AddJoin(view, session_, join_, draft.content, std::nullopt, change));
      change.drafts.back().origin_server_ts = draft.origin_server_ts;
      return OkStatus();
    }
    // Who stands for a join is the server's to say.
    MC_ASSIGN_OR_RETURN(const json::Document content,
                        json::Document::ParseView(draft.content));
    json::Object member = json::Object::From(content.root());
    member.Erase("join_authorised_via_users_server");
    change.drafts.push_back(draft);
    change.drafts.back().content = member.ToJson();
    return OkStatus();
  }
  change.drafts.push_back(draft);
  if (kind_ != Kind::kGuestsMustLeave) return OkStatus();
  // What counted no more anyhow is redacted without effect on guests.
  const Event* access = view.Find(kTypeGuestAccess, "");
  if (!draft.redacts.empty() &&
      (access == nullptr || access->event_id() != draft.redacts)) {
    return OkStatus();
  }
  // Spec: "Guest Access", server behaviour.
  bool outdated = false;
  (void)view.FindJoinedLocal([&](std::string_view user) {
    const auto member =
        std::lower_bound(members_.begin(), members_.end(), user,
                         [](const auto& entry, std::string_view id) {
                           return entry.first < id;
                         });
    if (member == members_.end() || member->first != user) {
      outdated = true;
    } else if (member->second && view.MembershipOf(user) == Membership::kJoin) {
      EventDraft leave;
      leave.type = kTypeMember;
      leave.sender = std::string(user);
      leave.state_key = std::string(user);
      leave.content = R"({"membership":"leave"})";
      change.drafts.push_back(std::move(leave));
    }
    return false;
  });
  if (outdated) {
    return Status(StatusCode::kAborted, "somebody joined meanwhile");
  }
  return OkStatus();
}

}  // namespace matrixcore
