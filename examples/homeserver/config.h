// The configuration of the homeserver program: one TOML file, overridden by
// environment variables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/net/curl_client.h"
#include "matrixcore/net/http_server.h"

namespace matrixcore::server {

struct ListenerConfig {
  std::string address = "127.0.0.1";
  int64_t port = 8008;
  bool tls = false;
  std::string tls_certificate = {};
  std::string tls_private_key = {};
  std::string where = {};  // For messages: "homeserver.toml:12: listeners".
};

// Numbers of threads are 0 for "by the number of cores".
struct LaneConfig {
  int64_t threads = 0;
  int64_t queue = 0;
};

// Every setting, checked.  The keys, their defaults and what they mean are in
// settings.cc and nowhere else.
struct Config {
  std::string data_dir;
  HomeserverOptions homeserver;
  LogOptions log;
  bool shared_secret_enabled = true;
  std::string shared_secret_file;
  std::vector<ListenerConfig> listeners;
  HttpLimits limits;
  std::vector<IpRange> trusted_proxies;
  std::string database_path;  // Below data_dir when relative.
  SqliteOptions sqlite;
  int64_t readers = 0;
  int64_t cache_budget_bytes = 0;  // Page caches included: see memory_plan.h.
  int64_t event_loops = 1;
  LaneConfig interactive;
  LaneConfig background;
  LaneConfig rooms;
  Duration graceful_stop = seconds(10);
  CurlClientOptions federation{.max_redirects = 5};  // Other homeservers.
  CurlClientOptions outbound;                        // Whatever users choose.

  // The file that was read, "" for none.
  std::string file;
  // Keys that were set but have no effect yet, in the order of the table.
  std::vector<std::string> reserved;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

// This process's environment.
Environment ProcessEnvironment();

// The defaults, overridden by the file at `path` ("" for none), overridden by
// the variables of `environment` whose names begin with MATRIXCORE__.
// kInvalidArgument for the first thing that is wrong, as
// "FILE:LINE: what is wrong and what was expected"; kUnavailable when the file
// cannot be read.
Result<Config> LoadConfig(const std::string& path,
                          const Environment& environment);
// The same, of the file's text; `name` stands for the file in messages.
Result<Config> ParseConfig(std::string_view text, std::string_view name,
                           const Environment& environment);

// A configuration file with every key at its default, all commented out.
std::string DefaultConfigText();
// docs/configuration.md.
std::string ConfigDocs();

}  // namespace matrixcore::server
