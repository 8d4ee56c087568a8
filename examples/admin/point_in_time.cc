#include "point_in_time.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <optional>

namespace matrixcore::admin {
namespace {

// The number at the beginning of the text, which is cut off; nothing if there
// is none.
std::optional<int> TakeNumber(std::string_view* text) {
  int number = 0;
  const auto [end, error] =
      std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return number;
}

bool Take(std::string_view* text, char wanted) {
  if (!text->starts_with(wanted)) return false;
  text->remove_prefix(1);
  return true;
}

std::optional<int64_t> AgeInMs(std::string_view text) {
  const std::optional<int> number = TakeNumber(&text);
  if (!number || text.size() != 1) return std::nullopt;
  constexpr int64_t kMinute = 60'000;
  switch (text[0]) {
    case 'm':
      return *number * kMinute;
    case 'h':
      return *number * 60 * kMinute;
    case 'd':
      return *number * 24 * 60 * kMinute;
    case 'w':
      return *number * 7 * 24 * 60 * kMinute;
    default:
      return std::nullopt;
  }
}

// "HH:MM:SSZ" in milliseconds.
std::optional<int64_t> TimeOfDay(std::string_view text) {
  const std::optional<int> hour = TakeNumber(&text);
  if (!hour || *hour > 23 || !Take(&text, ':')) return std::nullopt;
  const std::optional<int> minute = TakeNumber(&text);
  if (!minute || *minute > 59 || !Take(&text, ':')) return std::nullopt;
  const std::optional<int> second = TakeNumber(&text);
  if (!second || *second > 59 || text != "Z") return std::nullopt;
  return ((*hour * 60 + *minute) * 60 + *second) * int64_t{1000};
}

std::optional<int64_t> Moment(std::string_view text) {
  const std::optional<int> year = TakeNumber(&text);
  if (!year || !Take(&text, '-')) return std::nullopt;
  const std::optional<int> month = TakeNumber(&text);
  if (!month || !Take(&text, '-')) return std::nullopt;
  const std::optional<int> day = TakeNumber(&text);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(*year),
      std::chrono::month(static_cast<unsigned>(*month)),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  int64_t ms = std::chrono::sys_days(date).time_since_epoch().count() *
               int64_t{86'400'000};
  if (text.empty()) return ms;
  if (!Take(&text, 'T')) return std::nullopt;
  const std::optional<int64_t> time = TimeOfDay(text);
  if (!time) return std::nullopt;
  return ms + *time;
}

}  // namespace

Result<Timestamp> ParsePointInTime(std::string_view text, Timestamp now) {
  if (const auto age = AgeInMs(text)) return Timestamp{now.ms - *age};
  if (const auto moment = Moment(text)) return Timestamp{*moment};
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format("'{}' is no event id ($...), no time (2026-01-31, "
                  "2026-01-31T12:00:00Z) and no age (30m, 12h, 90d, 8w)",
                  text));
}

}  // namespace matrixcore::admin
