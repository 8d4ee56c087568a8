#include "service/event_fields.h"

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> names(1);
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size() &&
        (path[i + 1] == '.' || path[i + 1] == '\\')) {
      names.back().push_back(path[++i]);
    } else if (path[i] == '.') {
      names.emplace_back();
    } else {
      names.back().push_back(path[i]);
    }
  }
  return names;
}

}  // namespace

EventFields::EventFields(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Node* node = &root_;
    for (std::string& name : SplitPath(path)) {
      node = &node->children[std::move(name)];
    }
    node->whole = true;
  }
}

void EventFields::Write(json::Writer& out, json::Value object) const {
  WriteNode(out, object, root_);
}

void EventFields::WriteNode(json::Writer& out, json::Value object,
                            const Node& node) {
  out.BeginObject();
  for (const auto [key, value] : object.members()) {
    const auto child = node.children.find(key);
    if (child == node.children.end()) continue;
    if (child->second.whole) {
      out.RawField(key, value.raw());
    } else if (value.IsObject()) {
      out.Key(key);
      WriteNode(out, value, child->second);
    }
  }
  out.EndObject();
}

size_t EventFields::BytesBelow(const Node& node) {
  constexpr size_t kTreeNode = 32 + sizeof(std::pair<const std::string, Node>);
  size_t bytes = 0;
  for (const auto& [name, child] : node.children) {
    bytes +=
        HeapBlock(kTreeNode) + matrixcore::HeapBytes(name) + BytesBelow(child);
  }
  return bytes;
}

}  // namespace matrixcore
