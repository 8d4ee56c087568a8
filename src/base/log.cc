#include "matrixcore/base/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "matrixcore/base/utf8.h"

namespace matrixcore {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {
    "trace", "debug", "info", "warn", "error", "off"};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// Appends what may stand between the quotes of a JSON string.
void AppendEscaped(std::string* out, std::string_view text) {
  std::string repaired;
  if (!IsValidUtf8(text)) {
    AppendValidUtf8(&repaired, text);
    text = repaired;
  }
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}",
                     static_cast<unsigned>(c));
    } else {
      out->push_back(c);
    }
  }
}

void AppendQuoted(std::string* out, std::string_view text) {
  out->push_back('"');
  AppendEscaped(out, text);
  out->push_back('"');
}

// Whether a value can stand in a text record without quotes.
bool IsPlain(std::string_view text) {
  if (text.empty() || !IsValidUtf8(text)) return false;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '"' || c == '\\' || c == '=') {
      return false;
    }
  }
  return true;
}

// Numbers and booleans look the same in both formats.
struct AppendValue {
  std::string* out;
  LogFormat format;

  void operator()(std::string_view text) const {
    if (format == LogFormat::kText && IsPlain(text)) {
      out->append(text);
    } else {
      AppendQuoted(out, text);
    }
  }
  void operator()(int64_t number) const {
    fmt::format_to(std::back_inserter(*out), "{}", number);
  }
  void operator()(double number) const {
    if (std::isfinite(number) || format == LogFormat::kText) {
      fmt::format_to(std::back_inserter(*out), "{}", number);
    } else {
      out->append("null");  // JSON has no word for it.
    }
  }
  void operator()(bool value) const { out->append(value ? "true" : "false"); }
};

// Appends records to a descriptor, one write(2) each, so that records of
// several processes do not mix.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // Owns `fd` when `path` is not empty.
  DescriptorSink(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~DescriptorSink() override {
    if (!path_.empty()) close(fd_);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (message.time - checked_ >= std::chrono::seconds(1) ||
        message.time < checked_) {
      checked_ = message.time;
      ReopenIfMoved();
    }
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    Write({line.data(), line.size()});
  }
  void flush_() override { ReopenIfMoved(); }

 private:
  // A record that cannot be written, say on a full disk, is lost: a server
  // does not stop for its log.
  void Write(std::string_view line) const {
    while (!line.empty()) {
      const ssize_t done = ::write(fd_, line.data(), line.size());
      if (done < 0) {
        if (errno == EINTR) continue;
        return;
      }
      line.remove_prefix(static_cast<size_t>(done));
    }
  }

  void ReopenIfMoved() {
    if (path_.empty()) return;
    struct stat by_name = {};
    struct stat by_descriptor = {};
    if (stat(path_.c_str(), &by_name) == 0 && fstat(fd_, &by_descriptor) == 0 &&
        by_name.st_ino == by_descriptor.st_ino &&
        by_name.st_dev == by_descriptor.st_dev) {
      return;
    }
    const int fd = Open(path_);
    if (fd < 0) return;
    close(fd_);
    fd_ = fd;
  }

 public:
  static int Open(const std::string& path) {
    return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  }

 private:
  int fd_;
  const std::string path_;
  std::chrono::system_clock::time_point checked_;
};

class SpdlogLogger final : public Logger {
 public:
  SpdlogLogger(const LogOptions& options, spdlog::sink_ptr sink)
      : format_(options.format), logger_("matrixcore", std::move(sink)) {
    logger_.set_level(ToSpdlog(options.level));
    // The file is in UTC whatever the machine's time zone is.
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format_ == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})"
                                    : "%Y-%m-%dT%H:%M:%S.%eZ %v",
        spdlog::pattern_time_type::utc, "\n"));
  }

  bool Enabled(LogLevel level) const override {
    return level != LogLevel::kOff && logger_.should_log(ToSpdlog(level));
  }

  void Write(LogLevel level, std::string_view part, std::string_view message,
             std::span<const LogField> fields) override {
    std::string record;
    if (format_ == LogFormat::kJson) {
      AppendJson(&record, level, part, message, fields);
    } else {
      AppendText(&record, level, part, message, fields);
    }
    logger_.log(ToSpdlog(level), spdlog::string_view_t(record));
  }

  void Flush() override { logger_.flush(); }

 private:
  static void AppendJson(std::string* out, LogLevel level,
                         std::string_view part, std::string_view message,
                         std::span<const LogField> fields) {
    out->append(R"("level":")").append(LogLevelName(level));
    out->append(R"(","part":)");
    AppendQuoted(out, part);
    out->append(R"(,"message":)");
    AppendQuoted(out, message);
    for (const LogField& field : fields) {
      out->push_back(',');
      AppendQuoted(out, field.name);
      out->push_back(':');
      std::visit(AppendValue{out, LogFormat::kJson}, field.value);
    }
  }

  static void AppendText(std::string* out, LogLevel level,
                         std::string_view part, std::string_view message,
                         std::span<const LogField> fields) {
    fmt::format_to(std::back_inserter(*out), "{:<5} {}: ", LogLevelName(level),
                   part);
    AppendEscaped(out, message);
    for (const LogField& field : fields) {
      out->push_back(' ');
      out->append(field.name);
      out->push_back('=');
      std::visit(AppendValue{out, LogFormat::kText}, field.value);
    }
  }

  const LogFormat format_;
  spdlog::logger logger_;
};

class NullLogger final : public Logger {
 public:
  bool Enabled(LogLevel) const override { return false; }
  void Write(LogLevel, std::string_view, std::string_view,
             std::span<const LogField>) override {}
  void Flush() override {}
};

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  for (size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::string_view LogLevelName(LogLevel level) {
  return kLevelNames[static_cast<size_t>(level)];
}

Result<std::unique_ptr<Logger>> NewLogger(const LogOptions& options) {
  const bool to_file = !options.file.empty() && options.file != "-";
  int fd = STDERR_FILENO;
  if (to_file) {
    fd = DescriptorSink::Open(options.file);
    if (fd < 0) {
      return Status(StatusCode::kUnavailable,
                    fmt::format("cannot open the log file {}: {}", options.file,
                                std::strerror(errno)));
    }
  }
  auto sink = std::make_shared<DescriptorSink>(
      fd, to_file ? options.file : std::string());
  std::unique_ptr<Logger> logger =
      std::make_unique<SpdlogLogger>(options, std::move(sink));
  return logger;
}

std::unique_ptr<Logger> NewNullLogger() {
  return std::make_unique<NullLogger>();
}

}  // namespace matrixcore
