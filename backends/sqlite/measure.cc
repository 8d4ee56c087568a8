#include "sqlite/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "matrixcore/store/catalog.h"
#include "sqlite/file_info.h"
#include "sqlite/sql.h"

namespace matrixcore {
namespace sqlite {
namespace {

// SQLite's own index of a key that is not the row id.
constexpr std::string_view kKeyIndex = "sqlite_autoindex_";

std::string IndexName(const Tree& tree) {
  if (!tree.is_index) return "";
  if (tree.name.starts_with(kKeyIndex)) return "key";
  // We call them "table.index".
  const std::string prefix = tree.table + ".";
  return tree.name.starts_with(prefix) ? tree.name.substr(prefix.size())
                                       : tree.name;
}

}  // namespace

Result<std::vector<Tree>> ListTrees(Connection& connection) {
  MC_ASSIGN_OR_RETURN(
      Statement list,
      connection.Prepare(
          "SELECT s.name, s.tbl_name, s.type='index', "
          "coalesce(t.wr, 0) FROM sqlite_schema s "
          "LEFT JOIN pragma_table_list t ON t.schema='main' AND t.name=s.name "
          "WHERE s.rootpage > 0 "
          "UNION ALL SELECT 'sqlite_schema', 'sqlite_schema', 0, 0 "
          "ORDER BY 2, 3, 1"));
  std::vector<Tree> trees;
  int code = list.Step();
  for (; code == SQLITE_ROW; code = list.Step()) {
    trees.push_back({.name = std::string(list.Bytes(0)),
                     .table = std::string(list.Bytes(1)),
                     .is_index = list.Int(2) != 0,
                     .without_rowid = list.Int(3) != 0});
  }
  if (code != SQLITE_DONE) return connection.Error(code);
  return trees;
}

bool CanMeasure() {
  return sqlite3_compileoption_used("ENABLE_DBSTAT_VTAB") != 0;
}

Result<SqliteTreeInfo> MeasureTree(
    Connection& connection, const Tree& tree,
    const std::function<void(uint64_t bytes)>& on_page) {
  SqliteTreeInfo info{.table = tree.table, .index = IndexName(tree)};
  MC_ASSIGN_OR_RETURN(
      Statement pages,
      connection.Prepare("SELECT pgsize, unused, ncell, pagetype='leaf' "
                         "FROM dbstat WHERE name=?"));
  const Cell name(tree.name);  // Bound without a copy.
  pages.Bind(1, name);
  int code = pages.Step();
  for (; code == SQLITE_ROW; code = pages.Step()) {
    const auto bytes = static_cast<uint64_t>(pages.Int(0));
    info.bytes += bytes;
    info.unused_bytes += static_cast<uint64_t>(pages.Int(1));
    const bool leaf = pages.Int(3) != 0;
    if (leaf || tree.is_index || tree.without_rowid) {
      info.entries += static_cast<uint64_t>(pages.Int(2));
    }
    on_page(bytes);
  }
  if (code != SQLITE_DONE) return connection.Error(code);
  return info;
}

namespace {

// Keeps the `most` largest groups by one measure.
class Largest {
 public:
  using Measure = uint64_t SqliteGroupInfo::*;
  Largest(size_t most, Measure measure) : most_(most), measure_(measure) {}

  void Add(const SqliteGroupInfo& group) {
    if (groups_.size() == most_ &&
        (most_ == 0 || groups_.begin()->first >= group.*measure_)) {
      return;
    }
    groups_.emplace(group.*measure_, group);
    if (groups_.size() > most_) groups_.erase(groups_.begin());
  }
  const std::multimap<uint64_t, SqliteGroupInfo>& groups() const {
    return groups_;
  }

