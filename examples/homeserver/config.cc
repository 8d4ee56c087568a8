#include "config.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>

#include "settings.h"

namespace matrixcore::server {
namespace {

constexpr std::string_view kPrefix = "MATRIXCORE__";
constexpr std::string_view kListeners = "listeners";

Status Bad(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}

// What a setting takes, for messages and documents.
template <typename AnySetting>
std::string Expected(const AnySetting& setting) {
  switch (setting.type) {
    case SettingType::kBool:
      return "true or false";
    case SettingType::kInteger:
      if (setting.max > 8e15) {
        return fmt::format("a whole number, {:.0f} or more", setting.min);
      }
      return fmt::format("a whole number from {:.0f} to {:.0f}", setting.min,
                         setting.max);
    case SettingType::kSeconds:
    case SettingType::kNumber:
      if (setting.max > 8e15) {
        return fmt::format("a number, {} or more", setting.min);
      }
      return fmt::format("a number from {} to {}", setting.min, setting.max);
    case SettingType::kString:
      return "a string";
    case SettingType::kStrings:
      return "a list of strings";
  }
  return "";
}

// ---------------------------------------------------------------------------
// Names

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::vector<std::string> AllNames() {
  std::vector<std::string> names;
  for (const Setting& setting : AllSettings()) {
    names.push_back(FullName(setting.section, setting.key));
  }
  for (const ListenerSetting& setting : AllListenerSettings()) {
    names.push_back(FullName(kListeners, setting.key));
  }
  for (const Section& section : AllSections()) {
    if (!section.name.empty()) names.emplace_back(section.name);
  }
  return names;
}

// "; did you mean X?", or "" when nothing is near.
std::string Suggestion(std::string_view name) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  const std::string_view key = name.substr(name.rfind('.') + 1);
  for (const std::string& known : AllNames()) {
    const std::string_view known_key =
        std::string_view(known).substr(known.rfind('.') + 1);
    // The right key in the wrong section counts as near.
    const size_t distance = key == known_key ? 1 : EditDistance(name, known);
    if (distance < best_distance) {
      best_distance = distance;
      best = known;
    }
  }
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

const Setting* FindSetting(std::string_view section, std::string_view key) {
  for (const Setting& setting : AllSettings()) {
    if (setting.section == section && setting.key == key) return &setting;
  }
  return nullptr;
}

const ListenerSetting* FindListenerSetting(std::string_view key) {
  for (const ListenerSetting& setting : AllListenerSettings()) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

bool IsSection(std::string_view name) {
  const auto sections = AllSections();
  return !name.empty() &&
         std::any_of(sections.begin(), sections.end(),
                     [&](const Section& s) { return s.name == name; });
}

// ---------------------------------------------------------------------------
// Values

bool InRange(double number, double min, double max) {
  return std::isfinite(number) && number >= min && number <= max;
}

// The node as a value of the setting's type; nothing when it is another or out
// of range.
template <typename AnySetting>
std::optional<SettingValue> ValueOf(const AnySetting& setting,
                                    const toml::node& node) {
  switch (setting.type) {
    case SettingType::kBool:
      if (const auto* value = node.as_boolean()) return value->get();
      return std::nullopt;
    case SettingType::kInteger:
      if (const auto* value = node.as_integer()) {
        const int64_t number = value->get();
        if (InRange(static_cast<double>(number), setting.min, setting.max)) {
          return number;
        }
      }
      return std::nullopt;
    case SettingType::kSeconds:
    case SettingType::kNumber: {
      const std::optional<double> number =
          node.is_number() ? node.value<double>() : std::nullopt;
      if (number && InRange(*number, setting.min, setting.max)) return *number;
      return std::nullopt;
    }
    case SettingType::kString:
      if (const auto* value = node.as_string()) return value->get();
      return std::nullopt;
    case SettingType::kStrings: {
      const toml::array* array = node.as_array();
      if (array == nullptr) return std::nullopt;
      std::vector<std::string> values;
      for (const toml::node& entry : *array) {
        const auto* text = entry.as_string();
        if (text == nullptr) return std::nullopt;
        values.push_back(text->get());
      }
      return values;
    }
  }
  return std::nullopt;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> values;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view entry = text.substr(0, comma);
    while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (!entry.empty()) values.emplace_back(entry);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return values;
}

template <typename T>
std::optional<T> ParseNumber(const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  T number{};
  in >> number;
  if (text.empty() || text[0] == ' ' || in.fail() || !in.eof()) {
    return std::nullopt;
  }
  return number;
}

// The same of an environment variable's text.
template <typename AnySetting>
std::optional<SettingValue> ValueOfText(const AnySetting& setting,
                                        const std::string& text) {
  switch (setting.type) {
    case SettingType::kBool:
      if (text == "true" || text == "1") return true;
      if (text == "false" || text == "0") return false;
      return std::nullopt;
    case SettingType::kInteger: {
      const auto number = ParseNumber<int64_t>(text);
      if (number &&
          InRange(static_cast<double>(*number), setting.min, setting.max)) {
        return *number;
      }
      return std::nullopt;
    }
    case SettingType::kSeconds:
    case SettingType::kNumber: {
      const auto number = ParseNumber<double>(text);
      if (number && InRange(*number, setting.min, setting.max)) return *number;
      return std::nullopt;
    }
    case SettingType::kString:
      return text;
    case SettingType::kStrings:
      return SplitList(text);
  }
  return std::nullopt;
}

// Stores a value or says what is wrong with it.
template <typename AnySetting, typename Target>
Status Apply(const AnySetting& setting, Target& target,
             const std::optional<SettingValue>& value, std::string_view where,
             std::string_view name) {
  if (!value) {
    return Bad(
        fmt::format("{}: {} must be {}", where, name, Expected(setting)));
  }
  if (setting.apply == nullptr) return OkStatus();
  const std::string expected = setting.apply(target, *value);
  if (expected.empty()) return OkStatus();
  return Bad(fmt::format("{}: {} must be {}", where, name, expected));
}

// ---------------------------------------------------------------------------
// Layers: defaults, file, environment

class Loader {
 public:
  explicit Loader(std::string_view name) : name_(name) {}

  Result<Config> Load(const toml::table& file, const Environment& environment) {
    MC_RETURN_IF_ERROR(ApplyDefaults());
    MC_RETURN_IF_ERROR(ApplyFile(file));
    MC_RETURN_IF_ERROR(ApplyEnvironment(environment));
    if (config_.listeners.empty()) {
      config_.listeners.push_back({.where = "the default listener"});
    }
    for (const ListenerConfig& listener : config_.listeners) {
      MC_RETURN_IF_ERROR(CheckListener(listener));
    }
    for (const Setting& setting : AllSettings()) {
      const std::string name = FullName(setting.section, setting.key);
      if (reserved_.contains(name)) config_.reserved.push_back(name);
    }
    return std::move(config_);
  }

 private:
  std::string Where(const toml::source_region& source) const {
    return fmt::format("{}:{}", name_, source.begin.line);
  }

  // By way of TOML, so that a default is good by the same rules.
  Status ApplyDefaults() {
    for (const Setting& setting : AllSettings()) {
      const toml::table table =
          toml::parse(fmt::format("value = {}", setting.default_value));
      MC_RETURN_IF_ERROR(Apply(setting, config_,
                               ValueOf(setting, *table.get("value")), "default",
                               setting.key));
    }
    return OkStatus();
  }

  Status ApplyFile(const toml::table& file) {
    for (const auto& [key, node] : file) {
      const std::string_view name = key.str();
      if (name == kListeners) {
        MC_RETURN_IF_ERROR(ApplyListeners(node));
      } else if (const toml::table* table = node.as_table();
                 table != nullptr && IsSection(name)) {
        for (const auto& [inner, value] : *table) {
          MC_RETURN_IF_ERROR(ApplyKey(name, inner.str(), value));
        }
      } else if (IsSection(name)) {
        return Bad(fmt::format("{}: {} must be a table: [{}]",
                               Where(node.source()), name, name));
      } else {
        MC_RETURN_IF_ERROR(ApplyKey("", name, node));
      }
    }
    return OkStatus();
  }

  Status ApplyKey(std::string_view section, std::string_view key,
                  const toml::node& node) {
    const std::string name = FullName(section, key);
    const std::string where = Where(node.source());
    const Setting* setting = FindSetting(section, key);
    if (setting == nullptr) {
      return Bad(fmt::format("{}: unknown {} {}{}", where,
                             node.is_table() ? "table" : "key", name,
                             Suggestion(name)));
    }
    if (setting->apply == nullptr) reserved_[name] = true;
    return Apply(*setting, config_, ValueOf(*setting, node), where, name);
  }

  Status ApplyListeners(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr || !array->is_array_of_tables()) {
      return Bad(
          fmt::format("{}: listeners are tables of their own, each begun with "
                      "[[listeners]]",
                      Where(node.source())));
    }
    for (const toml::node& entry : *array) {
      ListenerConfig listener;
      listener.where = Where(entry.source()) + ": listeners";
      for (const auto& [key, value] : *entry.as_table()) {
        const std::string name = FullName(kListeners, key.str());
        const std::string where = Where(value.source());
        const ListenerSetting* setting = FindListenerSetting(key.str());
        if (setting == nullptr) {
          return Bad(fmt::format("{}: unknown key {}{}", where, name,
                                 Suggestion(name)));
        }
        MC_RETURN_IF_ERROR(
            Apply(*setting, listener, ValueOf(*setting, value), where, name));
      }
      config_.listeners.push_back(std::move(listener));
    }
    return OkStatus();
  }

  Status ApplyEnvironment(const Environment& environment) {
    // Sorted, so that the listeners' numbers come in order.
    std::map<std::string, std::string> ours;
    for (const auto& [name, value] : environment) {
      if (name.starts_with(kPrefix)) ours[name] = value;
    }
    for (const auto& [name, value] : ours) {
      MC_RETURN_IF_ERROR(ApplyVariable(name, value));
    }
    return OkStatus();
  }

  Status ApplyVariable(const std::string& variable, const std::string& text) {
    std::string rest = variable.substr(kPrefix.size());
    std::transform(rest.begin(), rest.end(), rest.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    const size_t split = rest.find("__");
    const std::string section =
        split == std::string::npos ? "" : rest.substr(0, split);
    const std::string key =
        split == std::string::npos ? rest : rest.substr(split + 2);
    const std::string where = "environment variable " + variable;
    if (section == kListeners) return ApplyListenerVariable(where, key, text);
    const std::string name = FullName(section, key);
    const Setting* setting = FindSetting(section, key);
    if (setting == nullptr) {
      return Bad(
          fmt::format("{}: unknown key {}{}", where, name, Suggestion(name)));
    }
    if (setting->apply == nullptr) reserved_[name] = true;
    return Apply(*setting, config_, ValueOfText(*setting, text), where, name);
  }

  // MATRIXCORE__LISTENERS__0__PORT, of the first listener.
  Status ApplyListenerVariable(const std::string& where,
                               const std::string& rest,
                               const std::string& text) {
    const size_t split = std::min(rest.find("__"), rest.size());
    size_t index = 0;
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + split, index);
    const std::string key = split == rest.size() ? "" : rest.substr(split + 2);
    const ListenerSetting* setting = FindListenerSetting(key);
    if (error != std::errc() || end != rest.data() + split ||
        setting == nullptr) {
      return Bad(fmt::format(
          "{}: expected MATRIXCORE__LISTENERS__NUMBER__KEY, numbers from 0",
          where));
    }
    if (index > config_.listeners.size()) {
      return Bad(
          fmt::format("{}: there is no listener before that one", where));
    }
    if (index == config_.listeners.size()) {
      config_.listeners.push_back({.where = where});
    }
    return Apply(*setting, config_.listeners[index],
                 ValueOfText(*setting, text), where, FullName(kListeners, key));
  }

  static Status CheckListener(const ListenerConfig& listener) {
    if (!listener.tls) return OkStatus();
    if (listener.tls_certificate.empty() || listener.tls_private_key.empty()) {
      return Bad(
          fmt::format("{}: tls needs tls_certificate and "
                      "tls_private_key",
                      listener.where));
    }
    return OkStatus();
  }

  const std::string name_;
  Config config_;
  std::map<std::string, bool> reserved_;  // Reserved keys that were set.
};

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

Result<Config> ParseConfig(std::string_view text, std::string_view name,
                           const Environment& environment) {
  try {
    return Loader(name).Load(toml::parse(text), environment);
  } catch (const toml::parse_error& error) {
    return Bad(fmt::format("{}:{}: {}", name, error.source().begin.line,
                           error.description()));
  }
}

Result<Config> LoadConfig(const std::string& path,
                          const Environment& environment) {
  if (path.empty()) return ParseConfig("", "", environment);
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    // An empty file sets failbit too; that one is fine.
    if (!in.is_open() || in.bad() ||
        in.peek() != std::ifstream::traits_type::eof()) {
      return Status(StatusCode::kUnavailable,
                    fmt::format("cannot read the configuration {}", path));
    }
  }
  MC_ASSIGN_OR_RETURN(Config config,
                      ParseConfig(text.str(), path, environment));
  config.file = path;
  return config;
}

}  // namespace matrixcore::server
