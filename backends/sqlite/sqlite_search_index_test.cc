
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/search_conformance.h"
#include "sqlite/connection.h"
#include "sqlite/fault_vfs_test.h"
#include "sqlite/test_directory_test.h"

namespace matrixcore {
namespace {

class SqliteSearchFixture : public SearchFixture {
 public:
  SqliteSearchFixture() { Open(); }
  SearchIndex& index() override { return *index_; }
  bool Reopen() override {
    index_.reset();
    Open();
    return true;
  }
  bool Crash() override {
    const std::string copy = directory_.File("crashed.db");
    vfs_.CopyAsCrashed(path_, copy);
    path_ = copy;
    return Reopen();
  }

 private:
  void Open() {
    auto opened = OpenSqliteSearchIndex(path_);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    index_ = std::move(opened).value();
  }

  FaultVfs vfs_;
  TestDirectory directory_;
  std::string path_ = directory_.File("search.db");
  std::unique_ptr<SearchIndex> index_;
};

std::unique_ptr<SearchFixture> MakeSearch() {
  return std::make_unique<SqliteSearchFixture>();
}

MC_INSTANTIATE_CONFORMANCE(SqliteSearch, SearchChecks(), MakeSearch);

SearchChanges OneText(std::string text) {
  SearchDocument document;
  document.id = document.source = 1;
  document.group = 1;
  document.text = std::move(text);
  SearchChanges changes;
  changes.put = {document};
  changes.position = 5;
  return changes;
}

size_t Count(SearchIndex& index, std::string_view words) {
  SearchQuery query;
  query.terms = SearchTerms::Parse(words);
  query.groups = {1};
  const auto hits = index.Search(query);
  EXPECT_TRUE(hits.ok()) << hits.status().ToString();
  return hits.ok() ? hits->size() : 0;
}

TEST(SqliteSearchIndexTest, TheFileIsPrivate) {
  TestDirectory directory;
  const auto index = OpenSqliteSearchIndex(directory.File("search.db"));
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  struct stat info {};
  ASSERT_EQ(stat(directory.File("search.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(SqliteSearchIndexTest, IsNotOpenedTwice) {
  TestDirectory directory;
  const auto index = OpenSqliteSearchIndex(directory.File("search.db"));
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(OpenSqliteSearchIndex(directory.File("search.db")).status().code(),
            StatusCode::kUnavailable);
}

TEST(SqliteSearchIndexTest, AFileThatIsNoDatabaseIsReplaced) {
  TestDirectory directory;
  std::ofstream(directory.File("search.db"))
      << "this is not a database, but it is long enough to be looked at, "
         "and then some more to be sure of it, as files of SQLite are long.";
  const auto index = OpenSqliteSearchIndex(directory.File("search.db"));
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  EXPECT_EQ((*index)->Position().value(), 0);
  ASSERT_TRUE((*index)->Apply(OneText("hello")).ok());
  EXPECT_EQ(Count(**index, "hello"), 1u);
}

TEST(SqliteSearchIndexTest, AnIndexOfAnotherFormIsMadeAnew) {
  TestDirectory directory;
  {
    const auto index = OpenSqliteSearchIndex(directory.File("search.db"));
    ASSERT_TRUE((*index)->Apply(OneText("hello")).ok());
  }
  {
    const auto old = sqlite::Connection::Open(directory.File("search.db"), {});
    ASSERT_TRUE(old.ok()) << old.status().ToString();
    ASSERT_TRUE((*old)->Execute("PRAGMA user_version = 999").ok());
  }
  const auto index = OpenSqliteSearchIndex(directory.File("search.db"));
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  EXPECT_EQ((*index)->Position().value(), 0);
  EXPECT_EQ(Count(**index, "hello"), 0u);
}

}  // namespace
}  // namespace matrixcore
