#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "commands.h"
#include "database.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_check.h"
#include "matrixcore/service/read_state_check.h"
#include "progress.h"
#include "room_tools.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ServerOptions server = {};
  std::vector<std::string> rooms = {};
  bool all = false;
  bool json = false;
};

struct Totals {
  uint64_t rooms = 0;
  uint64_t events = 0;
  uint64_t findings = 0;
  uint64_t unverified = 0;
  std::set<std::string> unknown_keys = {};
};

void PrintJson(const RoomFinding& finding) {
  std::string line;
  json::Writer w(&line);
  w.BeginObject();
  if (!finding.room_id.empty()) w.Field("room_id", finding.room_id);
  if (!finding.event_id.empty()) w.Field("event_id", finding.event_id);
  w.Field("what", finding.what);
  if (!finding.rule.empty()) w.Field("rule", finding.rule);
  w.Field("stored", finding.stored);
  w.Field("expected", finding.expected);
  w.EndObject();
  fmt::print("{}\n", line);
}

void PrintSummary(const Options& options, const Totals& totals) {
  if (options.json) {
    std::string line;
    json::Writer w(&line);
    w.BeginObject();
    w.Field("rooms", static_cast<int64_t>(totals.rooms));
    w.Field("events", static_cast<int64_t>(totals.events));
    w.Field("findings", static_cast<int64_t>(totals.findings));
    w.Field("unverified", static_cast<int64_t>(totals.unverified));
    w.Key("unknown_keys").BeginArray();
    for (const std::string& key : totals.unknown_keys) w.String(key);
    w.EndArray().EndObject();
    fmt::print("{}\n", line);
    return;
  }
  if (totals.unverified > 0) {
    fmt::print("{} events are signed with keys that are not known here:\n",
               totals.unverified);
    for (const std::string& key : totals.unknown_keys) {
      fmt::print("  {}\n", key);
    }
  }
  fmt::print("{} rooms, {} events: {}\n", totals.rooms, totals.events,
             totals.findings == 0
                 ? "nothing is wrong"
                 : fmt::format("{} findings", totals.findings));
}

Result<int> Check(const Options& options) {
  if (options.all != options.rooms.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "name the rooms to check, or --all");
  }
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  RoomCheckOptions check;
  check.server_name = config.homeserver.server_name;
  MC_ASSIGN_OR_RETURN(check.keys, OwnKey(config));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenToRead(config));
  std::vector<std::string> rooms = options.rooms;
  if (options.all) {
    MC_ASSIGN_OR_RETURN(rooms, AllRooms(*store));
  }
  Totals totals;
  const auto print = options.json ? PrintJson : PrintFinding;
  for (const std::string& room_id : rooms) {
    Progress progress("checking " + room_id, Unit::kItems);
    check.progress = [&progress](uint64_t done, uint64_t total) {
      progress.Update(done, total);
      return true;
    };
    const Result<RoomCheckResult> result =
        CheckRoom(*store, room_id, check, print);
    progress.Finish();
    // A room that was removed since the list was made is no failure.
    if (options.all && result.status().code() == StatusCode::kNotFound) {
      continue;
    }
    if (!result.ok()) return result.status();
    ++totals.rooms;
    totals.events += result->events;
    totals.findings += result->findings;
    const Result<uint64_t> read_state = CheckReadState(
        *store, room_id, {.server_name = check.server_name}, print);
    if (read_state.ok()) {
      totals.findings += *read_state;
    } else if (read_state.status().code() != StatusCode::kNotFound) {
      return read_state.status();
    }
    totals.unverified += result->unverified;
    totals.unknown_keys.insert(result->unknown_keys.begin(),
                               result->unknown_keys.end());
  }
  MC_ASSIGN_OR_RETURN(const uint64_t counters,
                      CheckRoomCounters(*store, print));
  totals.findings += counters;
  PrintSummary(options, totals);
  return totals.findings == 0 ? kDone : kWrong;
}

}  // namespace

void AddCheck(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "check",
      "Verify rooms: hashes, signatures, authorisation, state, and all that is "
      "made from their events; also beside a running server, changes nothing",
      [options] { return Check(*options); });
  AddServerOptions(command, options->server);
  command.add_option("room", options->rooms, "The ids of the rooms")
      ->type_name("ROOM");
  command.add_flag("--all", options->all, "Check every room");
  command.add_flag("--json", options->json,
                   "One JSON object a line: each finding, then the totals");
}

}  // namespace matrixcore::admin
