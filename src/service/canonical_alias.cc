#include "service/canonical_alias.h"

#include <utility>

#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"

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

}  // namespace matrixcore
