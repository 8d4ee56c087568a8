#include "service/sliding_config.h"

#include <algorithm>
#include <utility>

#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {
namespace {

using Element = RequiredState::Element;

// [[type, state_key], ...] with null for what is not set.
void WriteElements(json::Writer& out, const std::vector<Element>& elements) {
  out.BeginArray();
  for (const Element& element : elements) {
    out.BeginArray();
    for (const auto* text : {&element.type, &element.state_key}) {
      *text ? out.String(**text) : out.Null();
    }
    out.EndArray();
  }
  out.EndArray();
}

std::vector<Element> ReadElements(json::Value value) {
  std::vector<Element> elements;
  for (const json::Value pair : value) {
    Element& element = elements.emplace_back();
    if (const auto type = pair.at(0).AsString()) element.type.emplace(*type);
    if (const auto key = pair.at(1).AsString()) element.state_key.emplace(*key);
  }
  return elements;
}

std::string TextOf(const RequiredState& state) {
  std::string text;
  json::Writer out(&text);
  out.BeginArray();
  WriteElements(out, state.include);
  WriteElements(out, state.exclude);
  out.Bool(state.lazy_members).EndArray();
  return text;
}

}  // namespace

void CombinedConfig::Add(const SlidingRoomConfig& config) {
  timeline_limit_ = std::max(timeline_limit_, config.timeline_limit);
  heroes_ = heroes_ || config.include_heroes;
  parts_.push_back(config.required_state);
}

void CombinedConfig::Seal() {
  std::vector<std::pair<std::string, RequiredState>> named;
  named.reserve(parts_.size());
  for (RequiredState& part : parts_) {
    std::string text = TextOf(part);
    named.emplace_back(std::move(text), std::move(part));
  }
  std::sort(named.begin(), named.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto end = std::unique(
      named.begin(), named.end(),
      [](const auto& a, const auto& b) { return a.first == b.first; });
  named.erase(end, named.end());
  parts_.clear();
  lazy_ = false;
  bool all_members = false;
  text_ = "[";
  for (auto& [text, part] : named) {
    if (text_.size() > 1) text_.push_back(',');
    text_.append(text);
    lazy_ = lazy_ || part.lazy_members;
    all_members = all_members || part.WantsAllMembers();
    parts_.push_back(std::move(part));
  }
  text_.push_back(']');
  lazy_ = lazy_ && !all_members;
}

bool CombinedConfig::Wants(std::string_view type,
                           std::string_view state_key) const {
  return std::any_of(
      parts_.begin(), parts_.end(),
      [&](const RequiredState& part) { return part.Matches(type, state_key); });
}

Result<CombinedConfig> CombinedConfig::FromText(std::string_view text) {
  const Result<json::Document> document = json::Document::ParseView(text);
  if (!document.ok() || !document->root().IsArray()) {
    return Status(StatusCode::kDataLoss, "a sliding sync state is damaged");
  }
  CombinedConfig config;
  for (const json::Value part : document->root()) {
    config.parts_.push_back(
        {.include = ReadElements(part.at(0)),
         .exclude = ReadElements(part.at(1)),
         .lazy_members = part.at(2).AsBool().value_or(false)});
  }
  config.Seal();
  return config;
}

}  // namespace matrixcore
