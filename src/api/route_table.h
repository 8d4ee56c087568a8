// Finds the route of a request: a tree of path segments, built once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/api/router.h"

namespace matrixcore::api {

// Immutable after construction; thread-safe.
//
// A literal segment wins over a placeholder.  A path that ends in '/' also
// matches without it.  Paths of v3 match for r0 too, those of the table in
// route_table.cc also for the unstable prefixes that clients still use.
class RouteTable {
 public:
  // The tables outlive it.
  explicit RouteTable(const std::vector<std::span<const Route>>& tables);
  ~RouteTable();

  struct Match {
    // Null when the path is unknown or has no such method.
    const Route* route = nullptr;
    bool path_known = false;
    // "GET, PUT": the methods of a known path.
    std::string allow;
    // The values of the placeholders, in order.
    std::vector<std::string> values;
  };
  // HEAD finds the route of GET.
  Match Find(HttpMethod method, const std::vector<std::string>& segments) const;

  // Every route, in the order of the tables.
  const std::vector<const Route*>& routes() const { return routes_; }

 private:
  struct Node;
  void Add(const Route& route, std::string_view path);
  static const Node* Walk(const Node& node,
                          std::span<const std::string> segments,
                          HttpMethod method,
                          std::vector<const std::string*>* values);

  std::vector<const Route*> routes_;
  std::unique_ptr<Node> root_;
};

}  // namespace matrixcore::api
