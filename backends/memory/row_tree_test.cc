#include "memory/row_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "matrixcore/base/random.h"

namespace matrixcore::memory {
namespace {

const RowOrder kOrder{0};

RowRef MakeRow(int64_t key, std::string value) {
  return std::make_shared<const Row>(Row{key, std::move(value)});
}

using Model = std::map<int64_t, std::string>;

Model Contents(const RowTree& tree) {
  Model out;
  int64_t last = INT64_MIN;
  tree.Ascend([](const Row&) { return 0; },
              [&](const RowRef& row) {
                EXPECT_GT(CellInt((*row)[0]), last);
                last = CellInt((*row)[0]);
                out.emplace(last, CellText((*row)[1]));
                return true;
              });
  return out;
}

TEST(RowTreeTest, AgreesWithAMapAndLeavesCopiesAlone) {
  const auto random = NewSeededRandom(7);
  RowTree tree;
  Model model;
  std::vector<std::pair<RowTree, Model>> copies;
  for (int step = 0; step < 20'000; ++step) {
    const auto key = static_cast<int64_t>(random->Below(500));
    if (random->Below(2) == 0) {
      const std::string value = std::to_string(step);
      tree.Insert(MakeRow(key, value), kOrder);
      model[key] = value;
    } else if (model.erase(key) > 0) {
      tree.Erase(Row{key, {}}, kOrder);
    }
    if (step % 1000 == 0) copies.emplace_back(tree, model);
  }
  EXPECT_EQ(Contents(tree), model);
  for (const auto& [copy, expected] : copies) {
    EXPECT_EQ(Contents(copy), expected);
  }
}

TEST(RowTreeTest, StaysShallowWhenFilledInOrder) {
  RowTree tree;
  for (int64_t i = 0; i < 100'000; ++i) tree.Insert(MakeRow(i, ""), kOrder);
  int steps = 0;
  EXPECT_NE(tree.First([&steps](const Row& row) {
    ++steps;
    return CellInt(row[0]) < 77'777 ? -1 : CellInt(row[0]) > 77'777 ? 1 : 0;
  }),
            nullptr);
  EXPECT_LE(steps, 26);  // 1.44 * log2(100,000), and the row itself once more.
}

TEST(RowTreeTest, WalksRangesInBothDirections) {
  RowTree tree;
  for (const int64_t i : {5, 1, 9, 3, 7}) tree.Insert(MakeRow(i, ""), kOrder);
  const auto three_to_seven = [](const Row& row) {
    return CellInt(row[0]) < 3 ? -1 : CellInt(row[0]) > 7 ? 1 : 0;
  };
  std::vector<int64_t> seen;
  const auto note = [&seen](const RowRef& row) {
    seen.push_back(CellInt((*row)[0]));
    return true;
  };
  tree.Ascend(three_to_seven, note);
  tree.Descend(three_to_seven, note);
  EXPECT_EQ(seen, (std::vector<int64_t>{3, 5, 7, 7, 5, 3}));
}

TEST(RowTreeTest, StopsWhenTheVisitorHasEnough) {
  RowTree tree;
  for (const int64_t i : {1, 2, 3}) tree.Insert(MakeRow(i, ""), kOrder);
  int visits = 0;
  tree.Ascend([](const Row&) { return 0; },
              [&visits](const RowRef&) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
}

}  // namespace
}  // namespace matrixcore::memory
