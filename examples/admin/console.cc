#include "console.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string_view>

namespace matrixcore::admin {
namespace {

// Switches the terminal's echo off while it lives.
class NoEcho {
 public:
  NoEcho() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~NoEcho() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

std::string Ask(std::string_view question) {
  fmt::print(stderr, "{}", question);
  std::string line;
  {
    const NoEcho silent;
    std::getline(std::cin, line);
  }
  fmt::print(stderr, "\n");
  return line;
}

}  // namespace

Result<std::string> ReadFirstLine(const std::string& path) {
  std::string line;
  if (path == "-") {
    std::getline(std::cin, line);
  } else {
    std::ifstream file(path);
    if (!file) {
      return Status(StatusCode::kUnavailable,
                    fmt::format("cannot read {}", path));
    }
    std::getline(file, line);
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{} has an empty first line",
                              path == "-" ? "standard input" : path));
  }
  return line;
}

Result<std::string> AskNewPassword() {
  if (isatty(STDIN_FILENO) == 0) return ReadFirstLine("-");
  std::string password = Ask("Password: ");
  if (password.empty()) {
    return Status(StatusCode::kInvalidArgument, "the password is empty");
  }
  if (Ask("The same again: ") != password) {
    return Status(StatusCode::kInvalidArgument, "the two passwords differ");
  }
  return password;
}

}  // namespace matrixcore::admin
