// The resolver against the naive reading of the specification, and properties
// that every resolution has, on thousands of random rooms.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "matrixcore/stateres/resolver.h"
#include "stateres/naive_resolution.h"
#include "stateres/random_room.h"
#include "stateres/test_room.h"

namespace matrixcore {
namespace {

constexpr uint64_t kRoomsOfEachVersion = 250;

class DifferentialTest
    : public testing::TestWithParam<const RoomVersionRules*> {};

TEST_P(DifferentialTest, AgreesWithTheNaiveReading) {
  const RoomVersionRules& rules = *GetParam();
  size_t with_conflict = 0;
  for (uint64_t seed = 0; seed < kRoomsOfEachVersion; ++seed) {
    RandomRoom random(rules, seed * 31 + 7);
    const std::vector<StateIds> states = random.states();
    const StateIds expected = NaiveResolution(random.room()).Resolve(states);
    Result<StateIds> resolved = ResolveStateIds(rules, states, random.room());
    ASSERT_TRUE(resolved.ok()) << seed;
    ASSERT_EQ(Text(*resolved), Text(expected)) << "seed " << seed;
    with_conflict += expected != states[0] ? 1 : 0;
  }
  EXPECT_GT(with_conflict, kRoomsOfEachVersion / 4);
}

TEST_P(DifferentialTest, OneResolverServesManyResolutions) {
  const RoomVersionRules& rules = *GetParam();
  for (uint64_t seed = 1000; seed < 1020; ++seed) {
    RandomRoom random(rules, seed);
    const RoomGraph graph = random.room().Graph();
    StateResolver resolver(graph);
    const std::vector<StateIds> states = random.states();
    for (size_t a = 0; a < states.size(); ++a) {
      for (size_t b = 0; b < states.size(); ++b) {
        const std::vector<StateIds> pair = {states[a], states[b]};
        const std::vector<StateTree> maps = {Numbered(graph, states[a]),
                                             Numbered(graph, states[b])};
        EXPECT_EQ(Text(Named(graph, resolver.Resolve(maps))),
                  Text(NaiveResolution(random.room()).Resolve(pair)))
            << seed;
      }
    }
  }
}

TEST_P(DifferentialTest, OrderOfStatesAndRepetitionDoNotMatter) {
  const RoomVersionRules& rules = *GetParam();
  for (uint64_t seed = 2000; seed < 2040; ++seed) {
    RandomRoom random(rules, seed);
    const RoomGraph graph = random.room().Graph();
    StateResolver resolver(graph);
    std::vector<StateTree> maps;
    for (const StateIds& state : random.states()) {
      maps.push_back(Numbered(graph, state));
    }
    const StateTree resolved = resolver.Resolve(maps);
    std::reverse(maps.begin(), maps.end());
    EXPECT_TRUE(resolver.Resolve(maps) == resolved) << seed;
    maps.push_back(maps.front());
    maps.push_back(maps.back());
    EXPECT_TRUE(resolver.Resolve(maps) == resolved) << seed;
    // More than fit into one group of the auth difference.
    const size_t different = maps.size();
    while (maps.size() < 30) maps.push_back(maps[maps.size() % different]);
    EXPECT_TRUE(resolver.Resolve(maps) == resolved) << seed;
  }
}

TEST_P(DifferentialTest, OneStateIsItsOwnResolution) {
  const RoomVersionRules& rules = *GetParam();
  RandomRoom random(rules, 5);
  const RoomGraph graph = random.room().Graph();
  StateResolver resolver(graph);
  for (const StateIds& state : random.states()) {
    const StateTree map = Numbered(graph, state);
    EXPECT_TRUE(resolver.Resolve(std::vector<StateTree>{map}) == map);
    EXPECT_TRUE(resolver.Resolve(std::vector<StateTree>{map, map}) == map);
  }
  EXPECT_TRUE(resolver.Resolve({}).empty());
}

// The order in which events were interned may differ between servers.
TEST_P(DifferentialTest, OrderOfInterningDoesNotMatter) {
  const RoomVersionRules& rules = *GetParam();
  for (uint64_t seed = 3000; seed < 3020; ++seed) {
    RandomRoom random(rules, seed);
    TestRoom shuffled(rules);
    std::vector<EventPtr> events = random.room().events();
    std::reverse(events.begin(), events.end());
    for (const EventPtr& event : events) {
      shuffled.Add(event);
      if (random.room().IsRejected(event->event_id())) {
        shuffled.Reject(event->event_id());
      }
    }
    const std::vector<StateIds> states = random.states();
    std::string texts[2];
    TestRoom* rooms[2] = {&random.room(), &shuffled};
    for (size_t i = 0; i < 2; ++i) {
      const RoomGraph graph = rooms[i]->Graph();
      std::vector<StateTree> maps;
      for (const StateIds& state : states) {
        maps.push_back(Numbered(graph, state));
      }
      texts[i] = Text(Named(graph, StateResolver(graph).Resolve(maps)));
    }
    EXPECT_EQ(texts[0], texts[1]) << seed;
  }
}

TEST_P(DifferentialTest, ExplainingChangesNothing) {
  const RoomVersionRules& rules = *GetParam();
  for (uint64_t seed = 4000; seed < 4020; ++seed) {
    RandomRoom random(rules, seed);
    const RoomGraph graph = random.room().Graph();
    StateResolver resolver(graph);
    std::vector<StateTree> maps;
    for (const StateIds& state : random.states()) {
      maps.push_back(Numbered(graph, state));
    }
    const StateTree plain = resolver.Resolve(maps);
    Explanation explanation;
    EXPECT_TRUE(resolver.Resolve(maps, &explanation) == plain) << seed;
    const std::string text = ExplanationJson(graph, explanation, plain);
    EXPECT_TRUE(json::Document::Parse(text).ok()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryVersion, DifferentialTest,
                         testing::ValuesIn(AllRoomVersions().begin(),
                                           AllRoomVersions().end()),
                         [](const auto& version) {
                           return "V" + std::string(version.param->id);
                         });

}  // namespace
}  // namespace matrixcore
