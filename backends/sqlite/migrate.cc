#include "sqlite/migrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sqlite/sql.h"

namespace matrixcore::sqlite {
namespace {

// In the file's header, for `file` and for us: "mxco".
constexpr int64_t kApplicationId = 0x6d78636f;
// The version of what this backend itself keeps: mc_schema and mc_log, the
// layouts of tables and the names of indexes.
constexpr int64_t kBackendVersion = 1;

Status Refuse(const Connection& connection, std::string_view why) {
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: {}", connection.path(), why)};
}

// What a database must have and has: a text for each column and index.
using Inventory = std::map<std::string, std::string>;

Inventory Wanted(const Schema& schema) {
  Inventory wanted;
  for (const TableSpec& table : schema.tables) {
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const ColumnSpec& column = table.columns[i];
      wanted[fmt::format("column {}.{}", table.name, column.name)] =
          fmt::format("{}{}{}", SqlType(column.type),
                      column.nullable ? "" : " NOT NULL",
                      i < table.key_columns ? fmt::format(" KEY {}", i + 1)
                                            : std::string());
    }
    for (uint32_t i = 0; i < table.indexes.size(); ++i) {
      wanted[fmt::format("index {}.{}", table.name, table.indexes[i].name)] =
          CreateIndexSql(table, i);
    }
  }
  return wanted;
}

Result<Inventory> Found(Connection& connection) {
  Inventory found;
  MC_ASSIGN_OR_RETURN(
      Statement columns,
      connection.Prepare(
          "SELECT 'column ' || t.name || '.' || c.name, "
          "c.type || iif(c.\"notnull\", ' NOT NULL', '') || "
          "iif(c.pk, ' KEY ' || c.pk, '') "
          "FROM sqlite_schema t JOIN pragma_table_info(t.name) c "
          "WHERE t.type = 'table' AND t.name NOT LIKE 'mc\\_%' ESCAPE '\\' "
          "AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
          "UNION ALL SELECT 'index ' || name, sql FROM sqlite_schema "
          "WHERE type = 'index' AND sql IS NOT NULL"));
  int code = columns.Step();
  for (; code == SQLITE_ROW; code = columns.Step()) {
    found.emplace(columns.Bytes(0), columns.Bytes(1));
  }
  if (code != SQLITE_DONE) return connection.Error(code);
  return found;
}

// Tables and indexes that operators added for themselves are left alone.
Status Verify(Connection& connection, const Schema& schema) {
  MC_ASSIGN_OR_RETURN(const Inventory found, Found(connection));
  for (const auto& [name, text] : Wanted(schema)) {
    const auto other = found.find(name);
    if (other != found.end() && other->second == text) continue;
    return Refuse(
        connection,
        fmt::format("its schema version {} is not this program's: {} is {} "
                    "instead of {}; use the program that made it",
                    schema.version, name,
                    other == found.end() ? "missing" : other->second, text));
  }
  return OkStatus();
}

// The statements of one version, for a database that has version `from`.
std::vector<std::string> Steps(const Schema& schema, int64_t from,
                               uint32_t version) {
  std::vector<std::string> steps;
  for (const TableSpec& table : schema.tables) {
    if (table.since == version) {
      // No row of it exists, so it is made at once as it is today.
      steps.push_back(CreateTableSql(table));
      for (uint32_t i = 0; i < table.indexes.size(); ++i) {
        steps.push_back(CreateIndexSql(table, i));
      }
    }
    if (table.since > from) continue;
    for (const TableSpec::AddedColumn& added : table.added_columns) {
      if (added.since == version) {
        steps.push_back(AddColumnSql(table, added.column));
      }
    }
    for (const TableSpec::AddedIndex& added : table.added_indexes) {
      if (added.since == version) {
        steps.push_back(CreateIndexSql(table, added.index));
      }
    }
  }
  return steps;
}

Status RunSteps(Connection& connection, const Schema& schema, int64_t from) {
  if (from == 0) {
    MC_RETURN_IF_ERROR(connection.Execute(fmt::format(
        "PRAGMA application_id={}; PRAGMA user_version={};"
        "CREATE TABLE mc_schema (version INTEGER PRIMARY KEY, "
        "statements INTEGER NOT NULL) STRICT;"
        "CREATE TABLE mc_log (id INTEGER PRIMARY KEY CHECK (id = 1), "
        "position INTEGER NOT NULL, probes INTEGER NOT NULL) STRICT;"
        "INSERT INTO mc_log VALUES (1, 0, 0);",
        kApplicationId, kBackendVersion)));
  }
  for (int64_t version = from + 1; version <= schema.version; ++version) {
    const std::vector<std::string> steps =
        Steps(schema, from, static_cast<uint32_t>(version));
    for (const std::string& step : steps) {
      MC_RETURN_IF_ERROR(connection.Execute(step));
    }
    MC_RETURN_IF_ERROR(connection.Execute(fmt::format(
        "INSERT INTO mc_schema VALUES ({}, {})", version, steps.size())));
  }
  return OkStatus();
}

// 0 when nothing is in the database yet.
Result<int64_t> VersionOf(Connection& connection) {
  MC_ASSIGN_OR_RETURN(const int64_t made,
                      connection.QueryInt("SELECT count(*) FROM sqlite_schema "
                                          "WHERE name = 'mc_schema'"));
  if (made == 0) return int64_t{0};
  return connection.QueryInt("SELECT max(version) FROM mc_schema");
}

}  // namespace

