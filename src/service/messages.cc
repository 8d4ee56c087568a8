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
#include "service/state_rules.h"

namespace matrixcore {
namespace {

// How often a state event is tried that depends on more than its room's state.
constexpr int kAttempts = 5;

// Whether the user may redact `target` (spec: client-server API, "Redactions").
Status CheckMayRedact(const RoomView& view, const Session& session,
                      const StoredEvent& target) {
  const std::string_view sender = session.user_id;
  if (target.event->sender() == sender) return OkStatus();
  if (session.is_admin &&
      DomainOf(target.event->sender()) == DomainOf(sender)) {
    return OkStatus();
  }
  const PowerLevels levels(view.Find(kTypeCreate, ""),
                           view.Find(kTypePowerLevels, ""));
  if (levels.User(sender) >= levels.ToRedact()) return OkStatus();
  return ForbiddenError("You may not redact other people's events here.");
}

// Finds the target of a redaction in the room and checks that it may go.
Status CheckRedaction(const RoomView& view, const Session& session,
                      std::string_view event_id) {
  const std::string_view sender = session.user_id;
  if (view.MembershipOf(sender) != Membership::kJoin) {
    return ForbiddenError("You are not in this room.");
  }
  MC_ASSIGN_OR_RETURN(const auto target, view.FindEvent(event_id));
  if (!target) {
    return NotFoundError(fmt::format("There is no event {} here.", event_id));
  }
  // Spec: "Account suspension": only what is one's own.
  if (session.is_suspended && target->event->sender() != sender) {
    return SuspendedError();
  }
  if (target->event->type() == kTypeCreate) {
    return ForbiddenError("A room's create event cannot be redacted.");
  }
  if (target->event->type() == kTypeServerAcl) {
    return ForbiddenError("A room's server ACL cannot be redacted.");
  }
  return CheckMayRedact(view, session, *target);
}

}  // namespace

namespace {

// What a relation that a client sends must keep to (spec: "Avoiding duplicate
// annotations", "Validation of m.thread relationships").  Others that break
// their rules are sent, and ignored.
Status CheckRelation(const RoomView& view, const EventDraft& draft,
                     const Relation& relation) {
  if (relation.rel_type == kRelAnnotation && relation.key) {
    MC_ASSIGN_OR_RETURN(const bool twice,
                        view.HasAnnotation(relation.event_id, draft.sender,
                                           draft.type, *relation.key));
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
  request.done =
      [done = std::move(done)](Result<RoomRequest::Answer> answer) mutable {
        if (!answer.ok()) {
          done(HideUnknownRoom(std::move(answer).status()));
        } else {
          done(std::move(answer->event_ids.front()));
        }
      };
  deps_.writer.Send(std::move(request));
}

void MessageService::Send(const Session& session, Message message, Done done) {
  if (session.is_suspended && message.type != kTypeRedaction) {
    return done(SuspendedError());
  }
  RoomRequest request;
  request.room_id = message.room_id;
  request.user_id = session.user_id;
  if (!message.txn_id.empty()) {
    request.txn =
        TransactionKey{session.device_id,
                       fmt::format("send/{}/{}", message.room_id, message.type),
                       message.txn_id};
  }
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
  Result<StateRules> rules =
      RulesOfRedaction(session, request.room_id, draft.redacts);
  if (!rules.ok()) return done(std::move(rules).status());
  request.prepare =
      [draft = std::move(draft), session, content,
       rules = std::move(*rules)](const RoomView& view) -> Result<RoomChange> {
    if (!draft.redacts.empty()) {
      MC_RETURN_IF_ERROR(CheckRedaction(view, session, draft.redacts));
    }
    if (const auto relation = RelationOf(content->root())) {
      MC_RETURN_IF_ERROR(CheckRelation(view, draft, *relation));
    }
    RoomChange change;
    MC_RETURN_IF_ERROR(rules.Apply(view, draft, change));
    return change;
  };
  Submit(std::move(request), std::move(done));
}

void MessageService::SetState(const Session& session, State state, Done done) {
  TrySetState(session, std::move(state), std::move(done), kAttempts);
}

void MessageService::TrySetState(const Session& session, State state, Done done,
                                 int attempts) {
  if (session.is_suspended) return done(SuspendedError());
  EventDraft draft;
  draft.type = state.type;
  draft.sender = session.user_id;
  draft.state_key = state.state_key;
  draft.content = state.content;
  draft.origin_server_ts = state.ts;
  auto content = json::Document::Parse(state.content);
  if (!content.ok() || !content->root().IsObject()) {
    return done(BadJsonError("The content of an event is a JSON object."));
  }
  auto wanted = std::make_shared<const json::Document>(std::move(*content));
  Result<StateRules> made = MakeRules(session, draft, state.room_id, *wanted);
  if (!made.ok()) return done(std::move(made).status());
  RoomRequest request;
  request.room_id = state.room_id;
  request.user_id = session.user_id;
  if (!state.delay_id.empty()) {
    request.txn = TransactionKey{session.device_id, "delayed", state.delay_id};
  }
  request.prepare = [draft, wanted, rules = std::move(*made)](
                        const RoomView& view) -> Result<RoomChange> {
    RoomChange change;
    const Event* now = view.Find(draft.type, *draft.state_key);
    if (now != nullptr && now->sender() == draft.sender &&
        view.MembershipOf(draft.sender) == Membership::kJoin &&
        json::Equal(now->content(), wanted->root())) {
      change.existing_event_id = now->event_id();
      return change;
    }
    MC_RETURN_IF_ERROR(rules.Apply(view, draft, change));
    return change;
  };
  Submit(std::move(request), [this, session, state = std::move(state),
                              done = std::move(done),
                              attempts](Result<std::string> event_id) mutable {
    if (event_id.status().code() == StatusCode::kAborted && attempts > 1) {
      return TrySetState(session, std::move(state), std::move(done),
                         attempts - 1);
    }
    done(std::move(event_id));
  });
}

Result<StateRules> MessageService::MakeRules(const Session& session,
                                             const EventDraft& draft,
                                             const std::string& room_id,
                                             const json::Document& content) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  return StateRules::Make(reader, session, draft, room_id, content.root());
}

// "" for an event that redacts nothing.
Result<StateRules> MessageService::RulesOfRedaction(const Session& session,
                                                    const std::string& room_id,
                                                    std::string_view event_id) {
  if (event_id.empty()) return StateRules();
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  return StateRules::ForRedaction(reader, session, room_id, event_id);
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
  Result<StateRules> rules =
      RulesOfRedaction(session, request.room_id, draft.redacts);
  if (!rules.ok()) return done(std::move(rules).status());
  request.prepare =
      [draft = std::move(draft), session,
       rules = std::move(*rules)](const RoomView& view) -> Result<RoomChange> {
    MC_RETURN_IF_ERROR(CheckRedaction(view, session, draft.redacts));
    RoomChange change;
    MC_RETURN_IF_ERROR(rules.Apply(view, draft, change));
    return change;
  };
  Submit(std::move(request), std::move(done));
}

}  // namespace matrixcore