 private:
  const size_t most_;
  const Measure measure_;
  std::multimap<uint64_t, SqliteGroupInfo> groups_;
};

// The bytes of the texts and blobs of a row.
std::string RowBytesSql(const TableSpec& table) {
  std::string sql = "0";
  for (const ColumnSpec& column : table.columns) {
    if (column.type == ColumnType::kInt64) continue;
    sql +=
        fmt::format("+ifnull(length(CAST({} AS BLOB)),0)", Quote(column.name));
  }
  return sql;
}

struct CellLess {
  bool operator()(const Cell& a, const Cell& b) const {
    return CompareCells(a, b) < 0;
  }
};
using Groups = std::map<Cell, SqliteGroupInfo, CellLess>;

// In the order in which the rows lie in the file.
Result<Groups> ReadGroups(Connection& connection, const TableSpec& table,
                          uint64_t total, const SqliteProgress& progress) {
  MC_ASSIGN_OR_RETURN(
      Statement rows,
      connection.Prepare(fmt::format("SELECT {}, {} FROM {} NOT INDEXED",
                                     Quote(table.columns[0].name),
                                     RowBytesSql(table), Quote(table.name))));
  Groups groups;
  auto group = groups.end();
  uint64_t done = 0;
  int code = rows.Step();
  for (; code == SQLITE_ROW; code = rows.Step()) {
    // Neighbours are mostly of one group.
    if (group == groups.end() || !rows.Equals(0, group->first)) {
      Cell key;
      if (!rows.Read(0, table.columns[0], key)) {
        return connection.Error(SQLITE_CORRUPT);
      }
      group = groups.try_emplace(key, SqliteGroupInfo{.key = key}).first;
    }
    ++group->second.rows;
    group->second.bytes += static_cast<uint64_t>(rows.Int(1));
    if (progress) progress(++done, total);
  }
  if (code != SQLITE_DONE) return connection.Error(code);
  return groups;
}

}  // namespace
}  // namespace sqlite

Result<std::vector<SqliteTreeInfo>> MeasureSqlite(
    const std::string& path, const SqliteProgress& progress) {
  using namespace sqlite;
  if (!CanMeasure()) {
    return Status(StatusCode::kUnsupported,
                  "this SQLite cannot tell how large tables are: it was built "
                  "without SQLITE_ENABLE_DBSTAT_VTAB");
  }
  MC_ASSIGN_OR_RETURN(const auto connection, OpenUntouched(path));
  MC_RETURN_IF_ERROR(connection->Execute("BEGIN"));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo file, ReadFileInfo(*connection));
  MC_ASSIGN_OR_RETURN(const std::vector<Tree> trees, ListTrees(*connection));
  uint64_t done = 0;
  std::vector<SqliteTreeInfo> infos;
  for (const Tree& tree : trees) {
    MC_ASSIGN_OR_RETURN(infos.emplace_back(),
                        MeasureTree(*connection, tree, [&](uint64_t bytes) {
                          done += bytes;
                          if (progress)
                            progress(done, file.bytes - file.free_bytes);
                        }));
  }
  std::sort(infos.begin(), infos.end(),
            [](const SqliteTreeInfo& a, const SqliteTreeInfo& b) {
              return std::tie(b.bytes, a.table, a.index) <
                     std::tie(a.bytes, b.table, b.index);
            });
  return infos;
}

Result<std::vector<SqliteGroupInfo>> LargestSqliteGroups(
    const std::string& path, const TableSpec& table, size_t most,
    const SqliteProgress& progress) {
  using namespace sqlite;
  MC_ASSIGN_OR_RETURN(const auto connection, OpenUntouched(path));
  MC_RETURN_IF_ERROR(connection->Execute("BEGIN"));
  uint64_t total = 0;
  if (progress) {
    MC_ASSIGN_OR_RETURN(const int64_t rows,
                        connection->QueryInt(fmt::format(
                            "SELECT count(*) FROM {}", Quote(table.name))));
    total = static_cast<uint64_t>(rows);
  }
  MC_ASSIGN_OR_RETURN(const Groups groups,
                      ReadGroups(*connection, table, total, progress));
  Largest by_rows(most, &SqliteGroupInfo::rows);
  Largest by_bytes(most, &SqliteGroupInfo::bytes);
  for (const auto& [key, group] : groups) {
    by_rows.Add(group);
    by_bytes.Add(group);
  }
  Groups chosen;
  for (const Largest* largest : {&by_rows, &by_bytes}) {
    for (const auto& [measure, group] : largest->groups()) {
      chosen.emplace(group.key, group);
    }
  }
  std::vector<SqliteGroupInfo> sorted;
  for (auto& [key, group] : chosen) sorted.push_back(std::move(group));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const SqliteGroupInfo& a, const SqliteGroupInfo& b) {
                     return a.bytes > b.bytes;
                   });
  return sorted;
}

}  // namespace matrixcore
