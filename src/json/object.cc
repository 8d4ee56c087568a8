#include "matrixcore/json/object.h"

#include <utility>

#include "matrixcore/json/writer.h"

namespace matrixcore::json {

Object Object::From(Value value) {
  Object object;
  for (auto [key, member] : value.members())
    object.SetRaw(key, std::string(member.raw()));
  return object;
}

std::string_view Object::Get(std::string_view key) const {
  const auto it = members_.find(key);
  return it == members_.end() ? std::string_view() : it->second;
}

void Object::SetRaw(std::string_view key, std::string json) {
  const auto it = members_.find(key);
  if (it == members_.end()) {
    members_.emplace(key, std::move(json));
  } else {
    it->second = std::move(json);
  }
}

void Object::SetString(std::string_view key, std::string_view text) {
  std::string json;
  AppendString(&json, text);
  SetRaw(key, std::move(json));
}

void Object::SetInt(std::string_view key, int64_t value) {
  SetRaw(key, std::to_string(value));
}

void Object::SetBool(std::string_view key, bool value) {
  SetRaw(key, value ? "true" : "false");
}

void Object::Erase(std::string_view key) {
  const auto it = members_.find(key);
  if (it != members_.end()) members_.erase(it);
}

std::string Object::ToJson() const {
  std::string out;
  size_t size = 2;
  for (const auto& [key, json] : members_) size += key.size() + json.size() + 4;
  out.reserve(size);
  Writer writer(&out);
  writer.BeginObject();
  for (const auto& [key, json] : members_) writer.RawField(key, json);
  writer.EndObject();
  return out;
}

}  // namespace matrixcore::json
