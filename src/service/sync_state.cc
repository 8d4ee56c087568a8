#include "service/sync_state.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <set>
#include <utility>

#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

class Selector {
 public:
  Selector(RoomReader& reader, const RoomHead& room,
           const StateRequest& request)
      : reader_(reader),
        room_(room),
        request_(request),
        filter_(*request.filter),
        lazy_(filter_.lazy_load_members) {}

  Result<StateBlock> Run() {
    for (const StoredEvent& event : *request_.timeline) {
      if (event.event->is_state()) delivered_.insert(event.idx);
    }
    if (filter_.AllowsNothing() || !filter_.AllowsRoom(room_.room_id)) {
      return std::move(block_);
    }
    FindWantedMembers();
    MC_RETURN_IF_ERROR(AddChanges());
    if (!request_.after) MC_RETURN_IF_ERROR(AddOlderVersions());
    if (lazy_) MC_RETURN_IF_ERROR(AddMembers());
    return std::move(block_);
  }

 private:
  void FindWantedMembers() {
    if (!lazy_) return;
    for (const StoredEvent& event : *request_.timeline) {
      wanted_.emplace(event.event->sender());
    }
    wanted_.insert(request_.heroes.begin(), request_.heroes.end());
    if (request_.known == 0) wanted_.insert(request_.session->user_id);
  }

  // What the end has and the client does not, unless the timeline brings it.
  Status AddChanges() {
    const bool everything = request_.known == 0;
    MC_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> changes,
        reader_.StateDifference(
            room_, request_.known, request_.end,
            [&](std::string_view type, std::string_view state_key) {
              if (lazy_ && everything && type == kTypeMember &&
                  !wanted_.contains(state_key)) {
                return false;
              }
              return filter_.AllowsType(type);
            }));
    for (const StoredEvent& event : changes) {
      if (request_.after || !delivered_.contains(event.idx)) {
        Add(event);
      } else {
        overtaken_.push_back(event);
      }
    }
    return OkStatus();
  }

  // Where the timeline brings the newest version of a key: the version before
  // the first one that it brings, if the client does not have that.
  Status AddOlderVersions() {
    if (overtaken_.empty()) return OkStatus();
    MC_ASSIGN_OR_RETURN(const StateMapPtr known,
                        reader_.State(room_, request_.known));
    std::vector<EventIdx> idxs;
    for (const StoredEvent& event : overtaken_) {
      const std::string_view type = event.event->type();
      const std::string_view state_key = *event.event->state_key();
      const auto first = std::find_if(
          request_.timeline->begin(), request_.timeline->end(),
          [&](const StoredEvent& e) { return e.event->Is(type, state_key); });
      if (first->replaces == 0) continue;
      MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                          reader_.KeyNum(room_, type, state_key));
      if (first->replaces != known->Find(key)) idxs.push_back(first->replaces);
    }
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                        reader_.StoredEvents(room_, idxs));
    for (const StoredEvent& event : events) Add(event);
    return OkStatus();
  }

  // The members that the timeline needs and the client may not have.
  Status AddMembers() {
    MC_ASSIGN_OR_RETURN(
        const StateMapPtr state,
        reader_.State(room_, request_.after ? request_.end : request_.start));
    std::vector<LazyMembers::Member> members;
    for (const std::string& user_id : wanted_) {
      MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                          reader_.KeyNum(room_, kTypeMember, user_id));
      if (key == 0 || added_members_.contains(user_id)) continue;
      if (const EventIdx idx = state->Find(key)) members.push_back({key, idx});
    }
    std::vector<bool> known(members.size(), false);
    if (request_.lazy != nullptr && request_.known != 0) {
      known = request_.lazy->Known(*request_.session, room_.nid, members);
    }
    std::vector<EventIdx> idxs;
    for (size_t i = 0; i < members.size(); ++i) {
      if (!known[i]) idxs.push_back(members[i].event);
    }
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                        reader_.StoredEvents(room_, idxs));
    for (const StoredEvent& event : events) Add(event);
    return NoteMembers();
  }

  // Which members the client has after this answer: the timeline is newer.
  Status NoteMembers() {
    for (const std::vector<StoredEvent>* events :
         {&std::as_const(block_.events), request_.timeline}) {
      for (const StoredEvent& event : *events) {
        if (!event.event->is_state() || event.event->type() != kTypeMember) {
          continue;
        }
        MC_ASSIGN_OR_RETURN(
            const StateKeyNum key,
            reader_.KeyNum(room_, kTypeMember, *event.event->state_key()));
        block_.members.push_back({key, event.idx});
      }
    }
    return OkStatus();
  }

  void Add(const StoredEvent& event) {
    if (!filter_.Allows(*event.event)) return;
    if (event.event->type() == kTypeMember) {
      added_members_.emplace(*event.event->state_key());
    }
    block_.events.push_back(event);
  }

  RoomReader& reader_;
  const RoomHead& room_;
  const StateRequest& request_;
  const RoomEventFilter& filter_;
  const bool lazy_;
  absl::flat_hash_set<EventIdx> delivered_;
  std::set<std::string, std::less<>> added_members_;
  std::set<std::string, std::less<>> wanted_;
  std::vector<StoredEvent> overtaken_;
  StateBlock block_;
};

}  // namespace

Result<StateBlock> SelectState(RoomReader& reader, const RoomHead& room,
                               const StateRequest& request) {
  return Selector(reader, room, request).Run();
}

}  // namespace matrixcore
