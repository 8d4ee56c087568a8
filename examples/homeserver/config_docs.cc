#include <fmt/format.h>

#include <string>

#include "config.h"
#include "settings.h"

namespace matrixcore::server {
namespace {

constexpr std::string_view kFileIntro =
    "# Configuration of the matrixcore homeserver.  Every key is here with "
    "its\n"
    "# default; remove the # before a key to change it.\n";

constexpr std::string_view kDocsIntro = R"(# Configuration

<!-- Made by `homeserver --print-config-docs`; a test compares the two. -->

The homeserver reads one TOML file, given by `--config`. Without one, every key
has its default. `homeserver --print-default-config` prints a file with all
keys to start from; `homeserver --check-config --config FILE` says whether a
file is good. A key that does not exist, a value of the wrong type or out of
range is an error that names the file and the line, and the server does not
start.

Every key can be overridden by an environment variable: `MATRIXCORE__`, the
section, `__`, the key, in capitals; without the section for keys of the top
level. A list is comma separated. The first listener's port is
`MATRIXCORE__LISTENERS__0__PORT`. `--data-dir` overrides both.

The file is read at the start; a change needs a restart. On `SIGHUP` the server
reads the TLS certificates again, and goes on with a log file of the same name
if the old one was moved away.

Sections marked **reserved** belong to features that this version does not have
yet: their keys are checked for their type, have no effect, and the log says so
at the start.
)";

bool IsReserved(std::string_view section) {
  for (const Setting& setting : AllSettings()) {
    if (setting.section == section && setting.apply != nullptr) return false;
  }
  return true;
}

std::string_view TypeName(SettingType type) {
  switch (type) {
    case SettingType::kBool:
      return "boolean";
    case SettingType::kInteger:
      return "integer";
    case SettingType::kSeconds:
      return "seconds";
    case SettingType::kNumber:
      return "number";
    case SettingType::kString:
      return "string";
    case SettingType::kStrings:
      return "list of strings";
  }
  return "";
}

// `text` as comment lines of at most 78 characters.
void AppendComment(std::string& out, std::string_view text) {
  while (!text.empty()) {
    size_t end = text.size();
    if (end > 76) {
      end = text.rfind(' ', 76);
      if (end == std::string_view::npos)
        end = std::min(text.find(' '), text.size());
    }
    out.append("# ").append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

template <typename AnySetting>
void AppendKey(std::string& out, const AnySetting& setting) {
  out += '\n';
  AppendComment(out, setting.description);
  fmt::format_to(std::back_inserter(out), "#{} = {}\n", setting.key,
                 setting.default_value);
}

template <typename AnySetting>
void AppendRow(std::string& out, const AnySetting& setting) {
  fmt::format_to(std::back_inserter(out), "| `{}` | {} | `{}` | {} |\n",
                 setting.key, TypeName(setting.type), setting.default_value,
                 setting.description);
}

constexpr std::string_view kTableHead =
    "\n| key | type | default | meaning |\n|---|---|---|---|\n";
constexpr std::string_view kListenersIntro =
    "Where to listen: one table for each address and port. Without any there "
    "is one with the defaults. Every listener serves everything.";

}  // namespace

std::string DefaultConfigText() {
  std::string out(kFileIntro);
  for (const Section& section : AllSections()) {
    if (!section.name.empty()) {
      out += "\n\n";
      AppendComment(out, section.description);
      if (IsReserved(section.name)) {
        AppendComment(out, "Reserved: has no effect yet.");
      }
      fmt::format_to(std::back_inserter(out), "[{}]\n", section.name);
    }
    for (const Setting& setting : AllSettings()) {
      if (setting.section == section.name) AppendKey(out, setting);
    }
  }
  out += "\n\n";
  AppendComment(out, kListenersIntro);
  out += "[[listeners]]\n";
  for (const ListenerSetting& setting : AllListenerSettings()) {
    AppendKey(out, setting);
  }
  return out;
}

std::string ConfigDocs() {
  std::string out(kDocsIntro);
  for (const Section& section : AllSections()) {
    const bool reserved = IsReserved(section.name);
    if (section.name.empty()) {
      out += "\n## Top level\n\n";
    } else {
      fmt::format_to(std::back_inserter(out), "\n## [{}]\n\n", section.name);
    }
    out.append(section.description);
    if (reserved) out += " **Reserved: has no effect yet.**";
    out.append("\n").append(kTableHead);
    for (const Setting& setting : AllSettings()) {
      if (setting.section == section.name) AppendRow(out, setting);
    }
  }
  out.append("\n## [[listeners]]\n\n").append(kListenersIntro).append("\n");
  out.append(kTableHead);
  for (const ListenerSetting& setting : AllListenerSettings()) {
    AppendRow(out, setting);
  }
  return out;
}

}  // namespace matrixcore::server
