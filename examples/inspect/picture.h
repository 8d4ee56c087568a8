// A graph of events, drawn as Graphviz or SVG.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace matrixcore::inspect {

// What became of an event, and so its colour.
enum class Outcome {
  kMessage,   // No state event.
  kCurrent,   // In the resolved state.
  kReplaced,  // Was state once.
  kLost,      // In one of the states, but not in their resolution.
  kRejected,  // Not allowed where it stands.
};

struct Node {
  std::string id;
  std::string title;  // "m.room.member @alice:example.org"
  std::string note;   // A second line; may be empty.
  Outcome outcome = Outcome::kMessage;
  std::vector<size_t> prev;  // Indices of earlier nodes.
  std::vector<size_t> auth;
};

// Nodes in an order in which prev comes first.  `auth`: draw these edges too.
std::string DrawDot(const std::vector<Node>& nodes, bool auth);
std::string DrawSvg(const std::vector<Node>& nodes, bool auth);

}  // namespace matrixcore::inspect
