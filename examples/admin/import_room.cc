#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "commands.h"
#include "database.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_import.h"
#include "progress.h"
#include "room_tools.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  std::string file = {};
};

struct Close {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

// A reader of the file, and its size; 0 for standard input.
struct Input {
  std::unique_ptr<std::FILE, Close> file;
  uint64_t bytes = 0;
};

Result<Input> OpenInput(const std::string& path) {
  Input input;
  if (path == "-") {
    input.file.reset(stdin);
    return input;
  }
  input.file.reset(std::fopen(path.c_str(), "rb"));
  if (input.file == nullptr) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{}: {}; give a file that export-room wrote",
                              path, std::generic_category().message(errno)));
  }
  std::error_code unknown;
  input.bytes = std::filesystem::file_size(path, unknown);
  if (unknown) input.bytes = 0;
  return input;
}

RoomFileReader::Source SourceOf(std::FILE* file) {
  return [file](char* buffer, size_t size) -> Result<size_t> {
    const size_t read = std::fread(buffer, 1, size, file);
    if (std::ferror(file) != 0) {
      return Status(StatusCode::kUnavailable,
                    std::generic_category().message(errno));
    }
    return read;
  };
}

Result<int> ImportRoomCommand(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  RoomImportOptions import;
  import.server_name = config.homeserver.server_name;
  import.now = NewSystemClock()->Now();
  MC_ASSIGN_OR_RETURN(import.keys, OwnKey(config));
  import.report = PrintFinding;
  MC_ASSIGN_OR_RETURN(const Input input, OpenInput(options.file));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenToChange(config));
  Progress reading("reading", Unit::kBytes);
  import.on_read = [&reading, &input ](uint64_t bytes) {
    reading.Update(bytes, input.bytes);
};
Progress checking("checking", Unit::kItems);
import.on_checked = [&reading, &checking ](uint64_t done, uint64_t total) {
  reading.Finish();
checking.Update(done, total);
return true;
};  // namespace
RoomFileReader reader(SourceOf(input.file.get()));
const Result<RoomImportResult> result = ImportRoom(*store, reader, import);
reading.Finish();
checking.Finish();
if (!result.ok()) {
  return Status(result.status().code(),
                fmt::format("{}: {}", options.file, result.status().message()));
}
fmt::print("{}  {} events, {} joined\n", result->room_id, result->events,
           result->joined);
for (const std::string& alias : result->skipped_aliases) {
  fmt::print("left out the alias {}: taken here, or of another server\n",
             alias);
}
return kDone;
}  // namespace matrixcore::admin

}  // namespace

void AddImportRoom(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "import-room",
      "Bring a room that export-room wrote into a stopped server's database, "
      "after checking all of it",
      [options] { return ImportRoomCommand(*options); });
  AddServerOptions(command, options->server);
  command.add_option("file", options->file, "The file, - for standard input")
      ->type_name("FILE")
      ->required();
}

}  // namespace matrixcore::admin
