#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "commands.h"
#include "console.h"
#include "matrixcore/base/time.h"
#include "server_connection.h"

namespace matrixcore::admin {
namespace {

constexpr const char* kTokenVariable = "MATRIXCORE_ACCESS_TOKEN";

struct Options {
  ConnectionOptions connection = {};
  std::string access_token_file = {};
  TokenSpec spec = {};
  int64_t uses = 0;
  double valid_hours = 0;
  std::string token = {};
};

Result<std::string> FindAccessToken(const Options& options) {
  if (!options.access_token_file.empty()) {
    return ReadFirstLine(options.access_token_file);
  }
  const char* token = std::getenv(kTokenVariable);
  if (token != nullptr && *token != '\0') return std::string(token);
  return Status(StatusCode::kInvalidArgument,
                fmt::format("give an administrator's access token by "
                            "--access-token-file or {}",
                            kTokenVariable));
}

void PrintToken(const TokenInfo& token) {
  const std::string uses =
      token.uses_allowed ? std::to_string(*token.uses_allowed) : "any";
  std::string until = "for ever";
  if (token.expiry_time_ms) {
    until = TimeText(*token.expiry_time_ms);
  }
  fmt::print("{}  used {} of {}, pending {}, valid until {}\n", token.token,
             token.completed, uses, token.pending, until);
}

Result<int> NewToken(const Options& options) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(options));
  MC_ASSIGN_OR_RETURN(const auto connection,
                      ServerConnection::Open(options.connection));
  TokenSpec spec = options.spec;
  if (options.uses > 0) spec.uses_allowed = options.uses;
  if (options.valid_hours > 0) {
    spec.expiry_time_ms = NewSystemClock()->Now().ms +
                          static_cast<int64_t>(options.valid_hours * 3'600'000);
  }
  MC_ASSIGN_OR_RETURN(const TokenInfo made,
                      connection->api().NewToken(spec, access));
  PrintToken(made);
  return kDone;
}

Result<int> ListTokens(const Options& options) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(options));
  MC_ASSIGN_OR_RETURN(const auto connection,
                      ServerConnection::Open(options.connection));
  MC_ASSIGN_OR_RETURN(const auto tokens, connection->api().ListTokens(access));
  for (const TokenInfo& token : tokens) PrintToken(token);
  return kDone;
}

Result<int> DeleteToken(const Options& options) {
  MC_ASSIGN_OR_RETURN(const std::string access, FindAccessToken(options));
  MC_ASSIGN_OR_RETURN(const auto connection,
                      ServerConnection::Open(options.connection));
  MC_RETURN_IF_ERROR(connection->api().DeleteToken(options.token, access));
  return kDone;
}

}  // namespace

void AddRegistrationToken(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& group =
      program.AddGroup("registration-token", "Tokens that let people register");
  const auto add = [&](const char* name, const char* what,
                       Result<int> (*run)(const Options&)) -> CLI::App& {
    CLI::App& command = program.AddTo(group, name, what,
                                      [options, run] { return run(*options); });
    AddConnectionOptions(command, options->connection);
    command
        .add_option("--access-token-file", options->access_token_file,
                    "A file with an administrator's access token, - for "
                    "standard input; else MATRIXCORE_ACCESS_TOKEN")
        ->type_name("FILE");
    return command;
  };
  CLI::App& make = add("new", "Make a token", &NewToken);
  make.add_option("--token", options->spec.token,
                  "The token, instead of a random one");
  make.add_option("--uses", options->uses,
                  "How many may register with it (any number)")
      ->check(CLI::PositiveNumber);
  make.add_option("--valid-hours", options->valid_hours,
                  "How long it is valid (for ever)")
      ->check(CLI::PositiveNumber);
  add("list", "List all tokens", &ListTokens);
  add("delete", "Make a token invalid", &DeleteToken)
      .add_option("token", options->token, "The token")
      ->required();
}

}  // namespace matrixcore::admin
