// matrixcore-load: load for any Matrix homeserver that is given by its URL. See
// README.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "http_client.h"
#include "options.h"
#include "process_stats.h"
#include "report.h"
#include "scenario.h"
#include "world.h"

namespace matrixcore::load {
namespace {

void DefineServer(CLI::App& app, Options& o) {
  app.add_option("url", o.url, "http[s]://host[:port] of the homeserver")
      ->required();
  app.add_flag("--insecure", o.insecure, "Accept any certificate");
  app.add_option("--pid", o.pid,
                 "Process of the server: report its memory and CPU time");
  app.add_option("--timeout-ms", o.timeout_ms, "Longest wait for an answer")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", o.json, "Report as one JSON object");
}

void DefineSetup(CLI::App& app, Options& o) {
  auto* group = app.add_option_group("Setting up");
  group->add_option("--state", o.state_file,
                    "Reuse users and rooms from this file when it fits; write "
                    "it when not");
  group->add_option("--user-prefix", o.user_prefix,
                    "Users are called PREFIX0, PREFIX1, ... (default: new ones "
                    "for each run); existing ones are logged in");
  group->add_option("--password", o.password, "Their password");
  auto* secret = group->add_option(
      "--shared-secret", o.shared_secret,
      "Register through /_synapse/admin/v1/register instead of m.login.dummy");
  group
      ->add_option("--tokens", o.token_file,
                   "Register no one: a file with a user id and an access token "
                   "a line")
      ->excludes(secret)
      ->check(CLI::ExistingFile);
  group->add_option("--setup-width", o.setup_width, "Requests at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  group->add_option("--users", o.users, "Active users")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  group->add_option("--rooms", o.rooms, "Rooms of theirs")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000));
  group->add_option("--members", o.members, "Members of each of these rooms")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
}

void DefineLoad(CLI::App& app, Options& o) {
  auto* group = app.add_option_group("Load");
  group->add_option("--senders", o.senders, "Users who send; 0: none")
      ->capture_default_str();
  group
      ->add_option("--rate", o.rate,
                   "Sends due a second, in all (open loop); 0: each sender as "
                   "soon as it is answered (closed loop)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  group->add_option("--body-bytes", o.body_bytes, "Size of a message's content")
      ->capture_default_str()
      ->check(CLI::Range(0, 60'000));
  group->add_option("--syncers", o.syncers, "Users who follow through /sync")
      ->capture_default_str();
  group->add_option("--sync-limit", o.sync_limit, "Events of a timeline")
      ->capture_default_str();
  group->add_option("--sync-timeout-ms", o.sync_timeout_ms, "Of a long poll")
      ->capture_default_str();
  group
      ->add_option("--parked", o.parked,
                   "Further users with an idle long poll each")
      ->capture_default_str();
  group->add_flag("--sliding", o.sliding,
                  "Syncers and parked users use simplified sliding sync: 20 "
                  "rooms, all extensions");
  group
      ->add_option("--quiet-room-size", o.quiet_room_size,
                   "Parked users share rooms of this size")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  group->add_option("--warmup", o.warmup_s, "Seconds before measuring")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  group->add_option("--duration", o.duration_s, "Seconds of measuring")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  group
      ->add_option("--settle", o.settle_s, "Seconds after the last parked sync")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  group->add_option("--drain", o.drain_s, "Seconds to wait for late deliveries")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

Status Run(const Options& options) {
  RaiseFileLimit();
  MC_ASSIGN_OR_RETURN(const Target target, ParseTarget(options.url));
  boost::asio::io_context io(1);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<HttpClient> client,
                      HttpClient::Create(io, target,
                                         {.insecure = options.insecure,
                                          .timeout_ms = options.timeout_ms}));
  MC_ASSIGN_OR_RETURN(const World world, PrepareWorld(options, io, *client));
  MC_ASSIGN_OR_RETURN(const Measurements measured,
                      RunScenario(options, io, *client, world));
  if (options.json) {
    fmt::print("{}\n", JsonReport(options, measured));
  } else {
    fmt::print("{}", TextReport(options, measured));
  }
  if (measured.sends == 0 && options.senders > 0) {
    return Status(StatusCode::kUnavailable, "no send succeeded");
  }
  return OkStatus();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Load for any Matrix homeserver");
  DefineServer(app, options);
  DefineSetup(app, options);
  DefineLoad(app, options);
  CLI11_PARSE(app, argc, argv);
  const Status status = Run(options);
  if (status.ok()) return 0;
  fmt::print(stderr, "matrixcore-load: {}\n", status.message());
  return 1;
}

}  // namespace
}  // namespace matrixcore::load

int main(int argc, char** argv) { return matrixcore::load::Main(argc, argv); }
