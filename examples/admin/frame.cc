#include "frame.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <utility>

namespace matrixcore::admin {

Program::Program() : app_("Operators' tool for the matrixcore homeserver.") {
  app_.set_version_flag("--version", "matrixcore-admin " MATRIXCORE_VERSION);
  app_.require_subcommand(1);
  app_.footer(
      "Exit status: 0 when it was done, 1 when it could not be done, 2 when "
      "something was checked and is wrong.\n"
      "matrixcore-admin COMMAND --help tells the options of a command.");
}

CLI::App& Program::Add(const std::string& name, const std::string& description,
                       Action action) {
  return AddTo(app_, name, description, std::move(action));
}

CLI::App& Program::AddGroup(const std::string& name,
                            const std::string& description) {
  CLI::App* group = app_.add_subcommand(name, description);
  group->require_subcommand(1);
  return *group;
}

CLI::App& Program::AddTo(CLI::App& group, const std::string& name,
                         const std::string& description, Action action) {
  CLI::App* command = group.add_subcommand(name, description);
  command->callback([this, action = std::move(action)] { action_ = action; });
  return *command;
}

int Program::Run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_.exit(error) == 0 ? kDone : kFailed;
  }
  const Result<int> status = action_();
  if (status.ok()) return *status;
  fmt::print(stderr, "matrixcore-admin: {}\n", status.status().message());
  return kFailed;
}

void AddServerOptions(CLI::App& command, ServerOptions& options) {
  command
      .add_option("-c,--config", options.config_file,
                  "The server's configuration file")
      ->type_name("FILE");
  command
      .add_option("--data-dir", options.data_dir,
                  "The server's data folder, instead of data_dir")
      ->type_name("DIR");
}

Result<server::Config> ReadConfig(const ServerOptions& options) {
  MC_ASSIGN_OR_RETURN(
      server::Config config,
      server::LoadConfig(options.config_file, server::ProcessEnvironment()));
  if (!options.data_dir.empty()) config.data_dir = options.data_dir;
  return config;
}

std::string TimeText(int64_t ts) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC",
                     fmt::gmtime(static_cast<std::time_t>(ts / 1000)));
}

}  // namespace matrixcore::admin
