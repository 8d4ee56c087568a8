#include "api/route_table.h"

#include <absl/container/flat_hash_map.h>

#include "matrixcore/base/bytes.h"

namespace matrixcore::api {
namespace {

constexpr size_t kMethods = 8;

constexpr std::string_view kV3 = "/_matrix/client/v3/";

// Paths of v3 that stock clients and test suites also ask for elsewhere.
struct Alias {
  std::string_view path;  // Below kV3; a prefix when it ends in '/'.
  std::string_view root;  // What stands for kV3.
};
constexpr Alias kAliases[] = {
    {"keys/", "/_matrix/client/unstable/"},
    {"account/whoami", "/_matrix/client/unstable/"},
    {"register/available", "/_matrix/client/unstable/"},
    {"profile/", "/_matrix/client/unstable/uk.tcpip.msc4133/"},
};

// Paths of other versions that clients ask for under the names of proposals.
struct Proposal {
  std::string_view path;
  std::string_view unstable;
};
constexpr Proposal kProposals[] = {
    {"/_matrix/client/v1/room_summary/{roomIdOrAlias}",
     "/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}"},
    {"/_matrix/client/v1/room_summary/{roomIdOrAlias}",
     "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary"},
};

// Spec: GET and PUT /rooms/{roomId}/state/{eventType}/{stateKey}: without a
// slash at its end the path stands for the empty key.
constexpr std::string_view kOptionalEnd = "/{stateKey}";

bool Covers(const Alias& alias, std::string_view path) {
  return alias.path.back() == '/'
             ? path.substr(0, alias.path.size()) == alias.path
             : path == alias.path;
}

// All paths under which a route answers.
std::vector<std::string> PathsOf(const Route& route) {
  std::vector<std::string> paths = {std::string(route.path)};
  if (route.path.substr(0, kV3.size()) == kV3) {
    const std::string_view rest = route.path.substr(kV3.size());
    paths.push_back(std::string("/_matrix/client/r0/").append(rest));
    for (const Alias& alias : kAliases) {
      if (Covers(alias, rest)) {
        paths.push_back(std::string(alias.root).append(rest));
      }
    }
  }
  for (const Proposal& proposal : kProposals) {
    if (proposal.path == route.path) paths.emplace_back(proposal.unstable);
  }
  const size_t count = paths.size();
  for (size_t i = 0; i < count && route.path.ends_with(kOptionalEnd); ++i) {
    paths.push_back(paths[i].substr(0, paths[i].size() - kOptionalEnd.size()));
  }
  return paths;
}

bool IsPlaceholder(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

struct RouteTable::Node {
  absl::flat_hash_map<std::string, std::unique_ptr<Node>, StringHash, StringEq>
      literals;
  std::unique_ptr<Node> placeholder;
  std::array<const Route*, kMethods> routes{};

  bool HasRoutes() const {
    for (const Route* route : routes) {
      if (route != nullptr) return true;
    }
    return false;
  }
  Node* Child(std::string_view segment) {
    std::unique_ptr<Node>* slot = &placeholder;
    if (!IsPlaceholder(segment)) slot = &literals[std::string(segment)];
    if (*slot == nullptr) *slot = std::make_unique<Node>();
    return slot->get();
  }
};

RouteTable::RouteTable(const std::vector<std::span<const Route>>& tables)
    : root_(std::make_unique<Node>()) {
  for (const std::span<const Route> table : tables) {
    for (const Route& route : table) {
      routes_.push_back(&route);
      for (const std::string& path : PathsOf(route)) Add(route, path);
    }
  }
}

RouteTable::~RouteTable() = default;

void RouteTable::Add(const Route& route, std::string_view path) {
  Node* node = root_.get();
  const auto method = static_cast<size_t>(route.method);
  for (size_t begin = 1; begin <= path.size();) {
    size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty() && end == path.size()) node->routes[method] = &route;
    node = node->Child(segment);
    begin = end + 1;
  }
  node->routes[method] = &route;
}

// Depth first; a node without the wanted method is only a last resort, kept by
// the caller, so that "known path, wrong method" is told from "unknown path".
const RouteTable::Node* RouteTable::Walk(
    const Node& node, std::span<const std::string> segments, HttpMethod method,
    std::vector<const std::string*>* values) {
  if (segments.empty()) return node.HasRoutes() ? &node : nullptr;
  const Node* other_method = nullptr;
  if (const auto it = node.literals.find(segments[0]);
      it != node.literals.end()) {
    const Node* found = Walk(*it->second, segments.subspan(1), method, values);
    if (found != nullptr &&
        found->routes[static_cast<size_t>(method)] != nullptr) {
      return found;
    }
    other_method = found;
  }
  if (node.placeholder != nullptr) {
    values->push_back(&segments[0]);
    const Node* found =
        Walk(*node.placeholder, segments.subspan(1), method, values);
    if (found != nullptr &&
        found->routes[static_cast<size_t>(method)] != nullptr) {
      return found;
    }
    values->pop_back();
    if (other_method == nullptr) other_method = found;
  }
  return other_method;
}

RouteTable::Match RouteTable::Find(
    HttpMethod method, const std::vector<std::string>& segments) const {
  Match match;
  if (method == HttpMethod::kHead) method = HttpMethod::kGet;
  std::vector<const std::string*> values;
  const Node* node = Walk(*root_, segments, method, &values);
  if (node == nullptr) return match;
  match.path_known = true;
  match.route = node->routes[static_cast<size_t>(method)];
  if (match.route == nullptr) {
    for (size_t i = 0; i < kMethods; ++i) {
      if (node->routes[i] == nullptr) continue;
      if (!match.allow.empty()) match.allow += ", ";
      match.allow += HttpMethodName(static_cast<HttpMethod>(i));
    }
    return match;
  }
  match.values.reserve(values.size());
  for (const std::string* value : values) match.values.push_back(*value);
  return match;
}

}  // namespace matrixcore::api
