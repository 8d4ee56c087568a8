#include "matrixcore/stateres/state_map.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"

namespace matrixcore {
namespace {

using Reference = std::map<KeyIdx, EventIdx>;

Reference Contents(const StateMap& map) {
  Reference contents;
  map.ForEach([&](KeyIdx key, EventIdx event) { contents[key] = event; });
  return contents;
}

TEST(StateMapTest, StartsEmpty) {
  const StateMap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.Get(0), kNoIndex);
  EXPECT_EQ(map.Get(kNoIndex), kNoIndex);
  EXPECT_EQ(Contents(map), Reference{});
}

TEST(StateMapTest, SetsReplacesAndRemoves) {
  StateMap map;
  map.Set(5, 50);
  map.Set(70000, 7);
  map.Set(5, 51);
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(map.Get(5), 51u);
  EXPECT_EQ(map.Get(70000), 7u);
  EXPECT_EQ(map.Get(6), kNoIndex);
  EXPECT_EQ(map.Get(4000000000u), kNoIndex);
  map.Set(5, kNoIndex);
  map.Set(6, kNoIndex);
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(Contents(map), (Reference{{70000, 7}}));
}

TEST(StateMapTest, HoldsTheLargestKey) {
  StateMap map;
  map.Set(0, 1);
  map.Set(kNoIndex - 1, 2);
  EXPECT_EQ(Contents(map), (Reference{{0, 1}, {kNoIndex - 1, 2}}));
}

TEST(StateMapTest, CopiesAreIndependent) {
  StateMap a;
  for (KeyIdx key = 0; key < 1000; ++key) a.Set(key, key + 1);
  StateMap b = a;
  b.Set(500, 7);
  b.Set(2000, 8);
  EXPECT_EQ(a.Get(500), 501u);
  EXPECT_EQ(a.Get(2000), kNoIndex);
  EXPECT_EQ(a.size(), 1000u);
  EXPECT_EQ(b.size(), 1001u);
  a = std::move(b);
  EXPECT_EQ(a.Get(500), 7u);
  const StateMap& self = a;
  a = self;
  EXPECT_EQ(a.Get(500), 7u);
}

TEST(StateMapTest, DiffListsWhatDiffers) {
  StateMap a;
  for (KeyIdx key = 0; key < 300; ++key) a.Set(key, 1);
  StateMap b = a;
  b.Set(10, 2);
  b.Set(20, kNoIndex);
  b.Set(100000, 3);
  std::map<KeyIdx, std::pair<EventIdx, EventIdx>> diff;
  StateMap::Diff(a, b, [&](KeyIdx key, EventIdx x, EventIdx y) {
    diff[key] = {x, y};
  });
  EXPECT_EQ(diff,
            (std::map<KeyIdx, std::pair<EventIdx, EventIdx>>{
                {10, {1, 2}}, {20, {1, kNoIndex}}, {100000, {kNoIndex, 3}}}));
  EXPECT_FALSE(a == b);
  b.Set(10, 1);
  b.Set(20, 1);
  b.Set(100000, kNoIndex);
  EXPECT_TRUE(a == b);  // Though b has become higher.
}

TEST(StateMapTest, AgreesWithAnOrdinaryMap) {
  const auto random = NewSeededRandom(3);
  std::vector<std::pair<StateMap, Reference>> versions(1);
  for (int step = 0; step < 4000; ++step) {
    auto [map, reference] = versions[random->Below(versions.size())];
    for (uint64_t changes = 1 + random->Below(3); changes > 0; --changes) {
      const auto key = static_cast<KeyIdx>(
          random->Below(random->Below(5) == 0 ? 100000 : 40));
      if (random->Below(4) == 0) {
        map.Set(key, kNoIndex);
        reference.erase(key);
      } else {
        const auto event = static_cast<EventIdx>(random->Below(5));
        map.Set(key, event);
        reference[key] = event;
      }
    }
    ASSERT_EQ(Contents(map), reference);
    ASSERT_EQ(map.size(), reference.size());
    const auto& other = versions[random->Below(versions.size())];
    ASSERT_EQ(map == other.first, reference == other.second);
    if (versions.size() < 30) {
      versions.emplace_back(map, reference);
    } else {
      versions[random->Below(versions.size())] = {map, reference};
    }
  }
}

}  // namespace
}  // namespace matrixcore
