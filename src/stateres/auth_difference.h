// The auth difference and the conflicted state subgraph; internal to stateres.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stateres/columns.h"

namespace matrixcore {

// An event in which the states differ, and a state that has it.
struct Conflicted {
  EventIdx event = kNoIndex;
  uint32_t state = 0;
};

// Finds the events that are in the auth chain of some of the states but not of
// all.  Because auth events have smaller numbers than the events that name
// them, one sweep from the newest event down is enough, and it ends where no
// event is pending that only some of the states reach.  Keeps its memory
// between calls.
class AuthDifference {
 public:
  // `unconflicted` is indexed by KeyIdx: the events that all states have.
  // `conflicted` lists the others, in any order.  Appends to *out, descending.
  void Find(const GraphColumns& columns, uint32_t states,
            const EventIdx* unconflicted,
            std::span<const Conflicted> conflicted, std::vector<EventIdx>* out);

 private:
  // Up to 64 states.  Both arrays are zero between calls.
  void Sweep(const GraphColumns& columns, uint64_t full,
             const EventIdx* unconflicted,
             std::span<const Conflicted> conflicted,
             std::vector<EventIdx>* out);
  // More: 64 at a time, without an early end.
  void SweepGroups(const GraphColumns& columns, uint32_t states,
                   const EventIdx* unconflicted,
                   std::span<const Conflicted> conflicted,
                   std::vector<EventIdx>* out);

  std::vector<uint64_t> reached_;  // Which states' chains have the event.
  std::vector<uint64_t> holders_;  // Which states have the conflicted event.
};

// The events on paths of auth events between conflicted events, these included
// (`conflicted` sorted ascending, without repetition).  Appends to *out,
// ascending.  `marks` is working memory, at least as long as there are events,
// zero before and after.
void FindConflictedSubgraph(const GraphColumns& columns,
                            std::span<const EventIdx> conflicted,
                            std::vector<uint8_t>* marks,
                            std::vector<EventIdx>* out);

}  // namespace matrixcore
