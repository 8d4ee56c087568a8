// homeserver: a Matrix homeserver on SQLite.  See docs/running-a-server.md.

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>

#include "config.h"
#include "server.h"
#include "systemd.h"

namespace {

using matrixcore::HttpEndpoint;
using matrixcore::Result;
using matrixcore::Status;
using matrixcore::server::Config;
using matrixcore::server::Environment;
using matrixcore::server::Server;

int Fail(const Status& status) {
  fmt::print(stderr, "homeserver: {}\n", status.message());
  return 1;
}

// Few arenas: threads hand memory to each other, and what an arena has had it
// seldom gives back.
void LimitMemory() {
#if defined(M_ARENA_MAX)
  mallopt(M_ARENA_MAX, 2);
#endif
}

// Each client is a descriptor; the usual soft limit is 1024.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Signals are waited for by the main thread; every other inherits the mask.
sigset_t BlockSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Where a client on this machine would find the endpoint.
std::string UrlOf(const HttpEndpoint& endpoint) {
  std::string host = endpoint.address;
  if (host == "127.0.0.1" || host == "::1" || host == "0.0.0.0" ||
      host == "::") {
    host = "localhost";
  } else if (host.find(':') != std::string::npos) {
    host = "[" + host + "]";
  }
  return fmt::format("{}://{}:{}", endpoint.tls ? "https" : "http", host,
                     endpoint.port);
}

void SayReady(const Config& config, const Server& server) {
  fmt::print("homeserver \"{}\" is ready; point a Matrix client at\n",
             config.homeserver.server_name);
  for (const HttpEndpoint& endpoint : server.endpoints()) {
    fmt::print("  {}\n", UrlOf(endpoint));
  }
  std::fflush(stdout);
}

int Serve(const Config& config, const Environment& environment) {
  RaiseDescriptorLimit();
  const sigset_t signals = BlockSignals();
  auto server =
      Server::Start(config, matrixcore::server::InheritedSockets(environment));
  if (!server.ok()) return Fail(server.status());
  SayReady(config, **server);
  matrixcore::server::NotifyManager(environment, "READY=1");

  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
    (*server)->Reload();
  }
  matrixcore::server::NotifyManager(environment, "STOPPING=1");
  // A second signal ends the program at once.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*server)->Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  LimitMemory();
  CLI::App app("A Matrix homeserver.  See docs/running-a-server.md.");
  app.set_version_flag("--version", "homeserver " MATRIXCORE_VERSION);
  std::string config_file;
  std::string data_dir;
  bool print_default_config = false;
  bool print_config_docs = false;
  bool check_config = false;
  app.add_option("-c,--config", config_file, "The configuration file (TOML)")
      ->type_name("FILE");
  app.add_option("--data-dir", data_dir,
                 "The folder of the database and keys, instead of data_dir")
      ->type_name("DIR");
  app.add_flag("--print-default-config", print_default_config,
               "Print a configuration file with every key and its default");
  app.add_flag("--print-config-docs", print_config_docs,
               "Print docs/configuration.md");
  app.add_flag("--check-config", check_config,
               "Say whether the configuration is good, and start nothing");
  CLI11_PARSE(app, argc, argv);

  if (print_default_config || print_config_docs) {
    fmt::print("{}", print_config_docs
                         ? matrixcore::server::ConfigDocs()
                         : matrixcore::server::DefaultConfigText());
    return 0;
  }
  const Environment environment = matrixcore::server::ProcessEnvironment();
  Result<Config> config =
      matrixcore::server::LoadConfig(config_file, environment);
  if (!config.ok()) return Fail(config.status());
  if (!data_dir.empty()) config->data_dir = data_dir;
  if (check_config) {
    fmt::print("the configuration is good\n");
    return 0;
  }
  return Serve(*config, environment);
}
