#include "matrixcore/room/stored_graph.h"

#include "room/auth_chain.h"
#include "room/state_walk.h"

namespace matrixcore {
namespace {

constexpr size_t kEventBudget = size_t{16} << 20;
constexpr size_t kStateBudget = size_t{4} << 20;

}  // namespace

Result<std::vector<EventIdx>> StoredAuthChain(RoomReader& reader,
                                              const RoomHead& room,
                                              const std::vector<EventIdx>& of) {
  KnownEvents events(room.nid, *room.rules, kEventBudget);
  events.Use(reader.snapshot());
  return AuthChainOf(events, of);
}

Result<StateTree> ResolveStored(RoomReader& reader, const RoomHead& room,
                                std::span<const StateSnap> states) {
  KnownEvents events(room.nid, *room.rules, kEventBudget);
  events.Use(reader.snapshot());
  StateWalk walk(
      room.nid, *room.rules, events,
      [&](std::string_view type, std::string_view state_key) {
        return reader.KeyNum(room, type, state_key);
      },
      kStateBudget);
  walk.Use(reader.snapshot());
  std::vector<StateTree> trees;
  for (const StateSnap snap : states) {
    MC_ASSIGN_OR_RETURN(trees.emplace_back(), walk.At(snap));
  }
  return walk.Resolve(trees);
}

}  // namespace matrixcore
