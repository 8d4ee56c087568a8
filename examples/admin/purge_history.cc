#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.h"
#include "data_dir.h"
#include "database.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/history_purge.h"
#include "matrixcore/service/notice_purge.h"
#include "point_in_time.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  std::string room = {};
  std::string before = {};
  bool keep_state = false;
  bool delete_local = false;
};

Result<int> PurgeHistoryCommand(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  HistoryPurgeOptions purge;
  purge.now = NewSystemClock()->Now();
  if (options.before.starts_with('$')) {
    purge.before_event_id = options.before;
  } else {
    MC_ASSIGN_OR_RETURN(purge.before,
                        ParsePointInTime(options.before, purge.now));
  }
  purge.keep_state = options.keep_state;
  purge.delete_local = options.delete_local;
  purge.server_name = config.homeserver.server_name;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenToChange(config));
  MC_ASSIGN_OR_RETURN(
      const std::unique_ptr<SearchIndex> search,
      OpenSqliteSearchIndex(server::PathBelow(config.data_dir, "search.db")));
  purge.also = [&store, &search](RoomNid room,
                                 std::span<const Position> positions) {
    MC_RETURN_IF_ERROR(PurgeNotices(*store, room, positions.back() + 1));
    SearchChanges changes;
    changes.erased.assign(positions.begin(), positions.end());
    return search->Apply(changes);
  };
  Progress progress("purging", Unit::kItems);
  purge.progress = [&progress](uint64_t done, uint64_t total) {
    progress.Update(done, total);
  };
  MC_ASSIGN_OR_RETURN(const HistoryPurgeResult result,
                      PurgeHistory(*store, options.room, purge));
  progress.Finish();
  search->Close();
  fmt::print("{}  {} events deleted, {} kept outside the timeline\n",
             options.room, result.deleted, result.kept);
  return kDone;
}

}  // namespace

void AddPurgeHistory(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "purge-history",
      "Cut off the older part of a room's history in a stopped server's "
      "database; what the rest needs stays",
      [options] { return PurgeHistoryCommand(*options); });
  AddServerOptions(command, options->server);
  command.add_option("room", options->room, "The id of the room")
      ->type_name("ROOM")
      ->required();
  command
      .add_option("--before", options->before,
                  "Where to cut: an event id, a time (2026-01-31, "
                  "2026-01-31T12:00:00Z) or an age (12h, 90d, 8w)")
      ->type_name("EVENT|TIME|AGE")
      ->required();
  command.add_flag("--keep-state", options->keep_state,
                   "Keep all state events, outside the timeline");
  command.add_flag("--delete-local", options->delete_local,
                   "Delete events of this server's users too, which may be the "
                   "last copies");
}

}  // namespace matrixcore::admin
