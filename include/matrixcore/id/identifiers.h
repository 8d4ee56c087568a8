// Matrix identifiers: user ids, room ids, aliases, event ids, server names
// (spec: appendices, "Identifier Grammar").
//
// Identifiers travel as std::string; these functions take them apart and judge
// them.  Nothing here allocates unless it returns a std::string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace matrixcore {

// No identifier is longer, in bytes, sigil and domain included.
inline constexpr size_t kMaxIdentifierBytes = 255;

// The two halves of "@localpart:domain"; views of the argument.
struct IdentifierParts {
  std::string_view localpart;  // Without the sigil.
  std::string_view domain;     // Server name, with its port if it has one.
};

// Splits at the first ':' after `sigil`.  Nothing when the sigil differs, there
// is no ':', the domain is not a server name, or the whole is too long.
std::optional<IdentifierParts> SplitIdentifier(std::string_view id, char sigil);

// A user id that the protocol accepts from other servers: any localpart, even
// empty, of non-surrogate code points (the historical grammar).
bool IsUserId(std::string_view id);
// A localpart that this server may give away: a-z 0-9 . _ = - / + and not
// empty.
bool IsStrictLocalpart(std::string_view localpart);
// "!opaque:domain", or "!opaque" alone (room version 12): without a domain any
// printable ASCII will do, because the spec wants such ids to be opaque.
bool IsRoomId(std::string_view id);
bool IsRoomAlias(std::string_view id);
// "$opaque:domain", or "$base64" under the same condition.
bool IsEventId(std::string_view id);

// host[:port] with a host that is a DNS name, an IPv4 or a bracketed IPv6
// literal.  The grammar alone decides: a port may be 99999, and 300.1.1.1
// passes as a DNS name.
bool IsServerName(std::string_view name);
// The part after the first ':' of a user id, alias or old room id; "" if none.
std::string_view DomainOf(std::string_view id);
// The part between the sigil and the first ':'; the whole rest if there is
// none.
std::string_view LocalpartOf(std::string_view id);

std::string MakeUserId(std::string_view localpart, std::string_view server);

// Opaque identifiers that clients choose (spec: "Opaque Identifiers"):
// [A-Za-z0-9._~-]{1,255}.
bool IsOpaqueId(std::string_view id);

}  // namespace matrixcore
