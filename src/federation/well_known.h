// Reading what a server says of itself; everything here comes from strangers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/time.h"
#include "matrixcore/federation/server_resolver.h"
#include "matrixcore/http/message.h"

namespace matrixcore {

// A server name taken apart.
struct ServerNameParts {
  std::string_view host =
      {};  // Without a port; an IPv6 literal in its brackets.
  std::string_view port = {};  // "" if it has none.
  bool is_ip = false;
};
ServerNameParts SplitServerName(std::string_view server_name);

// Without /.well-known: at the host itself, at its port or 8448.
ServerLocation PlainLocation(std::string_view server_name);

// `m.server` of an answer of /.well-known/matrix/server; nothing unless it is a
// good one.
std::optional<std::string> DelegatedName(const HttpResponse& response);

// How long such an answer counts, by its Cache-Control: 24 hours if it does not
// say, at most 48 hours.
Duration LifetimeOf(const HttpResponse& response);

}  // namespace matrixcore
