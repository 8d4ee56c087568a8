#include <fmt/format.h>

#include <memory>
#include <string>

#include "commands.h"
#include "database.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_export.h"
#include "progress.h"
#include "room_tools.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  std::string room = {};
  std::string output = {};
  std::string since = {};
  bool state_only = false;
};

Result<int> ExportRoomCommand(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  RoomExportOptions what;
  what.server_name = config.homeserver.server_name;
  what.now = NewSystemClock()->Now();
  MC_ASSIGN_OR_RETURN(what.keys, OwnKey(config));
  what.since_event_id = options.since;
  what.state_only = options.state_only;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenToRead(config));
  Progress progress("exporting", Unit::kItems);
  what.progress = [&progress](uint64_t done, uint64_t total) {
    progress.Update(done, total);
    return true;
  };
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file,
                      OutputFile::Create(options.output));
  MC_ASSIGN_OR_RETURN(
      const RoomExportResult result,
      ExportRoom(*store, options.room, what, [&file](std::string_view bytes) {
        return file->Write(bytes);
      }));
  MC_RETURN_IF_ERROR(file->Commit());
  progress.Finish();
  fmt::print(stderr, "{} events\n", result.events);
  if (result.without_key > 0) {
    fmt::print(stderr,
               "{} of them are signed with keys that are not known here: the "
               "file does not prove them, and cannot be imported\n",
               result.without_key);
  }
  return kDone;
}

}  // namespace

void AddExportRoom(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "export-room",
      "Write a room's events, keys and ends to one file; also beside a running "
      "server",
      [options] { return ExportRoomCommand(*options); });
  AddServerOptions(command, options->server);
  command.add_option("room", options->room, "The id of the room")
      ->type_name("ROOM")
      ->required();
  command
      .add_option("-o,--output", options->output,
                  "The file to write, - for standard output")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--since", options->since,
                  "Only the graph from this event on, with the state before it "
                  "and what authorises it")
      ->type_name("EVENT");
  command.add_flag("--state-only", options->state_only,
                   "Only the current state and what authorises it: for "
                   "looking at, cannot be imported");
}

}  // namespace matrixcore::admin
