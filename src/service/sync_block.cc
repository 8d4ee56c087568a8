#include "service/sync_block.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

constexpr size_t kHeroes = 5;
// In rooms that are larger than this the heroes are the first of as many
// members.
constexpr size_t kMaxCandidates = 500;

}  // namespace

Result<std::vector<std::string>> FindHeroes(RoomReader& reader,
                                            const RoomHead& room,
                                            std::string_view user_id) {
  std::vector<MembershipRow> candidates;
  const auto add = [&](Membership membership) -> Status {
    MC_ASSIGN_OR_RETURN(std::vector<MembershipRow> rows,
                        reader.Members(room.nid, membership, kMaxCandidates));
    std::erase_if(rows, [user_id](const MembershipRow& row) {
      return row.user_id == user_id;
    });
    std::move(rows.begin(), rows.end(), std::back_inserter(candidates));
    return OkStatus();
  };
  MC_RETURN_IF_ERROR(add(Membership::kJoin));
  MC_RETURN_IF_ERROR(add(Membership::kInvite));
  if (candidates.empty()) {
    MC_RETURN_IF_ERROR(add(Membership::kLeave));
    MC_RETURN_IF_ERROR(add(Membership::kBan));
  }
  const size_t count = std::min(kHeroes, candidates.size());
  std::partial_sort(
      candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(count),
      candidates.end(), [](const MembershipRow& a, const MembershipRow& b) {
        return a.pos < b.pos;
      });
  std::vector<std::string> heroes;
  for (size_t i = 0; i < count; ++i) {
    heroes.push_back(std::move(candidates[i].user_id));
  }
  std::sort(heroes.begin(), heroes.end());
  return heroes;
}

Result<std::vector<MemberChange>> ReadMemberChanges(RoomReader& reader,
                                                    const RoomHead& room,
                                                    StateSnap from,
                                                    StateSnap to) {
  std::vector<MemberChange> changes;
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> events,
      reader.StateDifference(room, from, to,
                             [](std::string_view type, std::string_view) {
                               return type == kTypeMember;
                             }));
  if (events.empty()) return changes;
  MC_ASSIGN_OR_RETURN(const StateMapPtr known, reader.State(room, from));
  std::vector<EventIdx> idxs;
  std::vector<size_t> places;
  for (const StoredEvent& event : events) {
    const std::string_view user_id = *event.event->state_key();
    changes.push_back(
        {.user_id = std::string(user_id), .after = MembershipOf(*event.event)});
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader.KeyNum(room, kTypeMember, user_id));
    if (const EventIdx idx = known->Find(key)) {
      idxs.push_back(idx);
      places.push_back(changes.size() - 1);
    }
  }
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> before,
                      reader.Events(room, idxs));
  for (size_t i = 0; i < places.size(); ++i) {
    changes[places[i]].before = MembershipOf(*before[i]);
  }
  std::erase_if(changes, [](const MemberChange& change) {
    return change.before == change.after;
  });
  return changes;
}

}  // namespace matrixcore
