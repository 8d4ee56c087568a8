#include "matrixcore/service/search_follower.h"

#include <gmock/gmock.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

// An index that fails when told.
class FlakyIndex final : public SearchIndex {
 public:
  Result<int64_t> Position() override { return index_->Position(); }
  Status Apply(const SearchChanges& changes) override {
    if (fails) return Status(StatusCode::kUnavailable, "told to fail");
    ++applied;
    return index_->Apply(changes);
  }
  Result<std::vector<int64_t>> FromSource(int64_t source) override {
    return index_->FromSource(source);
  }
  Result<std::vector<SearchHit>> Search(const SearchQuery& query) override {
    return index_->Search(query);
  }
  Status Clear() override { return index_->Clear(); }
  void Close() override { index_->Close(); }

  bool fails = false;
  int applied = 0;

 private:
  std::unique_ptr<SearchIndex> index_ = NewMemorySearchIndex();
};

class SearchFollowerTest : public ::testing::Test {
 protected:
  std::unique_ptr<SearchFollower> Follow() {
    return std::make_unique<SearchFollower>(
        SearchFollower::Deps{.store = *world_.store,
                             .caches = world_.caches,
                             .index = index_,
                             .background = background_,
                             .timers = world_.timers,
                             .clock = world_.clock,
                             .log = *world_.log,
                             .metrics = *world_.metrics});
  }
  // Lets the delay pass and the background work.
  void Later() {
    world_.timers.Advance(SearchFollower::kDelay);
    background_.RunAll();
  }
  // How many texts of the room match.
  size_t Count(std::string_view words) {
    SearchQuery query;
    query.terms = SearchTerms::Parse(words);
    auto snapshot = world_.store->NewSnapshot().value();
    RoomReader reader(*snapshot, world_.caches);
    query.groups = {reader.Head(room_).value()->nid};
    query.limit = 10'000;
    return index_.Search(query).value().size();
  }

  SyncWorld world_;
  FlakyIndex index_;
  ManualExecutor background_;
  std::string room_ = world_.MakeRoom(kAlice);
};

TEST_F(SearchFollowerTest, FollowsBehindTheCommitNotWithIt) {
  const auto follower = Follow();
  world_.Say(room_, kAlice, "hello");
  follower->Wake();
  follower->Wake();
  EXPECT_EQ(background_.queued(), 0u);
  EXPECT_EQ(Count("hello"), 0u);
  Later();
  EXPECT_EQ(Count("hello"), 1u);
  EXPECT_EQ(index_.applied, 1) << "two wake-ups are one piece of work";
}

TEST_F(SearchFollowerTest, GoesOnInPiecesWhereTheIndexStands) {
  for (int i = 0; i < 1203; ++i) world_.Say(room_, kAlice, "word");
  {
    const auto follower = Follow();
    follower->Wake();
    world_.timers.Advance(SearchFollower::kDelay);
    // One piece, and then it stops: as if the server had died.
    ASSERT_EQ(background_.queued(), 1u);
    background_.RunAll();
  }
  const size_t first = Count("word");
  EXPECT_GT(first, 0u);
  EXPECT_LT(first, 1203u);
  const auto follower = Follow();
  follower->Wake();
  for (int i = 0; i < 13; ++i) Later();
  EXPECT_EQ(Count("word"), 1203u);
}

TEST_F(SearchFollowerTest, CatchesUpOnRequestWithinABound) {
  for (int i = 0; i < 30; ++i) world_.Say(room_, kAlice, "word");
  const auto follower = Follow();
  ASSERT_TRUE(follower->CatchUp(14).ok());
  EXPECT_EQ(Count("word"), 10u) << "four events make the room";
  ASSERT_TRUE(follower->CatchUp(1000).ok());
  EXPECT_EQ(Count("word"), 30u);
}

TEST_F(SearchFollowerTest, AFailingIndexIsTriedAgain) {
  const auto follower = Follow();
  world_.Say(room_, kAlice, "hello");
  index_.fails = true;
  follower->Wake();
  Later();
  EXPECT_FALSE(follower->CatchUp(10).ok());
  EXPECT_EQ(Count("hello"), 0u);
  index_.fails = false;
  follower->Wake();
  Later();
  EXPECT_EQ(Count("hello"), 1u);
}

TEST_F(SearchFollowerTest, AStoreThatWasSetBackIsIndexedAnew) {
  world_.Say(room_, kAlice, "hello");
  SearchChanges future;
  future.put.push_back({.id = 1'000'000, .group = 1, .text = "lost"});
  future.position = 1'000'000;
  ASSERT_TRUE(index_.Apply(future).ok());
  const auto follower = Follow();
  ASSERT_TRUE(follower->CatchUp(100).ok());
  EXPECT_EQ(Count("hello"), 1u);
  EXPECT_EQ(index_.Position().value(), world_.store->LastPosition());
}

TEST_F(SearchFollowerTest, DoesNothingAfterShutdown) {
  const auto follower = Follow();
  follower->Wake();
  follower->Shutdown();
  follower->Wake();
  Later();
  EXPECT_EQ(index_.applied, 0);
}

}  // namespace
}  // namespace matrixcore
