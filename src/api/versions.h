// Which versions of the specification this server claims.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/api/router.h"

namespace matrixcore::api {

// Versions as /versions lists them, oldest first: a version is claimed when
// every operation that clients take for granted because of it, and because of
// the versions before it, has a route.
std::vector<std::string_view> SpecVersions(
    const std::vector<std::span<const Route>>& tables);

}  // namespace matrixcore::api
