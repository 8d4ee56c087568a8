#include "matrixcore/service/user_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/backends/memory.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Over rows that the tests write: the room floor is not needed.
class UserDirectoryServiceTest : public ::testing::Test {
 protected:
  UserDirectoryServiceTest() {
    Schema schema;
    schema.version = tables::kSchemaVersion;
    for (const auto& tables : {tables::RoomTables(), tables::AccountTables()}) {
      schema.tables.insert(schema.tables.end(), tables.begin(), tables.end());
    }
    store_ = NewMemoryStore(schema);
  }
  ~UserDirectoryServiceTest() override { store_->Close(); }

  void Commit(WriteBatch batch) {
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  void Index(const std::string& user, std::string_view name) {
    WriteBatch batch;
    UserDirectory::Index(batch, user, name);
    Commit(std::move(batch));
  }
  void Join(const std::string& user, int64_t room) {
    WriteBatch batch;
    batch.PutRow(tables::kMemberships,
                 {user, room, static_cast<int64_t>(Membership::kJoin),
                  int64_t{1}, int64_t{1}, int64_t{0}});
    Commit(std::move(batch));
  }
  std::vector<std::string> WordsOf(const std::string& user) {
    const auto snapshot = store_->NewSnapshot();
    const auto rows = (*snapshot)->Scan(
        {.table = &tables::kUserWords, .prefix = {Cell(user)}});
    std::vector<std::string> words;
    for (const Row& row : rows.value()) {
      words.emplace_back(CellText(row[tables::UserWords::kWord]));
    }
    return words;
  }
  UserDirectory::SearchResult Search(std::string_view term, size_t limit = 10) {
    UserDirectory directory({.store = *store_, .caches = caches_});
    Session session;
    session.user_id = "@me:x";
    return directory.Search(session, term, limit).value();
  }

  std::unique_ptr<Store> store_;
  CacheBudget budget_{16 << 20};
  RoomCaches caches_{budget_};
};

TEST_F(UserDirectoryServiceTest, UsersAreKnownUnderTheirWords) {
  Index("@ann.lee:x", "Dr. Ann O'Neill");
  EXPECT_THAT(WordsOf("@ann.lee:x"), ElementsAre("@ann.lee:x", "ann", "ann.lee",
                                                 "dr", "lee", "neill", "o"));
  Index("@ann.lee:x", "");
  EXPECT_THAT(WordsOf("@ann.lee:x"),
              ElementsAre("@ann.lee:x", "ann", "ann.lee", "lee"));
}

TEST_F(UserDirectoryServiceTest, ScriptsWithoutSpacesAreKnownByTheirParts) {
  Index("@a:x", "山田太郎");
  EXPECT_THAT(WordsOf("@a:x"), AllOf(Contains("山田太郎"), Contains("田太郎"),
                                     Contains("太郎"), Contains("郎")));
  Index("@a:x", "สมชาย");
  EXPECT_THAT(WordsOf("@a:x"), Contains("ชาย"));
  Index("@a:x", "Ωmega");
  EXPECT_THAT(WordsOf("@a:x"), AllOf(Contains("ωmega"), Not(Contains("mega"))));
}

TEST_F(UserDirectoryServiceTest, ALongNameCostsABoundedNumberOfRows) {
  std::string name;
  for (int i = 0; i < 500; ++i) name += "w" + std::to_string(i) + " ";
  Index("@a:x", name + std::string(5000, 'x'));
  EXPECT_LE(WordsOf("@a:x").size(), 70u);
  std::string long_word;
  for (int i = 0; i < 300; ++i) long_word += "山";
  Index("@a:x", long_word);
  EXPECT_LE(WordsOf("@a:x").size(), 70u);
}

TEST_F(UserDirectoryServiceTest, OnlyThoseWhoCanBeSeenAreGiven) {
  Join("@me:x", 1);
  for (const char* user : {"@ann1:x", "@ann2:x", "@ann3:x"}) Index(user, "");
  Join("@ann1:x", 1);
  Join("@ann2:x", 2);
  const auto found = Search("ann");
  ASSERT_THAT(found.users, SizeIs(1));
  EXPECT_EQ(found.users[0].user_id, "@ann1:x");
  EXPECT_FALSE(found.limited);
}

TEST_F(UserDirectoryServiceTest, TheLimitIsKeptAndTold) {
  Join("@me:x", 1);
  for (int i = 0; i < 20; ++i) {
    const std::string user = "@ann" + std::to_string(i) + ":x";
    Index(user, "");
    Join(user, 1);
  }
  EXPECT_THAT(Search("ann", 5).users, SizeIs(5));
  EXPECT_TRUE(Search("ann", 5).limited);
  EXPECT_THAT(Search("ann", 100).users, SizeIs(20));
  EXPECT_FALSE(Search("ann", 100).limited);
  EXPECT_THAT(Search("ann", 0).users, IsEmpty());
}

TEST_F(UserDirectoryServiceTest, TheAskerIsNotAmongTheFound) {
  Index("@me:x", "");
  Join("@me:x", 1);
  EXPECT_THAT(Search("me").users, IsEmpty());
}

}  // namespace
}  // namespace matrixcore