Result<int64_t> CheckIsOurs(Connection& connection) {
  MC_ASSIGN_OR_RETURN(const int64_t application,
                      connection.QueryInt("PRAGMA application_id"));
  if (application != kApplicationId) {
    MC_ASSIGN_OR_RETURN(
        const int64_t objects,
        connection.QueryInt("SELECT count(*) FROM sqlite_schema"));
    if (application == 0 && objects == 0) return int64_t{0};
    return Refuse(connection,
                  "the database belongs to another program; check the path");
  }
  MC_ASSIGN_OR_RETURN(const int64_t backend,
                      connection.QueryInt("PRAGMA user_version"));
  MC_ASSIGN_OR_RETURN(const int64_t version, VersionOf(connection));
  if (backend > kBackendVersion) {
    return Refuse(
        connection,
        fmt::format("a newer program made it (format {}, this program knows "
                    "{}); run that program, or restore the backup from before "
                    "the upgrade",
                    backend, kBackendVersion));
  }
  return version;
}

Status CheckOwner(Connection& connection, const Schema& schema) {
  MC_ASSIGN_OR_RETURN(const int64_t version, CheckIsOurs(connection));
  if (version > schema.version) {
    return Refuse(connection,
                  fmt::format("a newer program made it (schema version {}, "
                              "this program knows {}); run that program, or "
                              "restore the backup from before the upgrade",
                              version, schema.version));
  }
  return OkStatus();
}

Result<Migration> Migrate(Connection& connection, const Schema& schema) {
  MC_ASSIGN_OR_RETURN(const int64_t from, VersionOf(connection));
  const Migration migration{from, schema.version};
  if (from == schema.version) {
    MC_RETURN_IF_ERROR(Verify(connection, schema));
    return migration;
  }
  MC_RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  Status status = RunSteps(connection, schema, from);
  if (status.ok()) status = Verify(connection, schema);
  if (status.ok()) status = connection.Execute("COMMIT");
  if (!status.ok()) {
    connection.Rollback();
    if (status.code() == StatusCode::kInternal ||
        status.code() == StatusCode::kAborted) {
      return Refuse(connection,
                    fmt::format("its tables cannot be brought from version {} "
                                "to {}: {}",
                                from, schema.version, status.message()));
    }
    return status;
  }
  return migration;
}

Status CheckTables(Connection& connection, const Schema& schema) {
  MC_RETURN_IF_ERROR(CheckOwner(connection, schema));
  MC_ASSIGN_OR_RETURN(const int64_t version, VersionOf(connection));
  if (version == 0) {
    return Refuse(connection,
                  "nothing is in it yet; start the server on it first");
  }
  if (version < schema.version) {
    return Refuse(
        connection,
        fmt::format("an older program made it (schema version {}, this program "
                    "needs {}); start this version's server on it once, which "
                    "brings it up to date, or use that older program",
                    version, schema.version));
  }
  return Verify(connection, schema);
}

Status QuickCheck(Connection& connection) {
  MC_ASSIGN_OR_RETURN(Statement check,
                      connection.Prepare("PRAGMA quick_check(1)"));
  const int code = check.Step();
  if (code != SQLITE_ROW) return connection.Error(code);
  const std::string answer(check.Bytes(0));
  if (answer == "ok") return OkStatus();
  return {StatusCode::kDataLoss,
          fmt::format("{}: the file is damaged ({}); restore it from a backup, "
                      "or save what is left with the .recover command of the "
                      "sqlite3 program",
                      connection.path(), answer)};
}

}  // namespace matrixcore::sqlite
