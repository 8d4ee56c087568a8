#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "commands.h"
#include "console.h"
#include "data_dir.h"
#include "server_connection.h"

namespace matrixcore::admin {
namespace {

struct Options {
  ConnectionOptions connection = {};
  NewUser user = {};
  std::string secret_file = {};
  std::string password_file = {};
};

// The shared secret: of --shared-secret-file, of the configuration, or the one
// that the server made.
Result<std::string> FindSecret(const Options& options) {
  if (!options.secret_file.empty()) return ReadFirstLine(options.secret_file);
  MC_ASSIGN_OR_RETURN(const server::Config config,
                      ReadConfig(options.connection.server));
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

Result<int> Register(const Options& options) {
  MC_ASSIGN_OR_RETURN(const std::string secret, FindSecret(options));
  NewUser user = options.user;
  MC_ASSIGN_OR_RETURN(user.password,
                      options.password_file.empty()
                          ? AskNewPassword()
                          : ReadFirstLine(options.password_file));
  MC_ASSIGN_OR_RETURN(const auto connection,
                      ServerConnection::Open(options.connection));
  MC_ASSIGN_OR_RETURN(const RegisteredUser registered,
                      connection->api().Register(user, secret));
  fmt::print("user_id       {}\naccess_token  {}\ndevice_id     {}\n",
             registered.user_id, registered.access_token, registered.device_id);
  return kDone;
}

}  // namespace

void AddRegister(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      program.Add("register", "Register a user by the server's shared secret",
                  [options] { return Register(*options); });
  AddConnectionOptions(command, options->connection);
  command
      .add_option("username", options->user.username,
                  "The localpart: alice for @alice:SERVER")
      ->required();
  command.add_flag("--admin", options->user.admin,
                   "Give the user administrators' rights");
  command
      .add_option("--displayname", options->user.displayname,
                  "The user's display name")
      ->type_name("NAME");
  command
      .add_option("--user-type", options->user.user_type,
                  "A type of user other than the ordinary one")
      ->type_name("TYPE");
  command
      .add_option("--password-file", options->password_file,
                  "A file with the password in its first line, - for standard "
                  "input; without it the terminal is asked")
      ->type_name("FILE");
  command
      .add_option("--shared-secret-file", options->secret_file,
                  "A file with the shared secret, instead of the configured "
                  "one")
      ->type_name("FILE");
}

}  // namespace matrixcore::admin
