// Object: the members of one JSON object, to be changed and written again.
//
// Members are kept as raw JSON, sorted by key, so that unknown ones survive and
// nothing is written twice.  For small edits of an object (add `hashes`, drop
// `unsigned`); reading is Value's business.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/bytes.h"
#include "matrixcore/json/value.h"

namespace matrixcore::json {

// A value type.
class Object {
 public:
  Object() = default;
  // A copy of an object's members (the last one of repeated keys); empty for
  // any other kind.
  static Object From(Value value);

  bool empty() const { return members_.empty(); }
  size_t size() const { return members_.size(); }
  bool Has(std::string_view key) const { return members_.count(key) != 0; }
  // The raw JSON of a member, "" if there is none.
  std::string_view Get(std::string_view key) const;

  // Sets, replacing what was there.
  void SetRaw(std::string_view key, std::string json);
  void SetString(std::string_view key, std::string_view text);
  void SetInt(std::string_view key, int64_t value);
  void SetBool(std::string_view key, bool value);
  void Erase(std::string_view key);

  const StringMap<std::string>& members() const { return members_; }

  // The object's JSON: canonical if every member is.
  std::string ToJson() const;

  friend bool operator==(const Object&, const Object&) = default;

 private:
  StringMap<std::string> members_;
};

}  // namespace matrixcore::json
