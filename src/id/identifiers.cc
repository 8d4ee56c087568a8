#include "matrixcore/id/identifiers.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "matrixcore/base/utf8.h"

namespace matrixcore {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsAlphaNumeric(char c) {
  return IsDigit(c) || IsLower(c) || (c >= 'A' && c <= 'Z');
}

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// 1*5DIGIT
bool IsPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 && All(text, IsDigit);
}

// IPv4 addresses are dns-names too, as far as the grammar goes.
bool IsDnsName(std::string_view text) {
  return !text.empty() && text.size() <= 255 && All(text, [](char c) {
    return IsAlphaNumeric(c) || c == '-' || c == '.';
  });
}

// An IPv6 literal without its brackets.
bool IsIpv6Address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy = {};
  if (text.size() >= copy.size()) return false;
  text.copy(copy.data(), text.size());
  in6_addr address;
  return text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, copy.data(), &address) == 1;
}

// Code points other than ':' and NUL.
bool IsHistoricalLocalpart(std::string_view text) {
  return text.find('\0') == std::string_view::npos && IsValidUtf8(text);
}

bool IsWithDomain(std::string_view id, char sigil) {
  const std::optional<IdentifierParts> parts = SplitIdentifier(id, sigil);
  return parts && IsHistoricalLocalpart(parts->localpart);
}

// Room and event ids of the newer room versions: a sigil and a hash.  Any
// printable ASCII passes, since such ids are opaque.
bool IsWithoutDomain(std::string_view id, char sigil) {
  return id.size() >= 2 && id.size() <= kMaxIdentifierBytes &&
         id.front() == sigil && All(id.substr(1), [](char c) {
           return c > ' ' && c < 0x7F && c != ':';
         });
}

}  // namespace

std::optional<IdentifierParts> SplitIdentifier(std::string_view id,
                                               char sigil) {
  if (id.size() > kMaxIdentifierBytes || id.empty() || id.front() != sigil) {
    return std::nullopt;
  }
  const size_t colon = id.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const IdentifierParts parts{id.substr(1, colon - 1), id.substr(colon + 1)};
  if (!IsServerName(parts.domain)) return std::nullopt;
  return parts;
}

bool IsUserId(std::string_view id) { return IsWithDomain(id, '@'); }

bool IsStrictLocalpart(std::string_view localpart) {
  return !localpart.empty() && All(localpart, [](char c) {
    return IsLower(c) || IsDigit(c) || c == '.' || c == '_' || c == '=' ||
           c == '-' || c == '/' || c == '+';
  });
}

bool IsRoomId(std::string_view id) {
  return IsWithDomain(id, '!') || IsWithoutDomain(id, '!');
}

bool IsRoomAlias(std::string_view id) { return IsWithDomain(id, '#'); }

bool IsEventId(std::string_view id) {
  return IsWithDomain(id, '$') || IsWithoutDomain(id, '$');
}

bool IsServerName(std::string_view name) {
  if (name.empty()) return false;
  if (name.front() == '[') {
    const size_t close = name.find(']');
    if (close == std::string_view::npos ||
        !IsIpv6Address(name.substr(1, close - 1))) {
      return false;
    }
    const std::string_view rest = name.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && IsPort(rest.substr(1)));
  }
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos) return IsDnsName(name);
  return IsDnsName(name.substr(0, colon)) && IsPort(name.substr(colon + 1));
}

std::string_view DomainOf(std::string_view id) {
  const size_t colon = id.find(':');
  return colon == std::string_view::npos ? std::string_view()
                                         : id.substr(colon + 1);
}

std::string_view LocalpartOf(std::string_view id) {
  if (id.empty()) return id;
  const std::string_view rest = id.substr(1);
  return rest.substr(0, rest.find(':'));
}

std::string MakeUserId(std::string_view localpart, std::string_view server) {
  std::string id;
  id.reserve(localpart.size() + server.size() + 2);
  id += '@';
  id += localpart;
  id += ':';
  id += server;
  return id;
}

bool IsOpaqueId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdentifierBytes && All(id, [](char c) {
    return IsAlphaNumeric(c) || c == '.' || c == '_' || c == '~' || c == '-';
  });
}

}  // namespace matrixcore
