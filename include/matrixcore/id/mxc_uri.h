// Matrix Content URIs (spec: client-server API, "Matrix Content (mxc://)
// URIs").
#pragma once

#include <string_view>

namespace matrixcore {

// "mxc://server-name/media-id".
bool IsMxcUri(std::string_view uri);

}  // namespace matrixcore
