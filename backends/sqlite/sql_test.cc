#include "sqlite/sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "matrixcore/testing/store_conformance.h"

namespace matrixcore::sqlite {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Closer {
  void operator()(sqlite3* handle) const { sqlite3_close(handle); }
};

class SqlTest : public ::testing::Test {
 protected:
  SqlTest() {
    sqlite3* handle = nullptr;
    EXPECT_EQ(sqlite3_open(":memory:", &handle), SQLITE_OK);
    database_.reset(handle);
    for (const TableSpec& table : ConformanceSchema().tables) {
      Run(CreateTableSql(table));
      for (uint32_t i = 0; i < table.indexes.size(); ++i) {
        Run(CreateIndexSql(table, i));
      }
    }
    // Statistics that mislead must not matter.
    Run("ANALYZE");
    for (const char* sql :
         {"INSERT INTO sqlite_stat1 VALUES ('pairs', 'pairs.value', "
          "'1000000 1')",
          "INSERT INTO sqlite_stat1 VALUES ('documents', 'documents.mark', "
          "'1000000 1')"}) {
      Run(sql);
    }
    Run("ANALYZE sqlite_schema");
  }

  // The first column named `column` of all rows, joined by "; ".
  std::string Run(const std::string& sql, const std::string& column = "") {
    std::string out;
    struct Context {
      std::string& out;
      const std::string& column;
    } context{out, column};
    char* error = nullptr;
    sqlite3_exec(
        database_.get(), sql.c_str(),
        [](void* data, int count, char** values, char** names) {
          auto* c = static_cast<Context*>(data);
          for (int i = 0; i < count; ++i) {
            if (c->column == names[i]) {
              if (!c->out.empty()) c->out += "; ";
              c->out += values[i];
            }
          }
          return 0;
        },
        &context, &error);
    if (error != nullptr) {
      ADD_FAILURE() << sql << ": " << error;
      sqlite3_free(error);
    }
    return out;
  }

  std::string Plan(const std::string& sql) {
    return Run("EXPLAIN QUERY PLAN " + sql, "detail");
  }

  const Catalog catalog_{ConformanceSchema()};

 private:
  std::unique_ptr<sqlite3, Closer> database_;
};

TEST_F(SqlTest, MakesRealTables) {
  const auto& tables = ConformanceSchema().tables;
  EXPECT_EQ(CreateTableSql(tables[0]),
            "CREATE TABLE \"numbers\" (\"id\" INTEGER NOT NULL, \"amount\" "
            "INTEGER NOT NULL, \"label\" TEXT, \"weight\" INTEGER, PRIMARY KEY "
            "(\"id\")) STRICT");
  EXPECT_THAT(CreateTableSql(tables[1]), HasSubstr("WITHOUT ROWID, STRICT"));
  EXPECT_THAT(CreateTableSql(tables[2]), Not(HasSubstr("WITHOUT ROWID")));
  EXPECT_EQ(CreateIndexSql(tables[1], 0),
            "CREATE INDEX \"pairs.value\" ON \"pairs\" (\"value\")");
  EXPECT_EQ(CreateIndexSql(tables[2], 0),
            "CREATE INDEX \"documents.mark\" ON \"documents\" (\"mark\", "
            "\"room\", \"name\")");
  EXPECT_EQ(CreateIndexSql(tables[2], 1),
            "CREATE UNIQUE INDEX \"documents.tag\" ON \"documents\" (\"tag\")");
}

// Every scan walks its own index, in order, without sorting.
TEST_F(SqlTest, EveryScanWalksItsOwnIndex) {
  for (const Catalog::Table& table : catalog_.tables()) {
    for (uint32_t order = 0; order < table.orders.size(); ++order) {
      const auto columns = static_cast<uint32_t>(table.orders[order].size());
      for (uint32_t prefix = 0; prefix <= columns; ++prefix) {
        for (int bounds = 0; bounds < 4; ++bounds) {
          if (bounds > 0 && prefix == columns) continue;
          ScanShape shape{
              .table = table.number, .order = order, .prefix = prefix};
          if ((bounds & 1) != 0) shape.from = ScanShape::kExclusive;
          if ((bounds & 2) != 0) shape.to = ScanShape::kInclusive;
          shape.descending = bounds == 2;
          const std::string sql = ScanSql(table, shape);
          const std::string plan = Plan(sql);
          // Of large rows, a unique index is sorted by the key only among
          // equal entries, which are nulls.
          const bool unique =
              order > 0 && table.spec->indexes[order - 1].unique;
          if (LayoutOf(*table.spec) != TableLayout::kLargeRows || !unique) {
            EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
          }
          if (order > 0) {
            EXPECT_THAT(
                plan,
                HasSubstr(std::string(table.spec->name) + "." +
                          std::string(table.spec->indexes[order - 1].name)))
                << sql;
          }
          if (prefix > 0) {
            EXPECT_THAT(plan, HasSubstr("SEARCH")) << sql;
          }
        }
      }
    }
  }
}

TEST_F(SqlTest, EveryOtherStatementSearchesByTheKey) {
  for (const Catalog::Table& table : catalog_.tables()) {
    const TableSpec& spec = *table.spec;
    std::vector<std::string> statements = {GetSql(spec), ExistsSql(spec),
                                           GetColumnSql(spec, 0)};
    for (uint32_t i = 1; i <= spec.key_columns; ++i) {
      statements.push_back(DeleteSql(spec, i));
    }
    for (const std::string& sql : statements) {
      const std::string plan = Plan(sql);
      EXPECT_THAT(plan, HasSubstr("SEARCH")) << sql;
      EXPECT_THAT(plan, ::testing::AnyOf(HasSubstr("PRIMARY KEY"),
                                         HasSubstr("autoindex")))
          << sql;
    }
    Plan(InsertSql(spec));
    Plan(PutSql(spec));
  }
}

TEST_F(SqlTest, PutReplacesOnlyTheRowOfTheSameKey) {
  const auto& tables = ConformanceSchema().tables;
  EXPECT_THAT(PutSql(tables[0]), HasSubstr("ON CONFLICT (\"id\") DO UPDATE"));
  EXPECT_THAT(PutSql(tables[3]), HasSubstr("INSERT OR REPLACE"));
}

}  // namespace
}  // namespace matrixcore::sqlite
