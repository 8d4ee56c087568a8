#include "service/canonical_alias.h"

#include <utility>

#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "service/room_access.h"

namespace matrixcore {

std::string FilterAliases(const Event& event, const KeepAlias& keep) {
  json::Object content;
  const json::Value old = event.content();
  if (const auto alias = old["alias"].AsString(); alias && keep(*alias)) {
    content.SetString("alias", *alias);
  }
  std::string alternatives;
  json::Writer writer(&alternatives);
  writer.BeginArray();
  size_t count = 0;
  for (const json::Value item : old["alt_aliases"]) {
    const auto alias = item.AsString();
    if (!alias || !keep(*alias)) continue;
    writer.String(*alias);
    ++count;
  }
  writer.EndArray();
  if (count > 0) content.SetRaw("alt_aliases", std::move(alternatives));
  return content.empty() ? std::string() : content.ToJson();
}

Result<std::vector<std::string>> ReadAliases(json::Value content) {
  std::vector<std::string> aliases;
  const json::Value alias = content["alias"];
  if (alias && !alias.IsNull()) {
    if (!alias.IsString()) return InvalidParamError("`alias` is a string.");
    if (!alias.AsString()->empty()) aliases.emplace_back(*alias.AsString());
  }
  const json::Value alternatives = content["alt_aliases"];
  if (alternatives && !alternatives.IsArray()) {
    return InvalidParamError("`alt_aliases` is an array of strings.");
  }
  for (const json::Value item : alternatives) {
    if (!item.IsString()) {
      return InvalidParamError("`alt_aliases` is an array of strings.");
    }
    aliases.emplace_back(*item.AsString());
  }
  return aliases;
}

}  // namespace matrixcore
