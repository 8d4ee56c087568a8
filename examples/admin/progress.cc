#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace matrixcore::admin {
namespace {

constexpr Duration kSilence = seconds(1);
constexpr Duration kRedraw = milliseconds(200);
constexpr Duration kNextLine = seconds(5);

std::string Amount(Unit unit, uint64_t amount) {
  return unit == Unit::kBytes ? BytesText(amount) : std::to_string(amount);
}

// 75 seconds are "1:15", 3661 are "1:01:01".
std::string TimeText(double seconds_left) {
  const auto total = static_cast<uint64_t>(std::ceil(seconds_left));
  const uint64_t hours = total / 3600;
  const uint64_t minutes = total / 60 % 60;
  if (hours > 0) {
    return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
  }
  return fmt::format("{}:{:02}", minutes, total % 60);
}

}  // namespace

std::string BytesText(uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"KiB", "MiB", "GiB",
                                                      "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

Progress::Progress(std::string what, Unit unit)
    : what_(std::move(what)),
      unit_(unit),
      own_clock_(NewSystemClock()),
      clock_(*own_clock_),
      out_(stderr),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(clock_.Monotonic()),
      next_(start_ + kSilence) {}

Progress::Progress(std::string what, Unit unit, const Clock& clock,
                   std::FILE* out, bool terminal)
    : what_(std::move(what)),
      unit_(unit),
      clock_(clock),
      out_(out),
      terminal_(terminal),
      start_(clock_.Monotonic()),
      next_(start_ + kSilence) {}

Progress::~Progress() { Finish(); }

void Progress::Update(uint64_t done, uint64_t total) {
  done_ = done;
  total_ = std::max(done, total);
  if (total == 0) total_ = 0;
  const MonotonicTime now = clock_.Monotonic();
  if (finished_ || now < next_) return;
  next_ = now + (terminal_ ? kRedraw : kNextLine);
  Draw(now);
}

void Progress::Draw(MonotonicTime now) {
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done_) / elapsed;
  std::string line = what_;
  if (total_ > 0) {
    line += fmt::format("  {:3} %  {} of {}", done_ * 100 / total_,
                        Amount(unit_, done_), Amount(unit_, total_));
  } else {
    line += fmt::format("  {}", Amount(unit_, done_));
  }
  line += fmt::format("  {}/s", Amount(unit_, static_cast<uint64_t>(rate)));
  if (total_ > done_ && rate > 0) {
    line += fmt::format("  {} left",
                        TimeText(static_cast<double>(total_ - done_) / rate));
  }
  if (terminal_) {
    // To the beginning of the line, and nothing after it.
    fmt::print(out_, "\r{}\033[K", line);
  } else {
    fmt::print(out_, "{}\n", line);
  }
  std::fflush(out_);
  drawn_ = true;
}

void Progress::Finish() {
  if (std::exchange(finished_, true) || !drawn_) return;
  Draw(clock_.Monotonic());
  if (terminal_) fmt::print(out_, "\n");
  std::fflush(out_);
}

}  // namespace matrixcore::admin
