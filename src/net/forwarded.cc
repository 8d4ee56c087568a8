#include "net/forwarded.h"

#include <strings.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace matrixcore::net {
namespace {

// All X-Forwarded-For fields as one list (RFC 9110 section 5.3).
std::string JoinedForwardedFor(const HttpHeaders& headers) {
  std::string joined;
  for (const auto& [name, value] : headers.fields()) {
    if (strcasecmp(name.c_str(), "x-forwarded-for") != 0) continue;
    if (!joined.empty()) joined += ',';
    joined += value;
  }
  return joined;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// Some proxies write "192.0.2.1:4711" or "[2001:db8::1]:4711".
std::optional<IpAddress> ParseHop(std::string_view hop) {
  if (const auto address = IpAddress::Parse(hop)) return address;
  const size_t colon = hop.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return IpAddress::Parse(hop.substr(0, colon));
}

}  // namespace

bool InRanges(const IpAddress& address, std::span<const IpRange> ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const IpRange& range) {
    return range.Contains(address);
  });
}

std::optional<IpAddress> ForwardedClient(const HttpHeaders& headers,
                                         std::span<const IpRange> trusted) {
  const std::string joined = JoinedForwardedFor(headers);
  std::string_view rest = joined;
  std::optional<IpAddress> client;
  while (!rest.empty()) {
    const size_t comma = rest.rfind(',');
    const bool last = comma == std::string_view::npos;
    const std::string_view hop = Trim(last ? rest : rest.substr(comma + 1));
    rest = last ? std::string_view() : rest.substr(0, comma);
    const std::optional<IpAddress> address = ParseHop(hop);
    if (!address) break;
    client = address;
    if (!InRanges(*address, trusted)) break;
  }
  return client;
}

}  // namespace matrixcore::net
