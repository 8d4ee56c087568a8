// IP addresses, ranges of them, and the filter that keeps outbound requests off
// internal networks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace matrixcore {

// An IPv4 or IPv6 address.  An IPv4-mapped IPv6 address is the IPv4 address: a
// dual-stack socket reports one and the same peer in both ways.
class IpAddress {
 public:
  IpAddress() = default;  // "::"
  // "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; nothing for anything else:
  // no names, no ports, no zones.
  static std::optional<IpAddress> Parse(std::string_view text);
  // Nothing for another address family.
  static std::optional<IpAddress> FromSockaddr(const sockaddr* address);

  bool is_v4() const;
  // IPv4 in its IPv4-mapped form.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  // As Parse reads it, without brackets.
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

// All addresses that share a prefix.
class IpRange {
 public:
  // "10.0.0.0/8", "fc00::/7"; an address alone is the range of that one.
  // Nothing for a length that is too long or bits set behind the prefix.
  static std::optional<IpRange> Parse(std::string_view text);

  bool Contains(const IpAddress& address) const;
  std::string ToString() const;

  friend bool operator==(const IpRange&, const IpRange&) = default;

 private:
  IpAddress base_;
  int length_ = 0;  // In bits of the 16-byte form.
};

// Whether the address is one of the public internet: not loopback, private,
// link-local, multicast, documentation, benchmarking, carrier-grade NAT,
// reserved (IANA special-purpose registries), nor a cloud's metadata service.
// Addresses that embed an IPv4 address (NAT64) are judged by that one; 6to4
// and Teredo are refused.
bool IsPublicAddress(const IpAddress& address);

// Which addresses an outbound connection may go to: those of the public
// internet, and those in `allowed`.
struct IpFilter {
  std::vector<IpRange> allowed = {};

  bool Allows(const IpAddress& address) const;
};

}  // namespace matrixcore
