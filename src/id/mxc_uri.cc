#include "matrixcore/id/mxc_uri.h"

#include <algorithm>

#include "matrixcore/id/identifiers.h"

namespace matrixcore {

bool IsMxcUri(std::string_view uri) {
  constexpr std::string_view kScheme = "mxc://";
  if (!uri.starts_with(kScheme)) return false;
  uri.remove_prefix(kScheme.size());
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view media_id = uri.substr(slash + 1);
  return IsServerName(uri.substr(0, slash)) && !media_id.empty() &&
         std::all_of(media_id.begin(), media_id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

}  // namespace matrixcore
