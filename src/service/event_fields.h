// The `event_fields` of a filter: only the named properties of events are given
// (spec: client-server API, "Filtering"; appendices, "Dot-separated property
// paths").
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {

// Thread-safe once made.
class EventFields {
 public:
  EventFields() = default;
  // Paths such as "content.body"; `\.` is a dot inside a name, `\\` a
  // backslash.
  explicit EventFields(const std::vector<std::string>& paths);

  // Whether everything is wanted: no paths were given.
  bool all() const { return root_.children.empty(); }
  // Writes what is wanted of an object, in its order.
  void Write(json::Writer& out, json::Value object) const;

  // Memory that the paths hold on the heap, in bytes.
  size_t HeapBytes() const { return BytesBelow(root_); }

 private:
  struct Node {
    bool whole = false;  // A path ends here.
    std::map<std::string, Node, std::less<>> children;
  };
  static void WriteNode(json::Writer& out, json::Value object,
                        const Node& node);
  static size_t BytesBelow(const Node& node);

  Node root_;
};

}  // namespace matrixcore
