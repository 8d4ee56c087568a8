// The inside of StateResolver; internal to stateres.
#pragma once

#include <span>
#include <vector>

#include "matrixcore/stateres/resolver.h"
#include "stateres/auth_difference.h"
#include "stateres/columns.h"

namespace matrixcore {

class StateResolver::Impl {
 public:
  explicit Impl(const RoomGraph& graph) : c_(GraphAccess::Of(graph)) {}

  StateTree Resolve(std::span<const StateTree> states,
                    Explanation* explanation);

 private:
  struct Change {
    KeyIdx key = kNoIndex;
    EventIdx before = kNoIndex;
  };
  // How an event is placed by the two orders of v2.
  struct Candidate {
    uint64_t rank = 0;  // What sorts first, ascending.
    int64_t ts = 0;
    uint64_t id_prefix = 0;
    EventIdx event = kNoIndex;
  };

  void Prepare(std::span<const StateTree> states);
  void FindConflicts(std::span<const StateTree> states);
  bool Before(const Candidate& a, const Candidate& b) const {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (a.ts != b.ts) return a.ts < b.ts;
    if (a.id_prefix != b.id_prefix) return a.id_prefix < b.id_prefix;
    return c_.ids[a.event] < c_.ids[b.event];
  }

  // v2 and v2.1.
  void ResolveV2(std::span<const StateTree> states);
  void CollectFullConflictedSet(uint32_t states);
  void CollectPowerEvents();
  void SortPowerEvents();
  void SortByMainline(EventIdx power_levels);
  uint32_t MainlinePosition(EventIdx event);
  void CheckIteratively(std::span<const Candidate> order,
                        Explanation::Phase phase);

  // v1.
  void ResolveV1(std::span<const StateTree> states);
  void SortV1(std::span<const StateTree> states, KeyIdx key,
              std::vector<EventIdx>* sorted) const;
  EventIdx ResolveAuthKeyV1(KeyIdx key, std::span<const EventIdx> sorted);
  EventIdx ResolveOtherKeyV1(std::span<const EventIdx> sorted);

  Rule Check(EventIdx event, Explanation::Phase phase, uint32_t position);
  void Put(KeyIdx key, EventIdx event);
  StateTree Finish(std::span<const StateTree> states);
  void NoteConflicts();

  const GraphColumns& c_;
  Explanation* explanation_ = nullptr;
  AuthDifference auth_difference_;

  // By key: the first state of the last call, to be brought up to date by what
  // differs; during a call the state that grows.
  std::vector<EventIdx> base_;
  StateTree base_map_;
  // By key, all kNoIndex between calls: the state that grows in v2.1.
  std::vector<EventIdx> empty_;
  EventIdx* state_ = nullptr;  // One of the two.
  std::vector<Change> changes_;

  std::vector<uint8_t> key_conflicted_;  // By key, zero between calls.
  std::vector<uint8_t> marks_;           // By event, zero between calls.
  std::vector<uint8_t> in_set_;          // By event, zero between calls.
  std::vector<uint32_t> local_;     // By event: number among the power events.
  std::vector<uint32_t> position_;  // By event: mainline position.
  std::vector<EventIdx> positioned_;  // Where position_ is set.

  std::vector<KeyIdx> conflicted_keys_;
  std::vector<Conflicted> holders_;
  std::vector<EventIdx> conflicted_;
  std::vector<EventIdx> full_set_;
  std::vector<EventIdx> power_events_;
  std::vector<Candidate> order_;
};

}  // namespace matrixcore
