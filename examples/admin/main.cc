// matrixcore-admin: what operators ask of a running homeserver.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>

#include "admin_api.h"
#include "config.h"
#include "console.h"
#include "data_dir.h"
#include "matrixcore/net/curl_client.h"

namespace {

using namespace matrixcore;
using namespace matrixcore::admin;
using server::Config;

constexpr const char* kTokenVariable = "MATRIXCORE_ACCESS_TOKEN";

struct Arguments {
  // Common to all commands.
  std::string config_file = {};
  std::string data_dir = {};
  std::string server_url = {};
  std::string ca_file = {};
  bool insecure = false;
  // register
  NewUser user = {};
  std::string secret_file = {};
  std::string password_file = {};
  // registration-token
  std::string access_token_file = {};
  TokenSpec spec = {};
  int64_t uses = 0;
  double valid_hours = 0;
  std::string token = {};
};

Result<Config> ReadConfig(const Arguments& arguments) {
  MC_ASSIGN_OR_RETURN(
      Config config,
      server::LoadConfig(arguments.config_file, server::ProcessEnvironment()));
  if (!arguments.data_dir.empty()) config.data_dir = arguments.data_dir;
  return config;
}

// Where the configured server is to be found from this machine: its first
// listener without TLS, or else the first.
std::string UrlOf(const Config& config) {
  const server::ListenerConfig* chosen = &config.listeners.front();
  for (const server::ListenerConfig& listener : config.listeners) {
    if (!listener.tls) {
      chosen = &listener;
      break;
    }
  }
  std::string host = chosen->address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}://{}:{}", chosen->tls ? "https" : "http", host,
                     chosen->port);
}

// The shared secret: of --shared-secret-file, of the configuration, or the one
// that the server made.
Result<std::string> FindSecret(const Arguments& arguments,
                               const Config& config) {
  if (!arguments.secret_file.empty()) {
    return ReadFirstLine(arguments.secret_file);
  }
  if (!config.shared_secret_enabled) {
    return Status(StatusCode::kFailedPrecondition,
                  "registration.shared_secret_enabled is false");
  }
  const std::string& configured = config.homeserver.registration.shared_secret;
  if (!configured.empty()) return configured;
  const std::string file =
      server::PathBelow(config.data_dir, config.shared_secret_file);
  Result<std::string> secret = server::LoadSecret(file);
  if (secret.status().code() == StatusCode::kNotFound) {
    return Status(StatusCode::kNotFound,
                  fmt::format("there is no {}; give the server's --config or "
                              "--data-dir, or --shared-secret-file",
                              file));
  }
  return secret;
}

Result<std::string> FindAccessToken(const Arguments& arguments) {
  if (!arguments.access_token_file.empty()) {
    return ReadFirstLine(arguments.access_token_file);
  }
  const char* token = std::getenv(kTokenVariable);
  if (token != nullptr && *token != '\0') return std::string(token);
  return Status(StatusCode::kInvalidArgument,
                fmt::format("give an administrator's access token by "
                            "--access-token-file or {}",
                            kTokenVariable));
}

// The client and what it needs.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const Arguments& arguments) {
    std::string url = arguments.server_url;
    if (url.empty()) {
      MC_ASSIGN_OR_RETURN(const Config config, ReadConfig(arguments));
      url = UrlOf(config);
    }
    while (url.ends_with('/')) url.pop_back();
    CurlClientOptions options;
    // The operator chose the address, wherever it is.
    options.filter.allowed = {*IpRange::Parse("0.0.0.0/0"),
                              *IpRange::Parse("::/0")};
    options.insecure_skip_tls_verify = arguments.insecure;
    if (!arguments.ca_file.empty()) {
      options.custom_ca_files = {arguments.ca_file};
    }
    options.user_agent = "matrixcore-admin";
    std::unique_ptr<Connection> connection(new Connection);
    MC_ASSIGN_OR_RETURN(
        connection->client_,
        NewCurlClient(options, *connection->clock_, *connection->log_,
                      *connection->metrics_));
    connection->api_ = std::make_unique<AdminApi>(*connection->client_, url);
    return connection;
  }
  AdminApi& api() { return *api_; }

 private:
  Connection() = default;
  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<AdminApi> api_;
};

Status Register(const Arguments& arguments) {
  std::string secret;
  if (arguments.secret_file.empty()) {
    MC_ASSIGN_OR_RETURN(const Config config, ReadConfig(arguments));
    MC_ASSIGN_OR_RETURN(secret, FindSecret(arguments, config));
  } else {
    MC_ASSIGN_OR_RETURN(secret, FindSecret(arguments, Config()));
  }
  NewUser user = arguments.user;
  Result<std::string> password = arguments.password_file.empty()
                                     ? AskNewPassword()
                                     : ReadFirstLine(arguments.password_file);
  if (!password.ok()) return password.status();
  user.password = std::move(*password);
  MC_ASSIGN_OR_RETURN(const auto connection, Connection::Open(arguments));
  MC_ASSIGN_OR_RETURN(const RegisteredUser registered,
                      connection->api().Register(user, secret));
  fmt::print("user_id       {}\naccess_token  {}\ndevice_id     {}\n",
             registered.user_id, registered.access_token, registered.device_id);
  return OkStatus();
}

