// The tables of each version of the database are frozen: files with them exist.
// version<N>.txt is what version N was; MatrixSchema() must still say so, and
// today's program must open a database of every one of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/service/consistency.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/testing/store_conformance.h"
#include "matrixcore/testing/temporary_directory.h"
#include "schema/schema_text.h"

namespace matrixcore {
namespace {

constexpr std::string_view kWhatToDo = R"(
Databases of this version exist, so it cannot change any more.  To add tables,
columns or indexes:
  1. raise the version that MatrixSchema() gives (src/api/homeserver.cc) by one,
     once for each release;
  2. give a new table `.since`, a new column an entry in `.added_columns`, a new
     index one in `.added_indexes`, with that version; nothing may be removed or
     renamed, and a new unique index needs a new nullable column;
  3. put what the new version is beside this test:
       cp {} {}/version{}.txt
docs/writing-a-backend.md, "Schemas grow", says what old rows get.
)";

std::string GoldenPath(uint32_t version) {
  return fmt::format("{}/version{}.txt", MC_SCHEMA_DIR, version);
}

// "" when there is none.
std::string Golden(uint32_t version) {
  std::ifstream in(GoldenPath(version));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Every version so far.
class SchemaVersionTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(SchemaVersionTest, IsFrozen) {
  const uint32_t version = GetParam();
  const std::string now = SchemaText(EarlierSchema(MatrixSchema(), version));
  const std::string path = fmt::format("schema-version{}.txt", version);
  std::ofstream(path) << now;
  EXPECT_EQ(now, Golden(version))
      << fmt::format(fmt::runtime(kWhatToDo), path, MC_SCHEMA_DIR, version);
}

class SqliteFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return OpenSqliteStore(directory_.File("store.db"), schema);
  }
  bool durable() const override { return true; }

 private:
  const TemporaryDirectory directory_;
};

// What a database of that version holds is in it when today's program has
// opened it, and every table and index can be used.
TEST_P(SchemaVersionTest, IsOpenedByTodaysProgramWithAllItsRows) {
  SqliteFixture fixture;
  Findings findings;
  CheckMigration(fixture, MatrixSchema(), GetParam(), findings);
  for (const std::string& finding : findings.list()) ADD_FAILURE() << finding;
}

// The same from the text, which knows nothing of today's tables.
TEST_P(SchemaVersionTest, AFileMadeFromItsTextIsBroughtUpToDate) {
  const auto parsed = ParseSchemaText(Golden(GetParam()));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  EXPECT_EQ(ValidateSchema(parsed->schema), OkStatus());
  EXPECT_EQ(SchemaText(parsed->schema), Golden(GetParam()));
  SqliteFixture fixture;
  {
    const auto old = fixture.Open(parsed->schema);
    ASSERT_TRUE(old.ok()) << old.status().ToString();
  }
  // Opening checks every column and index against what a new file has.
  const auto migrated = fixture.Open(MatrixSchema());
  ASSERT_TRUE(migrated.ok()) << migrated.status().ToString();
  const auto fresh = NewMemoryStore(MatrixSchema());
  const auto old_snapshot = (*migrated)->NewSnapshot();
  const auto new_snapshot = fresh->NewSnapshot();
  for (const TableSpec& table : MatrixSchema().tables) {
    for (uint32_t i = 0; i <= table.indexes.size(); ++i) {
      ScanSpec scan{.table = &table};
      if (i > 0) scan.index = i - 1;
      EXPECT_EQ((*old_snapshot)->Scan(scan).value(),
                (*new_snapshot)->Scan(scan).value())
          << table.name;
    }
  }
}

// A backup of it is verified as what it is, and restored as today's.
TEST_P(SchemaVersionTest, IsVerifiedBackedUpAndRestored) {
  const auto parsed = ParseSchemaText(Golden(GetParam()));
  ASSERT_TRUE(parsed.ok()) << parsed.status().ToString();
  const TemporaryDirectory directory;
  const std::string path = directory.File("store.db");
  const std::string copy = directory.File("copy.db");
  const std::string again = directory.File("again.db");
  {
    const auto old = OpenSqliteStore(path, parsed->schema);
    ASSERT_TRUE(old.ok()) << old.status().ToString();
  }
  const Schema earlier = EarlierSchema(MatrixSchema(), GetParam());
  const auto copied = BackUpSqlite(path, copy);
  ASSERT_TRUE(copied.ok()) << copied.status().ToString();
  EXPECT_EQ(copied->schema_version, GetParam());
  for (const std::string& file : {path, copy}) {
    const auto problems = VerifySqlite(file, earlier);
    ASSERT_TRUE(problems.ok()) << problems.status().ToString();
    EXPECT_THAT(*problems, ::testing::IsEmpty());
    const auto store = OpenSqliteStoreReadOnly(file, earlier);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    const auto snapshot = (*store)->NewSnapshot();
    EXPECT_THAT(FindInconsistencies(**snapshot, GetParam(), nullptr).value(),
                ::testing::IsEmpty());
  }
  const auto restored = RestoreSqlite(copy, again, MatrixSchema(), {});
  ASSERT_TRUE(restored.ok()) << restored.status().ToString();
  EXPECT_EQ(InspectSqlite(again)->schema_version, MatrixSchema().version);
  EXPECT_THAT(VerifySqlite(again, MatrixSchema()).value(),
              ::testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(, SchemaVersionTest,
                         ::testing::Range(uint32_t{1},
                                          MatrixSchema().version + 1),
                         [](const auto& version) {
                           return fmt::format("V{}", version.param);
                         });

TEST(SchemaTest, HasATextForEveryVersionAndNoMore) {
  EXPECT_NE(Golden(MatrixSchema().version), "");
  EXPECT_EQ(Golden(MatrixSchema().version + 1), "");
}

TEST(SchemaTextTest, NamesTheLineThatIsWrong) {
  EXPECT_EQ(ParseSchemaText("version 1\ntable a key 1\n  colum b int64\n")
                .status()
                .message(),
            "line 3:   colum b int64");
}

TEST(SchemaTextTest, TellsEverythingOfATable) {
  const TableSpec table{.name = "a",
                        .columns = {{"id", ColumnType::kInt64},
                                    {"text", ColumnType::kText, true},
                                    {"blob", ColumnType::kBlob}},
                        .key_columns = 1,
                        .indexes = {{"both", {1, 2}}, {"one", {1}, true}},
                        .large_rows = true};
  EXPECT_EQ(SchemaText({{table}, 3}),
            "version 3\n"
            "table a key 1 large_rows\n"
            "  column id int64\n"
            "  column text text nullable\n"
            "  column blob blob\n"
            "  index both: text blob\n"
            "  index one unique: text\n");
}

}  // namespace
}  // namespace matrixcore
