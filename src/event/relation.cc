#include "matrixcore/event/relation.h"

#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore {

std::optional<Relation> RelationOf(json::Value content) {
  const json::Value value = content["m.relates_to"];
  if (!value.IsObject()) return std::nullopt;
  Relation relation;
  relation.rel_type = value["rel_type"].StringOr("");
  relation.event_id = value["event_id"].StringOr("");
  if (relation.rel_type.empty() ||
      relation.rel_type.size() > kMaxIdentifierBytes ||
      relation.event_id.size() < 2 || relation.event_id.front() != '$' ||
      relation.event_id.size() > kMaxIdentifierBytes) {
    return std::nullopt;
  }
  if (relation.rel_type == kRelAnnotation) {
    relation.key = value["key"].AsString();
  }
  return relation;
}

std::optional<Relation> RelationOf(const Event& event) {
  // Most events relate to nothing: spare them the parser.
  if (event.content_json().find("\"m.relates_to\"") == std::string_view::npos) {
    return std::nullopt;
  }
  return RelationOf(event.content());
}

bool IsValidReplacement(const Event& edit, const Event& original) {
  if (edit.is_state() || original.is_state() ||
      edit.sender() != original.sender() || edit.type() != original.type()) {
    return false;
  }
  const std::optional<Relation> relation = RelationOf(edit);
  if (!relation || relation->rel_type != kRelReplace ||
      relation->event_id != original.event_id()) {
    return false;
  }
  const std::optional<Relation> own = RelationOf(original);
  if (own && own->rel_type == kRelReplace) return false;
  // The new content of an encrypted event is in its payload.
  return edit.type() == kTypeEncrypted ||
         edit.content()["m.new_content"].IsObject();
}

}  // namespace matrixcore