void PrintToken(const TokenInfo& token) {
  const std::string uses =
      token.uses_allowed ? std::to_string(*token.uses_allowed) : "any";
  std::string until = "for ever";
  if (token.expiry_time_ms) {
    until = fmt::format(
        "{:%Y-%m-%d %H:%M} UTC",
        fmt::gmtime(static_cast<std::time_t>(*token.expiry_time_ms / 1000)));
  }
  fmt::print("{}  used {} of {}, pending {}, valid until {}\n", token.token,
             token.completed, uses, token.pending, until);
}

Status NewToken(const Arguments& arguments) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(arguments));
  MC_ASSIGN_OR_RETURN(const auto connection, Connection::Open(arguments));
  TokenSpec spec = arguments.spec;
  if (arguments.uses > 0) spec.uses_allowed = arguments.uses;
  if (arguments.valid_hours > 0) {
    spec.expiry_time_ms =
        NewSystemClock()->Now().ms +
        static_cast<int64_t>(arguments.valid_hours * 3'600'000);
  }
  MC_ASSIGN_OR_RETURN(const TokenInfo made,
                      connection->api().NewToken(spec, access));
  PrintToken(made);
  return OkStatus();
}

Status ListTokens(const Arguments& arguments) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(arguments));
  MC_ASSIGN_OR_RETURN(const auto connection, Connection::Open(arguments));
  MC_ASSIGN_OR_RETURN(const auto tokens, connection->api().ListTokens(access));
  for (const TokenInfo& token : tokens) PrintToken(token);
  return OkStatus();
}

Status DeleteToken(const Arguments& arguments) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(arguments));
  MC_ASSIGN_OR_RETURN(const auto connection, Connection::Open(arguments));
  return connection->api().DeleteToken(arguments.token, access);
}

void AddCommon(CLI::App& command, Arguments& arguments) {
  command
      .add_option("-c,--config", arguments.config_file,
                  "The server's configuration file")
      ->type_name("FILE");
  command
      .add_option("--data-dir", arguments.data_dir,
                  "The server's data folder, instead of data_dir")
      ->type_name("DIR");
  command
      .add_option("--server", arguments.server_url,
                  "The server's URL, instead of the configured listener")
      ->type_name("URL");
  command
      .add_option("--ca-file", arguments.ca_file,
                  "A PEM file of authorities to trust besides the system's")
      ->type_name("FILE");
  command.add_flag("--insecure", arguments.insecure, "Accept any certificate");
}

void AddRegister(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand(
      "register", "Register a user by the server's shared secret");
  AddCommon(*command, arguments);
  command
      ->add_option("username", arguments.user.username,
                   "The localpart: alice for @alice:SERVER")
      ->required();
  command->add_flag("--admin", arguments.user.admin,
                    "Give the user administrators' rights");
  command
      ->add_option("--displayname", arguments.user.displayname,
                   "The user's display name")
      ->type_name("NAME");
  command
      ->add_option("--user-type", arguments.user.user_type,
                   "A type of user other than the ordinary one")
      ->type_name("TYPE");
  command
      ->add_option("--password-file", arguments.password_file,
                   "A file with the password in its first line, - for standard "
                   "input; without it the terminal is asked")
      ->type_name("FILE");
  command
      ->add_option("--shared-secret-file", arguments.secret_file,
                   "A file with the shared secret, instead of the configured "
                   "one")
      ->type_name("FILE");
}

void AddRegistrationToken(CLI::App& app, Arguments& arguments) {
  CLI::App* group = app.add_subcommand("registration-token",
                                       "Tokens that let people register");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* what) {
    CLI::App* command = group->add_subcommand(name, what);
    AddCommon(*command, arguments);
    command
        ->add_option("--access-token-file", arguments.access_token_file,
                     "A file with an administrator's access token, - for "
                     "standard input; else MATRIXCORE_ACCESS_TOKEN")
        ->type_name("FILE");
    return command;
  };
  CLI::App* make = add("new", "Make a token");
  make->add_option("--token", arguments.spec.token,
                   "The token, instead of a random one");
  make->add_option("--uses", arguments.uses,
                   "How many may register with it (any number)")
      ->check(CLI::PositiveNumber);
  make->add_option("--valid-hours", arguments.valid_hours,
                   "How long it is valid (for ever)")
      ->check(CLI::PositiveNumber);
  add("list", "List all tokens");
  CLI::App* remove = add("delete", "Make a token invalid");
  remove->add_option("token", arguments.token, "The token")->required();
}

Status Run(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("register")) return Register(arguments);
  const CLI::App* tokens = app.get_subcommand("registration-token");
  if (tokens->got_subcommand("new")) return NewToken(arguments);
  if (tokens->got_subcommand("list")) return ListTokens(arguments);
  return DeleteToken(arguments);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Operators' tool for the matrixcore homeserver.");
  app.set_version_flag("--version", "matrixcore-admin " MATRIXCORE_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  AddRegister(app, arguments);
  AddRegistrationToken(app, arguments);
  CLI11_PARSE(app, argc, argv);
  const Status status = Run(app, arguments);
  if (status.ok()) return 0;
  fmt::print(stderr, "matrixcore-admin: {}\n", status.message());
  return 1;
}
