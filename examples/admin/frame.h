// What the commands of matrixcore-admin have in common: the command line and
// the configuration of the server that they are for.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "config.h"
#include "matrixcore/base/status.h"

namespace matrixcore::admin {

constexpr int kDone = 0;
constexpr int kFailed = 1;  // Could not be done, or asked for in a wrong way.
constexpr int kWrong = 2;   // Was done, and found something wrong.

// What a command does after its options were read: the exit status.
using Action = std::function<Result<int>()>;

// The command line.  Not thread-safe.
class Program {
 public:
  Program();

  // A command of the program.  `name` is what people type.
  CLI::App& Add(const std::string& name, const std::string& description,
                Action action);
  // A command that is only a word before others, such as "token list".
  CLI::App& AddGroup(const std::string& name, const std::string& description);
  CLI::App& AddTo(CLI::App& group, const std::string& name,
                  const std::string& description, Action action);

  // Reads the command line and runs the command that it names.  Prints errors.
  int Run(int argc, char** argv);

 private:
  CLI::App app_;
  Action action_;
};

// Which server a command is for.
struct ServerOptions {
  std::string config_file = {};
  std::string data_dir = {};
};
void AddServerOptions(CLI::App& command, ServerOptions& options);

// The server's configuration as the server itself reads it: file, environment,
// and --data-dir over both.
Result<server::Config> ReadConfig(const ServerOptions& options);

// "2026-11-30 08:00 UTC" of milliseconds since 1970.
std::string TimeText(int64_t ts);

}  // namespace matrixcore::admin
