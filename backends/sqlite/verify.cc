#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/store/catalog.h"
#include "sqlite/connection.h"
#include "sqlite/file_info.h"
#include "sqlite/measure.h"
#include "sqlite/migrate.h"
#include "sqlite/sql.h"

namespace matrixcore {
namespace sqlite {
namespace {

constexpr size_t kMostProblems = 100;

// One statement that looks for damage, and how many bytes it reads.
struct Check {
  std::string sql;
  uint64_t weight = 0;
};

// First the structure of the whole file, then each table with its indexes, row
// by row.  `on_page` hears of pages that are read to find out how large a table
// is.
Result<std::vector<Check>> Plan(
    Connection& connection, const SqliteFileInfo& file,
    const std::function<void(uint64_t bytes)>& on_page) {
  std::vector<Check> checks = {
      {fmt::format("PRAGMA quick_check({})", kMostProblems), file.bytes}};
  MC_ASSIGN_OR_RETURN(const std::vector<Tree> trees, ListTrees(connection));
  for (const Tree& tree : trees) {
    uint64_t bytes = file.bytes / trees.size();
    if (CanMeasure()) {
      const Result<SqliteTreeInfo> info =
          MeasureTree(connection, tree, on_page);
      // Damage is for the checks to find.
      if (info.ok()) bytes = info->bytes;
    }
    if (tree.is_index) {
      checks.back().weight += bytes;
    } else if (tree.name != "sqlite_schema") {
      checks.push_back(
          {fmt::format("PRAGMA integrity_check({})", Quote(tree.table)),
           bytes});
    }
  }
  return checks;
}

void Run(Connection& connection, const Check& check,
         std::vector<std::string>& problems) {
  const auto note = [&problems](std::string_view problem) {
    if (problems.size() < kMostProblems &&
        std::find(problems.begin(), problems.end(), problem) ==
            problems.end()) {
      problems.emplace_back(problem);
    }
  };
  Result<Statement> statement = connection.Prepare(check.sql);
  if (!statement.ok()) return note(statement.status().message());
  int code = statement->Step();
  for (; code == SQLITE_ROW; code = statement->Step()) {
    std::string_view answer = statement->Bytes(0);
    while (!answer.empty()) {
      const std::string_view line = answer.substr(0, answer.find('\n'));
      answer.remove_prefix(std::min(line.size() + 1, answer.size()));
      // Several problems of one tree come below a title.
      if (line != "ok" && !line.starts_with("***")) note(line);
    }
  }
  if (code != SQLITE_DONE) note(connection.Error(code).message());
}

}  // namespace
}  // namespace sqlite

Result<std::vector<std::string>> VerifySqlite(const std::string& path,
                                              const Schema& schema,
                                              const SqliteProgress& progress) {
  using namespace sqlite;
  MC_RETURN_IF_ERROR(ValidateSchema(schema));
  MC_ASSIGN_OR_RETURN(const auto connection, OpenUntouched(path));
  MC_RETURN_IF_ERROR(CheckTables(*connection, schema));
  MC_RETURN_IF_ERROR(connection->Execute("BEGIN"));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo file, ReadFileInfo(*connection));
  // To measure, the structure, the rows.
  const uint64_t total = 3 * file.bytes;
  uint64_t done = 0;
  const auto report = [&](uint64_t bytes) {
    done += bytes;
    if (progress) progress(std::min(done, total), total);
  };
  MC_ASSIGN_OR_RETURN(const std::vector<Check> checks,
                      Plan(*connection, file, report));
  std::vector<std::string> problems;
  for (const Check& check : checks) {
    Run(*connection, check, problems);
    report(check.weight);
  }
  report(total);
  return problems;
}

}  // namespace matrixcore
