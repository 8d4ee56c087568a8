#include "matrixcore/net/ip_range.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace matrixcore {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0,    0,
                                                   0, 0, 0, 0, 0xff, 0xff};

struct Prefix {
  std::array<uint8_t, 16> bytes;
  int length;
};

constexpr Prefix V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int length) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + length};
}
constexpr Prefix V6(uint16_t a, uint16_t b, uint16_t c, int length) {
  return {{static_cast<uint8_t>(a >> 8), static_cast<uint8_t>(a & 0xff),
           static_cast<uint8_t>(b >> 8), static_cast<uint8_t>(b & 0xff),
           static_cast<uint8_t>(c >> 8), static_cast<uint8_t>(c & 0xff)},
          length};
}

// https://www.iana.org/assignments/iana-ipv4-special-registry and the one for
// IPv6, of which only what lies inside 2000::/3 needs naming.
constexpr Prefix kNotPublic[] = {
    V4(0, 0, 0, 0, 8),         // This network.
    V4(10, 0, 0, 0, 8),        // Private.
    V4(100, 64, 0, 0, 10),     // Carrier-grade NAT; Alibaba's metadata.
    V4(127, 0, 0, 0, 8),       // Loopback.
    V4(168, 63, 129, 16, 32),  // Azure's metadata ("wire server").
    V4(169, 254, 0, 0, 16),    // Link-local; most clouds' metadata.
    V4(172, 16, 0, 0, 12),     // Private.
    V4(192, 0, 0, 0, 24),      // Protocol assignments.
    V4(192, 0, 2, 0, 24),      // Documentation.
    V4(192, 88, 99, 0, 24),    // 6to4 relays.
    V4(192, 168, 0, 0, 16),    // Private.
    V4(198, 18, 0, 0, 15),     // Benchmarking.
    V4(198, 51, 100, 0, 24),   // Documentation.
    V4(203, 0, 113, 0, 24),    // Documentation.
    V4(224, 0, 0, 0, 4),       // Multicast.
    V4(240, 0, 0, 0, 4),       // Reserved, broadcast.
    V6(0x2001, 0, 0, 23),      // Protocol assignments, Teredo.
    V6(0x2001, 0xdb8, 0, 32),  // Documentation.
    V6(0x2002, 0, 0, 16),      // 6to4.
    V6(0x3fff, 0, 0, 20),      // Documentation.
};
constexpr Prefix kMapped = V4(0, 0, 0, 0, 0);
constexpr Prefix kGlobalUnicast = V6(0x2000, 0, 0, 3);
constexpr Prefix kNat64 = V6(0x64, 0xff9b, 0, 96);

bool SharesPrefix(const std::array<uint8_t, 16>& a,
                  const std::array<uint8_t, 16>& b, int length) {
  const size_t whole = static_cast<size_t>(length) / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const int rest = length % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest);
  return ((a[whole] ^ b[whole]) & mask & 0xff) == 0;
}

bool In(const IpAddress& address, const Prefix& prefix) {
  return SharesPrefix(address.bytes(), prefix.bytes, prefix.length);
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  char name[INET6_ADDRSTRLEN] = {};
  std::copy(text.begin(), text.end(), name);
  if (std::strlen(name) != text.size()) return std::nullopt;
  IpAddress address;
  if (inet_pton(AF_INET6, name, address.bytes_.data()) == 1) return address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes_.begin());
  if (inet_pton(AF_INET, name, address.bytes_.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::FromSockaddr(const sockaddr* address) {
  IpAddress result;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof(in));
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(),
              result.bytes_.begin());
    std::memcpy(result.bytes_.data() + 12, &in.sin_addr, 4);
    return result;
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof(in));
    std::memcpy(result.bytes_.data(), &in.sin6_addr, 16);
    return result;
  }
  return std::nullopt;
}

bool IpAddress::is_v4() const {
  return SharesPrefix(bytes_, kMapped.bytes, kMapped.length);
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes_.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  }
  return text;
}

std::optional<IpRange> IpRange::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> base = IpAddress::Parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  const bool v4 = base->is_v4();
  IpRange range;
  range.base_ = *base;
  range.length_ = 128;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    int length = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        length < 0 || length > (v4 ? 32 : 128)) {
      return std::nullopt;
    }
    range.length_ = v4 ? 96 + length : length;
  }
  std::array<uint8_t, 16> masked = base->bytes();
  for (int bit = range.length_; bit < 128; ++bit) {
    masked[static_cast<size_t>(bit) / 8] &=
        static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  if (masked != base->bytes()) return std::nullopt;
  return range;
}

bool IpRange::Contains(const IpAddress& address) const {
  return SharesPrefix(address.bytes(), base_.bytes(), length_);
}

std::string IpRange::ToString() const {
  return fmt::format("{}/{}", base_.ToString(),
                     base_.is_v4() ? length_ - 96 : length_);
}

bool IsPublicAddress(const IpAddress& address) {
  if (In(address, kNat64)) {
    const std::array<uint8_t, 16>& b = address.bytes();
    const Prefix embedded = V4(b[12], b[13], b[14], b[15], 32);
    for (const Prefix& prefix : kNotPublic) {
      if (SharesPrefix(embedded.bytes, prefix.bytes, prefix.length)) {
        return false;
      }
    }
    return true;
  }
  if (!address.is_v4() && !In(address, kGlobalUnicast)) return false;
  return std::none_of(
      std::begin(kNotPublic), std::end(kNotPublic),
      [&](const Prefix& prefix) { return In(address, prefix); });
}

bool IpFilter::Allows(const IpAddress& address) const {
  return IsPublicAddress(address) ||
         std::any_of(allowed.begin(), allowed.end(), [&](const IpRange& range) {
           return range.Contains(address);
         });
}

}  // namespace matrixcore
