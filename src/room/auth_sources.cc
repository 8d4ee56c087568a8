#include "room/auth_sources.h"

#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore {

Result<AuthEventList> AuthEventList::Load(const Event& event,
                                          KnownEvents& events) {
  AuthEventList list;
  MC_ASSIGN_OR_RETURN(list.events_, AuthEventsOf(event, events));
  if (event.rules().create_in_auth_events || event.type() == kTypeCreate) {
    return list;
  }
  MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr first, events.At(1));
  if (first != nullptr && first->event->Is(kTypeCreate, "") &&
      (first->flags & kEventRejected) == 0) {
    list.create_ = first;
  }
  return list;
}

Verdict AuthEventList::Check(const Event& event) const {
  std::vector<AuthEvent> named;
  for (const KnownEvents::StoredPtr& stored : events_) {
    named.push_back(stored == nullptr
                        ? AuthEvent{}
                        : AuthEvent{stored->event.get(),
                                    (stored->flags & kEventRejected) != 0});
  }
  return CheckAuthEvents(event, named,
                         create_ == nullptr ? nullptr : create_->event.get());
}

const Event* AuthEventList::Find(std::string_view type,
                                 std::string_view state_key) const {
  if (create_ != nullptr && create_->event->Is(type, state_key)) {
    return create_->event.get();
  }
  for (const KnownEvents::StoredPtr& stored : events_) {
    if (stored != nullptr && (stored->flags & kEventRejected) == 0 &&
        stored->event->Is(type, state_key)) {
      return stored->event.get();
    }
  }
  return nullptr;
}

const Event* NumberedStateSource::Find(std::string_view type,
                                       std::string_view state_key) const {
  Result<KnownEvents::StoredPtr> found = Lookup(type, state_key);
  if (!found.ok()) {
    if (failure_.ok()) failure_ = found.status();
    return nullptr;
  }
  if (*found == nullptr) return nullptr;
  held_.push_back(std::move(*found));
  return held_.back()->event.get();
}

Result<KnownEvents::StoredPtr> NumberedStateSource::Lookup(
    std::string_view type, std::string_view state_key) const {
  MC_ASSIGN_OR_RETURN(const StateKeyNum key, key_num_(type, state_key));
  const EventIdx idx = key == 0 ? 0 : StateAt(state_, key);
  if (idx == 0) return KnownEvents::StoredPtr();
  return events_.At(idx);
}

const Event* StoredStateSource::Find(std::string_view type,
                                     std::string_view state_key) const {
  Result<EventPtr> event =
      reader_.StateEvent(head_, head_.state, type, state_key);
  if (!event.ok()) {
    if (failure_.ok()) failure_ = event.status();
    return nullptr;
  }
  held_.push_back(std::move(*event));
  return held_.back().get();
}

bool RedactionCounts(const Event& redaction, const Event& target,
                     const StateSource& state) {
  if (redaction.rules().redaction_event_rule) return true;
  const PowerLevels levels(state.Find(kTypeCreate, ""),
                           state.Find(kTypePowerLevels, ""));
  return levels.User(redaction.sender()) >= levels.ToRedact() ||
         DomainOf(redaction.sender()) == DomainOf(target.sender());
}

}  // namespace matrixcore
