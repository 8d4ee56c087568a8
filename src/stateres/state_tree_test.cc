#include "matrixcore/stateres/state_tree.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"

namespace matrixcore {
namespace {

using Reference = std::map<KeyIdx, EventIdx>;

// What the C library has given out, in bytes; 0 where that is not known.
size_t AllocatedBytes() {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

Reference Contents(const StateTree& map) {
  Reference contents;
  map.ForEach([&](KeyIdx key, EventIdx event) { contents[key] = event; });
  return contents;
}

TEST(StateTreeTest, StartsEmpty) {
  const StateTree map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.Get(0), kNoIndex);
  EXPECT_EQ(map.Get(kNoIndex), kNoIndex);
  EXPECT_EQ(Contents(map), Reference{});
}

TEST(StateTreeTest, SetsReplacesAndRemoves) {
  StateTree map;
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

TEST(StateTreeTest, HoldsTheLargestKey) {
  StateTree map;
  map.Set(0, 1);
  map.Set(kNoIndex - 1, 2);
  EXPECT_EQ(Contents(map), (Reference{{0, 1}, {kNoIndex - 1, 2}}));
}

TEST(StateTreeTest, CopiesAreIndependent) {
  StateTree a;
  for (KeyIdx key = 0; key < 1000; ++key) a.Set(key, key + 1);
  StateTree b = a;
  b.Set(500, 7);
  b.Set(2000, 8);
  EXPECT_EQ(a.Get(500), 501u);
  EXPECT_EQ(a.Get(2000), kNoIndex);
  EXPECT_EQ(a.size(), 1000u);
  EXPECT_EQ(b.size(), 1001u);
  a = std::move(b);
  EXPECT_EQ(a.Get(500), 7u);
  const StateTree& self = a;
  a = self;
  EXPECT_EQ(a.Get(500), 7u);
}

TEST(StateTreeTest, DiffListsWhatDiffers) {
  StateTree a;
  for (KeyIdx key = 0; key < 300; ++key) a.Set(key, 1);
  StateTree b = a;
  b.Set(10, 2);
  b.Set(20, kNoIndex);
  b.Set(100000, 3);
  std::map<KeyIdx, std::pair<EventIdx, EventIdx>> diff;
  StateTree::Diff(a, b, [&](KeyIdx key, EventIdx x, EventIdx y) {
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

TEST(StateTreeTest, AgreesWithAnOrdinaryMap) {
  const auto random = NewSeededRandom(3);
  std::vector<std::pair<StateTree, Reference>> versions(1);
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

TEST(StateTreeTest, AppliesManyChangesAtOnce) {
  StateTree map;
  map.Apply(std::vector<StateTree::Change>{{1, 10}, {9, 11}, {4000, 12}});
  StateTree copy = map;
  copy.Apply(std::vector<StateTree::Change>{{1, kNoIndex}, {2, 5}, {70000, 6}});
  EXPECT_EQ(Contents(map), (Reference{{1, 10}, {9, 11}, {4000, 12}}));
  EXPECT_EQ(Contents(copy),
            (Reference{{2, 5}, {9, 11}, {4000, 12}, {70000, 6}}));
  EXPECT_EQ(copy.size(), 4u);
}

TEST(StateTreeTest, ClearedMapsShareTheMemory) {
  StateTree map;
  for (KeyIdx key = 0; key < 1000; ++key) map.Set(key, key);
  StateTree other = map.Cleared();
  EXPECT_TRUE(other.empty());
  other.Set(3, 4);
  EXPECT_EQ(Contents(other), (Reference{{3, 4}}));
  EXPECT_EQ(map.Get(3), 3u);
  EXPECT_EQ(other.SharedBytes(), map.SharedBytes());
}

// What is given up is used again.
TEST(StateTreeTest, DoesNotGrowWhileOldCopiesGo) {
  StateTree map;
  for (KeyIdx key = 0; key < 1000; ++key) map.Set(key, key);
  size_t bytes = 0;
  StateTree before;
  for (EventIdx event = 0; event < 20'000; ++event) {
    before = map;
    map.Set(event * 7 % 1000, 1000 + event);
    if (event == 100) bytes = map.SharedBytes();
  }
  EXPECT_EQ(map.SharedBytes(), bytes);
  EXPECT_LT(map.UsedBytes(), size_t{1000 * 36});
}

// The states of a large room, as design and documents promise: 50,000 state
// events, 11,500 keys of which most are members.
TEST(StateTreeTest, KeepsFiftyThousandStatesInTenMegabytes) {
  const auto random = NewSeededRandom(1);
  std::vector<StateTree> states;
  states.reserve(50'000);
  const size_t before = AllocatedBytes();
  StateTree state;
  for (EventIdx event = 0; event < 50'000; ++event) {
    // The room grows to its size in the first half of its life.
    const uint64_t keys = std::min<uint64_t>(11'500, 20 + event / 2);
    state.Set(static_cast<KeyIdx>(random->Below(keys)), event);
    states.push_back(state);
  }
  const size_t allocated = AllocatedBytes() - before;
  EXPECT_LT(allocated, size_t{10'500'000});
  EXPECT_LT(state.SharedBytes(), size_t{10'500'000});
  EXPECT_EQ(states[49'999], state);
}

TEST(StateTreeTest, ThreadsMayWorkOnCopies) {
  StateTree shared;
  for (KeyIdx key = 0; key < 500; ++key) shared.Set(key, 1);
  std::vector<std::thread> threads;
  for (uint32_t number = 1; number <= 4; ++number) {
    threads.emplace_back([copy = shared, number]() mutable {
      for (EventIdx event = 0; event < 2000; ++event) {
        const StateTree old = copy;
        copy.Set(event % 500, number * 10'000 + event);
        EXPECT_EQ(copy.Get(event % 500), number * 10'000 + event);
        EXPECT_NE(old.Get(event % 500), copy.Get(event % 500));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  shared.ForEach([](KeyIdx, EventIdx event) { EXPECT_EQ(event, 1u); });
}

}  // namespace
}  // namespace matrixcore
