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
  // Says that all states have the event, or do not; holds for the calls to
  // come. `events` is how many the graph has.
  void SetUnconflicted(EventIdx event, bool unconflicted);
  void Resize(size_t events);

  // `conflicted` lists the events that some states have, in any order.  Appends
  // to *out, descending.
  void Find(const GraphColumns& columns, uint32_t states,
            std::span<const Conflicted> conflicted, std::vector<EventIdx>* out);

 private:
  // Up to 8 states; the bits of states that are not there follow the first's,
  // so that "all" is always 0xFF.
  void Sweep(const GraphColumns& columns, uint32_t states,
             std::span<const Conflicted> conflicted,
             std::vector<EventIdx>* out);
  // More: 8 at a time, without an early end.
  void SweepGroups(const GraphColumns& columns, uint32_t states,
                   std::span<const Conflicted> conflicted,
                   std::vector<EventIdx>* out);

  // By event: the states that have it, as bits; kAll for unconflicted ones.
  // Conflicted events are 0 between calls.
  std::vector<uint8_t> holders_;
  // By event: the states whose auth chains have it; 0 between calls.
  std::vector<uint8_t> reached_;
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
