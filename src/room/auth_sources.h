// States against which events of a stored room are judged.  For the room floor
// only.
#pragma once

#include <string_view>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "room/known_events.h"
#include "room/state_walk.h"

namespace matrixcore {

// The events that an event names as its auth events, as a state.
class AuthEventList : public StateSource {
 public:
  static Result<AuthEventList> Load(const Event& event, KnownEvents& events);

  // CheckAuthEvents with them.
  Verdict Check(const Event& event) const;
  // Without rejected ones; the create event also where the version does not
  // name it.
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override;

 private:
  std::vector<KnownEvents::StoredPtr> events_;
  KnownEvents::StoredPtr create_;  // The room's, if it was accepted.
};

// A state of the room's numbers.  One thread; the arguments outlive it.
class NumberedStateSource : public StateSource {
 public:
  NumberedStateSource(StateWalk::KeyNumOf key_num, KnownEvents& events,
                      const StateTree& state)
      : key_num_(std::move(key_num)), events_(events), state_(state) {}

  const Event* Find(std::string_view type,
                    std::string_view state_key) const override;
  // The first failure of a look-up; what was looked up then seemed absent.
  const Status& failure() const { return failure_; }

 private:
  Result<KnownEvents::StoredPtr> Lookup(std::string_view type,
                                        std::string_view state_key) const;

  const StateWalk::KeyNumOf key_num_;
  KnownEvents& events_;
  const StateTree& state_;
  mutable std::vector<KnownEvents::StoredPtr> held_;
  mutable Status failure_;
};

// The current state of a room that a reader sees.  One thread; the arguments
// outlive it.
class StoredStateSource : public StateSource {
 public:
  StoredStateSource(RoomReader& reader, const RoomHead& head)
      : reader_(reader), head_(head) {}

  const Event* Find(std::string_view type,
                    std::string_view state_key) const override;
  const Status& failure() const { return failure_; }

 private:
  RoomReader& reader_;
  const RoomHead& head_;
  mutable std::vector<EventPtr> held_;
  mutable Status failure_;
};

// Whether an accepted redaction strips its target, by the state before it
// (spec: room version 3, "Handling redactions"; before that the auth rules
// decide).
bool RedactionCounts(const Event& redaction, const Event& target,
                     const StateSource& state);

}  // namespace matrixcore
