#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.h"
#include "data_dir.h"
#include "database.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_purge.h"
#include "matrixcore/service/room_tables.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  std::string room = {};
  bool block = false;
};

// Takes the room's texts out of the full-text index.
Status ForgetTexts(const server::Config& config, RoomNid room) {
  MC_ASSIGN_OR_RETURN(
      const std::unique_ptr<SearchIndex> index,
      OpenSqliteSearchIndex(server::PathBelow(config.data_dir, "search.db")));
  SearchChanges changes;
  changes.erased_groups = {room};
  const Status erased = index->Apply(changes);
  index->Close();
  return erased;
}

Result<int> PurgeRoomCommand(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenToChange(config));
  Progress progress("purging, rows", Unit::kItems);
  uint64_t rows = 0;
  RoomPurgeOptions purge;
  purge.tables = TablesOfRooms();
  purge.now = NewSystemClock()->Now();
  purge.block = options.block;
  purge.user_id = "matrixcore-admin";
  purge.also = [&config](RoomNid room) { return ForgetTexts(config, room); };
  purge.progress = [&progress, &rows](uint64_t more) {
    rows += more;
    progress.Update(rows, 0);
  };
  MC_ASSIGN_OR_RETURN(const RoomPurgeResult result,
                      PurgeRoom(*store, options.room, purge));
  progress.Finish();
  if (result.resumed) {
    fmt::print("completed what an earlier purge or import had left\n");
  }
  fmt::print("{}  purged: {} rows; it had {} joined members\n", options.room,
             result.rows, result.joined);
  return kDone;
}

}  // namespace

void AddPurgeRoom(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "purge-room",
      "Take a room out of a stopped server's database, with everything that is "
      "known of it; export-room it first if in doubt",
      [options] { return PurgeRoomCommand(*options); });
  AddServerOptions(command, options->server);
  command.add_option("room", options->room, "The id of the room")
      ->type_name("ROOM")
      ->required();
  command.add_flag("--block", options->block,
                   "Let nobody of this server join the room again");
}

}  // namespace matrixcore::admin
