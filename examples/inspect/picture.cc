#include "picture.h"

#include <fmt/format.h>

#include <algorithm>

namespace matrixcore::inspect {
namespace {

struct Look {
  const char* fill;
  const char* name;
};

Look LookOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMessage:
      return {"#eceff1", "message"};
    case Outcome::kCurrent:
      return {"#a5d6a7", "current state"};
    case Outcome::kReplaced:
      return {"#ffffff", "replaced"};
    case Outcome::kLost:
      return {"#ffcc80", "lost in resolution"};
    case Outcome::kRejected:
      return {"#ef9a9a", "rejected"};
  }
  return {"#ffffff", ""};
}

// Cut to a length that fits a box, between code points.
std::string Shorten(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = limit - 2;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string(text.substr(0, end)) + "..";
}

std::string EscapeDot(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    // Control characters have no place in a label.
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

std::string EscapeXml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

constexpr int kBoxWidth = 300;
constexpr int kBoxHeight = 58;
constexpr int kColumn = 360;
constexpr int kRow = 98;
constexpr int kMargin = 30;
constexpr size_t kLabel = 34;

struct Place {
  int row = 0;
  int column = 0;
  int x() const { return kMargin + column * kColumn; }
  int y() const { return kMargin + kRow / 2 + row * kRow; }
};

// A row below all prev events; in a row, where the first free column is that is
// nearest to those of the prev events.
std::vector<Place> Layout(const std::vector<Node>& nodes) {
  std::vector<Place> places(nodes.size());
  std::vector<std::vector<bool>> taken;
  for (size_t i = 0; i < nodes.size(); ++i) {
    long sum = 0;
    for (const size_t prev : nodes[i].prev) {
      places[i].row = std::max(places[i].row, places[prev].row + 1);
      sum += places[prev].column;
    }
    const auto row = static_cast<size_t>(places[i].row);
    if (taken.size() <= row) taken.resize(row + 1);
    auto column = nodes[i].prev.empty()
                      ? size_t{0}
                      : static_cast<size_t>(sum) / nodes[i].prev.size();
    while (column < taken[row].size() && taken[row][column]) ++column;
    if (taken[row].size() <= column) taken[row].resize(column + 1);
    taken[row][column] = true;
    places[i].column = static_cast<int>(column);
  }
  return places;
}

// A box with type and state key, id, and what was decided against the event.
void DrawBox(const Node& node, const Place& place, std::string* out) {
  const Look look = LookOf(node.outcome);
  *out += fmt::format(
      "<g><title>{}\n{}\n{} {}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" "
      "height=\"{}\" rx=\"6\" fill=\"{}\" stroke=\"#607d8b\"/>",
      EscapeXml(node.title), EscapeXml(node.id), look.name,
      EscapeXml(node.note), place.x(), place.y(), kBoxWidth, kBoxHeight,
      look.fill);
  const auto line = [&](int y, const char* style, std::string_view text) {
    *out += fmt::format("<text x=\"{}\" y=\"{}\" {}>{}</text>", place.x() + 10,
                        place.y() + y, style, EscapeXml(Shorten(text, kLabel)));
  };
  line(18, "font-weight=\"bold\"", node.title);
  line(34, "fill=\"#546e7a\"", node.id);
  if (!node.note.empty()) line(50, "fill=\"#b71c1c\"", node.note);
  *out += "</g>\n";
}

// From the top of a box to the bottom of one above it.
void DrawPrevEdge(const Place& from, const Place& to, std::string* out) {
  const int x1 = from.x() + kBoxWidth / 2;
  const int y1 = from.y();
  const int x2 = to.x() + kBoxWidth / 2;
  const int y2 = to.y() + kBoxHeight;
  *out += fmt::format(
      "<path d=\"M{} {} C{} {} {} {} {} {}\" fill=\"none\" "
      "stroke=\"#455a64\" marker-end=\"url(#arrow)\"/>\n",
      x1, y1, x1, y1 - 24, x2, y2 + 24, x2, y2);
}

// Around the right-hand side, the further the more rows lie between.
void DrawAuthEdge(const Place& from, const Place& to, std::string* out) {
  const int bulge = std::min(24 + 4 * (from.row - to.row), 110);
  const int x1 = from.x() + kBoxWidth;
  const int y1 = from.y() + kBoxHeight / 2;
  const int x2 = to.x() + kBoxWidth;
  const int y2 = to.y() + kBoxHeight / 2;
  *out += fmt::format(
      "<path d=\"M{} {} C{} {} {} {} {} {}\" fill=\"none\" "
      "stroke=\"#90a4ae\" stroke-dasharray=\"3 3\"/>\n",
      x1, y1, x1 + bulge, y1, x2 + bulge, y2, x2, y2);
}

}  // namespace

std::string DrawDot(const std::vector<Node>& nodes, bool auth) {
  std::string out =
      "digraph room {\n  rankdir=BT;\n"
      "  node [shape=box, style=\"filled,rounded\", "
      "fontname=\"sans-serif\"];\n";
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    const Look look = LookOf(node.outcome);
    out += fmt::format(
        "  n{} [label=\"{}\\n{}{}{}\", fillcolor=\"{}\", tooltip=\"{}: "
        "{}\"];\n",
        i, EscapeDot(Shorten(node.title, kLabel)),
        EscapeDot(Shorten(node.id, kLabel)), node.note.empty() ? "" : "\\n",
        EscapeDot(node.note), look.fill, EscapeDot(node.id), look.name);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const size_t prev : nodes[i].prev) {
      out += fmt::format("  n{} -> n{};\n", i, prev);
    }
    if (!auth) continue;
    for (const size_t target : nodes[i].auth) {
      out += fmt::format(
          "  n{} -> n{} [style=dashed, color=\"#90a4ae\", constraint=false];\n",
          i, target);
    }
  }
  return out + "}\n";
}

std::string DrawSvg(const std::vector<Node>& nodes, bool auth) {
  const std::vector<Place> places = Layout(nodes);
  int width = 2 * kMargin + 5 * 170;
  int height = 2 * kMargin;
  for (const Place& place : places) {
    width = std::max(width, place.x() + kBoxWidth + kMargin);
    height = std::max(height, place.y() + kBoxHeight + kMargin);
  }
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"11\">\n"
      "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
      "markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">"
      "<path d=\"M0 0 L8 4 L0 8 z\" fill=\"#455a64\"/></marker></defs>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fafafa\"/>\n",
      width, height);
  int x = kMargin;
  for (const Outcome outcome :
       {Outcome::kCurrent, Outcome::kReplaced, Outcome::kLost,
        Outcome::kRejected, Outcome::kMessage}) {
    const Look look = LookOf(outcome);
    out += fmt::format(
        "<rect x=\"{}\" y=\"14\" width=\"14\" height=\"14\" fill=\"{}\" "
        "stroke=\"#607d8b\"/><text x=\"{}\" y=\"25\">{}</text>\n",
        x, look.fill, x + 20, look.name);
    x += 170;
  }
  for (size_t i = 0; auth && i < nodes.size(); ++i) {
    for (const size_t target : nodes[i].auth) {
      DrawAuthEdge(places[i], places[target], &out);
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const size_t prev : nodes[i].prev) {
      DrawPrevEdge(places[i], places[prev], &out);
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) DrawBox(nodes[i], places[i], &out);
  return out + "</svg>\n";
}

}  // namespace matrixcore::inspect
