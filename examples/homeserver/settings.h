// The table of settings: the one place that knows every key of the
// configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config.h"

namespace matrixcore::server {

enum class SettingType {
  kBool,
  kInteger,
  kSeconds,  // An integer or a fraction, in seconds.
  kNumber,
  kString,
  kStrings,  // A list of strings; comma separated in the environment.
};

// bool | kInteger | kSeconds and kNumber | kString | kStrings
using SettingValue =
    std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

struct Setting {
  std::string_view section;  // "" for keys before the first table.
  std::string_view key;
  SettingType type;
  std::string_view default_value;  // In TOML.
  std::string_view description;
  // Stores the value, or says what was expected instead ("" when it is good).
  // Null for a reserved key: it is checked for its type and has no effect yet.
  std::string (*apply)(Config& config, const SettingValue& value);
  // What a number must lie between.
  double min = 0;
  double max = 9e15;
};

// The keys of one [[listeners]] table.
struct ListenerSetting {
  std::string_view key;
  SettingType type;
  std::string_view default_value;
  std::string_view description;
  std::string (*apply)(ListenerConfig& listener, const SettingValue& value);
  double min = 0;
  double max = 9e15;
};

struct Section {
  std::string_view name;
  std::string_view description;
};

// In the order in which documents show them; keys of a section are adjacent.
std::span<const Section> AllSections();
std::span<const Setting> AllSettings();
std::span<const ListenerSetting> AllListenerSettings();

// "section.key", or "key" without a section.
std::string FullName(std::string_view section, std::string_view key);

}  // namespace matrixcore::server
