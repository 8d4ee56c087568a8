// The parsed form of a Document: a flat array of nodes in text order.
//
// An array's elements and an object's keys and values follow their container
// directly; a key is a string node and its value is the next one.  Internal to
// src/json.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/json/value.h"

namespace matrixcore::json {

// One value or key: 16 bytes.
struct Node {
  static constexpr uint32_t kEscaped = 1;  // A string with escapes.
  static constexpr uint32_t kTrue = 1;     // The boolean.

  uint32_t begin = 0;  // The bytes in the text.
  uint32_t end = 0;
  // Containers: the number of members or elements.  Strings with escapes: where
  // in `unescaped` the string is.
  uint32_t detail = 0;
  uint32_t kind : 4 = 0;
  // Containers: nodes to the next sibling.  Strings, booleans: kEscaped, kTrue.
  uint32_t extra : 28 = 0;
};
static_assert(sizeof(Node) == 16);

// No text is longer, so that node counts fit `extra` and RapidJSON's exponent
// arithmetic cannot overflow.
inline constexpr size_t kMaxTextBytes = size_t{1} << 27;

struct Document::Rep {
  std::string owned;
  std::string_view text;
  std::vector<Node> nodes;
  // Strings that had escapes: four bytes of length, then the bytes.
  std::string unescaped;

  Kind kind(uint32_t node) const { return static_cast<Kind>(nodes[node].kind); }
  std::string_view Raw(uint32_t node) const {
    const Node& n = nodes[node];
    return {text.data() + n.begin, n.end - n.begin};
  }
  // The string of a kString node.
  std::string_view String(uint32_t node) const {
    const Node& n = nodes[node];
    if ((n.extra & Node::kEscaped) == 0) {
      return {text.data() + n.begin + 1, n.end - n.begin - 2};
    }
    uint32_t size;
    std::memcpy(&size, unescaped.data() + n.detail, sizeof(size));
    return {unescaped.data() + n.detail + sizeof(size), size};
  }
  bool IsContainer(uint32_t node) const {
    return nodes[node].kind >= static_cast<uint32_t>(Kind::kArray);
  }
  // The node after `node` and everything in it.
  uint32_t Next(uint32_t node) const {
    return node + (IsContainer(node) ? nodes[node].extra : 1);
  }
};

// Access to the inside of Document and Value, for this module.
struct ValueAccess {
  using Rep = Document::Rep;
  static const Rep* rep(Value value) { return value.rep_; }
  static uint32_t node(Value value) { return value.node_; }
};
using Tape = ValueAccess::Rep;

}  // namespace matrixcore::json
