#include "matrixcore/service/messages.h"

#include <fmt/format.h>

#include <utility>

#include "matrixcore/event/relation.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

Status BadAlias(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_ALIAS", std::move(message));
}

// Whether `sender` may redact `target` (spec: client-server API, "Redactions").
Status CheckMayRedact(const RoomView& view, std::string_view sender,
                      const StoredEvent& target) {
  if (target.event->sender() == sender) return OkStatus();
  const PowerLevels levels(view.Find(kTypeCreate, ""),
                           view.Find(kTypePowerLevels, ""));
  if (levels.User(sender) >= levels.ToRedact()) return OkStatus();
  return ForbiddenError("You may not redact other people's events here.");
}

// Finds the target of a redaction in the room and checks that it may go.
Status CheckRedaction(const RoomView& view, std::string_view sender,
                      std::string_view event_id) {
  if (view.MembershipOf(sender) != Membership::kJoin) {
    return ForbiddenError("You are not in this room.");
  }
  MC_ASSIGN_OR_RETURN(const auto target, view.FindEvent(event_id));
  if (!target) {
    return NotFoundError(fmt::format("There is no event {} here.", event_id));
  }
  if (target->event->type() == kTypeCreate) {
    return ForbiddenError("A room's create event cannot be redacted.");
  }
  if (target->event->type() == kTypeServerAcl) {
    return ForbiddenError("A room's server ACL cannot be redacted.");
  }
  return CheckMayRedact(view, sender, *target);
}

}  // namespace

namespace {

// What a relation that a client sends must keep to (spec: "Avoiding duplicate
// annotations", "Validation of m.thread relationships").  Others that break
// their rules are sent, and ignored.
Status CheckRelation(const RoomView& view, const EventDraft& draft,
                     const Relation& relation) {
  if (relation.rel_type == kRelAnnotation && relation.key) {
    MC_ASSIGN_OR_RETURN(
        const bool twice,
        view.HasAnnotation(relation.event_id, draft.sender, draft.type,
                           *relation.key));
    if (twice) {
      return Status(StatusCode::kInvalidArgument, "M_DUPLICATE_ANNOTATION",
                    "You have annotated the event with this already.");
    }
  }
  if (relation.rel_type == kRelThread) {
    MC_ASSIGN_OR_RETURN(const auto root, view.FindEvent(relation.event_id));
    if (root && RelationOf(*root->event)) {
      return Status(StatusCode::kInvalidArgument, "M_UNKNOWN",
                    "An event that relates to another cannot start a thread.");
    }
  }
  return OkStatus();
}

// The content, if the checks before sending have to look into it.
std::shared_ptr<const json::Document> ParseIfTelling(const EventDraft& draft) {
  auto content = std::make_shared<json::Document>();
  if (draft.type != kTypeRedaction &&
      draft.content.find("m.relates_to") == std::string::npos &&
      draft.content.find("\\u") == std::string::npos) {
    return content;
  }
  Result<json::Document> parsed = json::Document::Parse(draft.content);
  if (parsed.ok()) *content = std::move(*parsed);
  return content;
}

}  // namespace

void MessageService::Submit(RoomRequest request, Done done) {
  request.done = [done = std::move(done)](
                     Result<RoomRequest::Answer> answer) mutable {
    if (!answer.ok()) {
      done(HideUnknownRoom(std::move(answer).status()));
    } else {
      done(std::move(answer->event_ids.front()));
    }
  };
  deps_.writer.Send(std::move(request));
}

void MessageService::Send(const Session& session, Message message, Done done) {
  RoomRequest request;
  request.room_id = message.room_id;
  request.user_id = session.user_id;
  request.txn = TransactionKey{
      session.device_id, fmt::format("send/{}/{}", message.room_id, message.type),
      message.txn_id};
  EventDraft draft;
  draft.type = std::move(message.type);
  draft.sender = session.user_id;
  draft.content = std::move(message.content);
  draft.origin_server_ts = message.ts;
  const auto content = ParseIfTelling(draft);
  if (draft.type == kTypeRedaction) {
    draft.redacts = content->root()["redacts"].StringOr("");
    if (draft.redacts.empty()) {
      return done(BadJsonError("A redaction needs `redacts`: an event id."));
    }
  }
  request.prepare = [draft = std::move(draft), content](
                        const RoomView& view) -> Result<RoomChange> {
    if (!draft.redacts.empty()) {
      MC_RETURN_IF_ERROR(CheckRedaction(view, draft.sender, draft.redacts));
    }
    if (const auto relation = RelationOf(content->root())) {
      MC_RETURN_IF_ERROR(CheckRelation(view, draft, *relation));
    }
    RoomChange change;
    change.drafts.push_back(draft);
    return change;
  };
  Submit(std::move(request), std::move(done));
}

