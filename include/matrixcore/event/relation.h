// How an event relates to another (spec: client-server API, "Forming
// relationships between events").
#pragma once

#include <optional>
#include <string_view>

#include "matrixcore/event/event.h"

namespace matrixcore {

inline constexpr std::string_view kRelReplace = "m.replace";
inline constexpr std::string_view kRelAnnotation = "m.annotation";
inline constexpr std::string_view kRelThread = "m.thread";
inline constexpr std::string_view kRelReference = "m.reference";

// content.m.relates_to, as views of the event.
struct Relation {
  std::string_view rel_type;
  std::string_view event_id;
  // Of an annotation: what is annotated with.  Nothing if it is no string.
  std::optional<std::string_view> key;

  friend bool operator==(const Relation&, const Relation&) = default;
};

// Nothing for an event that relates to none, or not as the specification wants
// it: a rich reply alone has no rel_type.
std::optional<Relation> RelationOf(const Event& event);
// The same of a content; the views are those of the value.
std::optional<Relation> RelationOf(json::Value content);

// Whether `edit` is a valid replacement of `original` (spec: "Validity of
// replacement events"), both being events of one room.
bool IsValidReplacement(const Event& edit, const Event& original);

}  // namespace matrixcore
