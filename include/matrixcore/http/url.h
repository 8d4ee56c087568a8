// Percent-encoding, paths and queries (RFC 3986), as the Matrix API uses them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace matrixcore {

// Decodes %XX.  Nothing for a broken escape or a result that is not UTF-8.
std::optional<std::string> PercentDecode(std::string_view text);
// Encodes everything but unreserved characters: safe as one path segment and as
// a query value.
std::string PercentEncode(std::string_view text);

// A request target taken apart: segments and parameters are decoded.
class UrlTarget {
 public:
  // Nothing when the target is not origin-form ("/..."), an escape is broken,
  // or there is a space, a control character or a '#' in it.
  static std::optional<UrlTarget> Parse(std::string_view target);

  // "/a/b%2Fc" -> {"a", "b/c"}; a trailing '/' gives a last segment "".
  const std::vector<std::string>& segments() const { return segments_; }
  // The path as sent, without the query.
  const std::string& path() const { return path_; }

  // The first value of a parameter; '+' counts as a space.
  std::optional<std::string_view> Param(std::string_view name) const;
  // All values, in order (via=a&via=b).
  std::vector<std::string_view> Params(std::string_view name) const;

 private:
  std::string path_;
  std::vector<std::string> segments_;
  std::vector<std::pair<std::string, std::string>> params_;
};

}  // namespace matrixcore
