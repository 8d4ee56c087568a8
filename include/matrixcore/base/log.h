// Structured logging.
//
// A Logger is a constructor argument like everything else: several servers in
// one process log apart.  Each record has a level, the part that speaks, a
// short constant message and typed fields:
//
//   log.Info("room", "event persisted", {{"room_id", id}, {"position", pos}});
//
// Never log access tokens, passwords or message contents.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "matrixcore/base/status.h"

namespace matrixcore {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError, kOff };

// "info" -> kInfo; nothing for an unknown name.
std::optional<LogLevel> ParseLogLevel(std::string_view name);
std::string_view LogLevelName(LogLevel level);

// One named value of a record.  A view: valid during the call only.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, int64_t, double, bool> value;

  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const std::string& v)
      : name(n), value(std::string_view(v)) {}
  LogField(std::string_view n, const char* v)
      : name(n), value(std::string_view(v)) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) LogField(std::string_view n, T v)
      : name(n), value(static_cast<int64_t>(v)) {}
};

// Takes records.  Thread-safe.  Never fails and never blocks for long.
class Logger {
 public:
  virtual ~Logger() = default;

  virtual bool Enabled(LogLevel level) const = 0;
  virtual void Write(LogLevel level, std::string_view part,
                     std::string_view message,
                     std::span<const LogField> fields) = 0;
  // Returns when everything written before has reached its file.
  virtual void Flush() = 0;

  using Fields = std::initializer_list<LogField>;
  void Debug(std::string_view part, std::string_view m, Fields f = {}) {
    Log(LogLevel::kDebug, part, m, f);
  }
  void Info(std::string_view part, std::string_view m, Fields f = {}) {
    Log(LogLevel::kInfo, part, m, f);
  }
  void Warn(std::string_view part, std::string_view m, Fields f = {}) {
    Log(LogLevel::kWarn, part, m, f);
  }
  void Error(std::string_view part, std::string_view m, Fields f = {}) {
    Log(LogLevel::kError, part, m, f);
  }
  void Log(LogLevel level, std::string_view part, std::string_view message,
           Fields fields) {
    if (Enabled(level)) {
      Write(level, part, message, {fields.begin(), fields.size()});
    }
  }
};

enum class LogFormat { kText, kJson };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  // A path to append to; "" or "-" for standard error.  The file is reopened by
  // name when it has been moved away (log rotation), within a second of records
  // or at the next Flush.
  std::string file;
};

// kUnavailable when the file cannot be opened; the message names it.
Result<std::unique_ptr<Logger>> NewLogger(const LogOptions& options);

// Drops everything.
std::unique_ptr<Logger> NewNullLogger();

}  // namespace matrixcore
