#include "matrixcore/event/server_acl.h"

#include <algorithm>

namespace matrixcore {
namespace {

std::vector<Glob> ReadPatterns(json::Value list) {
  std::vector<Glob> patterns;
  if (!list.IsArray()) return patterns;
  for (const json::Value pattern : list) {
    if (const auto text = pattern.AsString()) patterns.emplace_back(*text);
  }
  return patterns;
}

std::string_view WithoutPort(std::string_view server_name) {
  const size_t bracket = server_name.rfind(']');
  const size_t colon = server_name.rfind(':');
  if (colon == std::string_view::npos ||
      (bracket != std::string_view::npos && colon < bracket)) {
    return server_name;
  }
  return server_name.substr(0, colon);
}

// "[...]" or four numbers.
bool IsIpLiteral(std::string_view host) {
  if (!host.empty() && host.front() == '[') return true;
  if (host.find_first_not_of("0123456789.") != std::string_view::npos) {
    return false;
  }
  return std::count(host.begin(), host.end(), '.') == 3;
}

bool AnyMatches(const std::vector<Glob>& patterns, std::string_view host) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [host](const Glob& glob) { return glob.Matches(host); });
}

}  // namespace

ServerAcl::ServerAcl(const Event* event) {
  if (event != nullptr) *this = FromContent(event->content());
}

ServerAcl ServerAcl::FromContent(json::Value content) {
  ServerAcl acl(nullptr);
  acl.present_ = true;
  acl.allow_ip_literals_ = content["allow_ip_literals"].AsBool().value_or(true);
  acl.allow_ = ReadPatterns(content["allow"]);
  acl.deny_ = ReadPatterns(content["deny"]);
  return acl;
}

bool ServerAcl::Allows(std::string_view server_name) const {
  if (!present_) return true;
  const std::string_view host = WithoutPort(server_name);
  if (!allow_ip_literals_ && IsIpLiteral(host)) return false;
  return !AnyMatches(deny_, host) && AnyMatches(allow_, host);
}

}  // namespace matrixcore
