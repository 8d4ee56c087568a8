// What a trusted proxy says about the client behind it.
#pragma once

#include <optional>
#include <span>

#include "matrixcore/http/message.h"
#include "matrixcore/net/ip_range.h"

namespace matrixcore::net {

bool InRanges(const IpAddress& address, std::span<const IpRange> ranges);

// The client's address by X-Forwarded-For, read from the right (each proxy adds
// the peer that it saw) up to the first address that is not a trusted proxy.
// Nothing when there is none or the rightmost is not an address.
std::optional<IpAddress> ForwardedClient(const HttpHeaders& headers,
                                         std::span<const IpRange> trusted);

}  // namespace matrixcore::net