void MessageService::SetState(const Session& session, State state, Done done) {
  auto content = json::Document::Parse(state.content);
  if (!content.ok() || !content->root().IsObject()) {
    return done(BadJsonError("The content of an event is a JSON object."));
  }
  if (state.type == kTypeCanonicalAlias && state.state_key.empty()) {
    Status status = CheckAliases(state, content->root());
    if (!status.ok()) return done(std::move(status));
  }
  RoomRequest request;
  request.room_id = state.room_id;
  request.user_id = session.user_id;
  EventDraft draft;
  draft.type = std::move(state.type);
  draft.sender = session.user_id;
  draft.state_key = std::move(state.state_key);
  draft.content = std::move(state.content);
  draft.origin_server_ts = state.ts;
  auto wanted = std::make_shared<const json::Document>(std::move(*content));
  if (!state.delay_id.empty()) {
    request.txn = TransactionKey{session.device_id, "delayed", state.delay_id};
  }
  request.prepare = [draft = std::move(draft), wanted](
                        const RoomView& view) -> Result<RoomChange> {
    RoomChange change;
    const Event* now = view.Find(draft.type, *draft.state_key);
    if (now != nullptr && now->sender() == draft.sender &&
        view.MembershipOf(draft.sender) == Membership::kJoin &&
        json::Equal(now->content(), wanted->root())) {
      change.existing_event_id = now->event_id();
    } else {
      change.drafts.push_back(draft);
    }
    return change;
  };
  Submit(std::move(request), std::move(done));
}

// Aliases that the room's canonical alias event adds must lead to the room (spec:
// m.room.canonical_alias; PUT /rooms/{roomId}/state).
Status MessageService::CheckAliases(const State& state, json::Value content) {
  std::vector<std::string> aliases;
  const json::Value alias = content["alias"];
  if (alias && !alias.IsNull() && alias.StringOr("") != "") {
    aliases.emplace_back(*alias.AsString());
  } else if (alias && !alias.IsNull() && !alias.IsString()) {
    return InvalidParamError("`alias` is a string.");
  }
  const json::Value alternatives = content["alt_aliases"];
  if (alternatives && !alternatives.IsArray()) {
    return InvalidParamError("`alt_aliases` is an array of strings.");
  }
  for (const json::Value item : alternatives) {
    if (!item.IsString()) {
      return InvalidParamError("`alt_aliases` is an array of strings.");
    }
    aliases.emplace_back(*item.AsString());
  }
  if (aliases.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(state.room_id));
  if (!head) return ForbiddenError("You are not in this room.");
  // Those that stand there already may stay, whatever became of them.
  MC_ASSIGN_OR_RETURN(
      const EventPtr now,
      reader.StateEvent(*head, head->state, kTypeCanonicalAlias, ""));
  const auto known = [&now](std::string_view name) {
    if (now == nullptr) return false;
    const json::Value old = now->content();
    if (old["alias"].StringOr("") == name) return true;
    for (const json::Value item : old["alt_aliases"]) {
      if (item.StringOr("") == name) return true;
    }
    return false;
  };
  for (const std::string& name : aliases) {
    if (known(name)) continue;
    if (!IsRoomAlias(name)) {
      return InvalidParamError(fmt::format("{} is not a room alias.", name));
    }
    MC_ASSIGN_OR_RETURN(const auto room, reader.AliasRoom(name));
    if (!room || *room != head->nid) {
      return BadAlias(fmt::format("The alias {} does not lead here.", name));
    }
  }
  return OkStatus();
}

void MessageService::Redact(const Session& session, Redaction redaction,
                            Done done) {
  RoomRequest request;
  request.room_id = redaction.room_id;
  request.user_id = session.user_id;
  request.txn = TransactionKey{
      session.device_id,
      fmt::format("redact/{}/{}", redaction.room_id, redaction.event_id),
      redaction.txn_id};
  EventDraft draft;
  draft.type = kTypeRedaction;
  draft.sender = session.user_id;
  draft.redacts = redaction.event_id;
  if (redaction.reason) {
    json::Object content;
    content.SetString("reason", *redaction.reason);
    draft.content = content.ToJson();
  }
  request.prepare = [draft = std::move(draft)](
                        const RoomView& view) -> Result<RoomChange> {
    MC_RETURN_IF_ERROR(CheckRedaction(view, draft.sender, draft.redacts));
    RoomChange change;
    change.drafts.push_back(draft);
    return change;
  };
  Submit(std::move(request), std::move(done));
}

}  // namespace matrixcore
