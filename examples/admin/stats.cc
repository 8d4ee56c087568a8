#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "database.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  bool json = false;
  size_t rooms = 10;
};

struct Room {
  std::string room_id = {};
  std::string name = {};  // "" for none.
  uint64_t events = 0;
  uint64_t bytes = 0;
  int64_t joined = 0;
};

struct Stats {
  SqliteFileInfo file = {};
  std::string server_name = {};
  int64_t room_count = 0;
  std::vector<SqliteTreeInfo> trees = {};
  std::vector<Room> rooms = {};
};

// What the largest groups of events are called.
Result<std::vector<Room>> NameRooms(
    Store& store, const std::vector<SqliteGroupInfo>& groups) {
  MC_ASSIGN_OR_RETURN(const auto snapshot, store.NewSnapshot());
  std::vector<Row> keys;
  for (const SqliteGroupInfo& group : groups) keys.push_back({group.key});
  MC_ASSIGN_OR_RETURN(const auto heads,
                      snapshot->GetMany(tables::kRooms, keys));
  MC_ASSIGN_OR_RETURN(const auto previews,
                      snapshot->GetMany(tables::kRoomPreviews, keys));
  std::vector<Room> rooms;
  for (size_t i = 0; i < groups.size(); ++i) {
    Room room{.room_id = fmt::format("(room {})", CellInt(groups[i].key)),
              .events = groups[i].rows,
              .bytes = groups[i].bytes};
    if (heads[i]) {
      room.room_id = CellText((*heads[i])[tables::Rooms::kRoomId]);
      room.joined = CellInt((*heads[i])[tables::Rooms::kJoined]);
    }
    if (previews[i]) {
      room.name = CellText((*previews[i])[tables::RoomPreviews::kName]);
    }
    rooms.push_back(std::move(room));
  }
  return rooms;
}

Result<Stats> Collect(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  MC_ASSIGN_OR_RETURN(const auto store, OpenToRead(config));
  const std::string path = DatabasePath(config);
  Stats stats;
  MC_ASSIGN_OR_RETURN(stats.file, InspectSqlite(path));
  MC_ASSIGN_OR_RETURN(stats.server_name,
                      ServerNameIn(path, stats.file.schema_version));
  {
    Progress progress("measuring tables", Unit::kBytes);
    MC_ASSIGN_OR_RETURN(stats.trees,
                        MeasureSqlite(path, [&](uint64_t done, uint64_t total) {
                          progress.Update(done, total);
                        }));
  }
  for (const SqliteTreeInfo& tree : stats.trees) {
    if (tree.table == tables::kRooms.name && tree.index.empty()) {
      stats.room_count = static_cast<int64_t>(tree.entries);
    }
  }
  if (options.rooms == 0) return stats;
  Progress progress("measuring rooms", Unit::kItems);
  MC_ASSIGN_OR_RETURN(const std::vector<SqliteGroupInfo> groups,
                      LargestSqliteGroups(path, tables::kEvents, options.rooms,
                                          [&](uint64_t done, uint64_t total) {
                                            progress.Update(done, total);
                                          }));
  MC_ASSIGN_OR_RETURN(stats.rooms, NameRooms(*store, groups));
  return stats;
}

void WriteTrees(json::Writer& w, const std::vector<SqliteTreeInfo>& trees) {
  w.Key("tables").BeginArray();
  for (const SqliteTreeInfo& tree : trees) {
    w.BeginObject().Field("table", tree.table);
    if (!tree.index.empty()) w.Field("index", tree.index);
    w.Field("rows", static_cast<int64_t>(tree.entries));
    w.Field("bytes", static_cast<int64_t>(tree.bytes));
    w.Field("unused_bytes", static_cast<int64_t>(tree.unused_bytes));
    w.EndObject();
  }
  w.EndArray();
}

std::string JsonText(const Stats& stats) {
  std::string text;
  json::Writer w(&text);
  w.BeginObject();
  w.Field("server_name", stats.server_name);
  w.Field("schema_version", static_cast<int64_t>(stats.file.schema_version));
  w.Field("log_position", stats.file.position);
  w.Field("bytes", static_cast<int64_t>(stats.file.bytes));
  w.Field("free_bytes", static_cast<int64_t>(stats.file.free_bytes));
  w.Field("rooms", stats.room_count);
  WriteTrees(w, stats.trees);
  w.Key("largest_rooms").BeginArray();
  for (const Room& room : stats.rooms) {
    w.BeginObject().Field("room_id", room.room_id);
    if (!room.name.empty()) w.Field("name", room.name);
    w.Field("events", static_cast<int64_t>(room.events));
    w.Field("bytes", static_cast<int64_t>(room.bytes));
    w.Field("joined_members", room.joined);
    w.EndObject();
  }
  w.EndArray().EndObject();
  return text + "\n";
}

void PrintText(const Stats& stats) {
  fmt::print("{}: {}, of which {} are free; {} rooms\n\n", stats.server_name,
             BytesText(stats.file.bytes), BytesText(stats.file.free_bytes),
             stats.room_count);
  fmt::print("{:<40} {:>12} {:>14} {:>14}\n", "table or index", "rows", "bytes",
             "unused");
  for (const SqliteTreeInfo& tree : stats.trees) {
    const std::string name =
        tree.index.empty() ? tree.table
                           : fmt::format("{} by {}", tree.table, tree.index);
    fmt::print("{:<40} {:>12} {:>14} {:>14}\n", name, tree.entries, tree.bytes,
               tree.unused_bytes);
  }
  if (stats.rooms.empty()) return;
  fmt::print("\n{:<50} {:>10} {:>14} {:>8}\n", "largest rooms", "events",
             "bytes", "members");
  for (const Room& room : stats.rooms) {
    fmt::print("{:<50} {:>10} {:>14} {:>8}  {}\n", room.room_id, room.events,
               room.bytes, room.joined, room.name);
  }
}

Result<int> Run(const Options& options) {
  MC_ASSIGN_OR_RETURN(const Stats stats, Collect(options));
  if (options.json) {
    fmt::print("{}", JsonText(stats));
  } else {
    PrintText(stats);
  }
  return kDone;
}

}  // namespace

void AddStats(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "stats",
      "Tell how large the tables, indexes and rooms of the database are, "
      "beside the running server or without it",
      [options] { return Run(*options); });
  AddServerOptions(command, options->server);
  command.add_flag("--json", options->json, "Print JSON");
  command
      .add_option("--rooms", options->rooms,
                  "How many rooms to name, the largest by events and by bytes "
                  "(10); 0 for none, which is faster")
      ->check(CLI::Range(size_t{0}, size_t{10'000}));
}

}  // namespace matrixcore::admin
