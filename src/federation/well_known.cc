#include "federation/well_known.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/value.h"

namespace matrixcore {
namespace {

constexpr int64_t kDefaultLifetime = 24 * 3600;
constexpr int64_t kMaxLifetime = 48 * 3600;

bool IsIpv4(std::string_view host) {
  return std::all_of(
             host.begin(), host.end(),
             [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) &&
         std::count(host.begin(), host.end(), '.') == 3;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// The seconds of max-age; nothing for what is no number.
std::optional<int64_t> Seconds(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = std::min(value * 10 + (c - '0'), kMaxLifetime);
  }
  return value;
}

}  // namespace

ServerNameParts SplitServerName(std::string_view server_name) {
  ServerNameParts parts{.host = server_name};
  const size_t bracket = server_name.find(']');
  const size_t colon =
      server_name.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    parts.host = server_name.substr(0, colon);
    parts.port = server_name.substr(colon + 1);
  }
  parts.is_ip = bracket != std::string_view::npos || IsIpv4(parts.host);
  return parts;
}

ServerLocation PlainLocation(std::string_view server_name) {
  const ServerNameParts parts = SplitServerName(server_name);
  return {.authority = fmt::format("{}:{}", parts.host,
                                   parts.port.empty() ? "8448" : parts.port),
          .host = std::string(server_name)};
}

std::optional<std::string> DelegatedName(const HttpResponse& response) {
  if (response.status != 200) return std::nullopt;
  const Result<json::Document> body = json::Document::ParseView(response.body);
  if (!body.ok()) return std::nullopt;
  const auto name = body->root()["m.server"].AsString();
  if (!name || !IsServerName(*name)) return std::nullopt;
  return std::string(*name);
}

Duration LifetimeOf(const HttpResponse& response) {
  const std::string_view field =
      response.headers.Get("Cache-Control").value_or("");
  int64_t lifetime = kDefaultLifetime;
  for (std::string_view rest = field; !rest.empty();) {
    const size_t comma = rest.find(',');
    std::string directive(Trimmed(rest.substr(0, comma)));
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    std::transform(
        directive.begin(), directive.end(), directive.begin(),
        [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (directive == "no-store" || directive == "no-cache") {
      return Duration::zero();
    }
    constexpr std::string_view kMaxAge = "max-age=";
    if (directive.rfind(kMaxAge, 0) != 0) continue;
    lifetime = Seconds(std::string_view(directive).substr(kMaxAge.size()))
                   .value_or(lifetime);
  }
  return seconds(std::min(lifetime, kMaxLifetime));
}

}  // namespace matrixcore
