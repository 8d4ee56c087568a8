// Writing JSON: a Writer appends to a string, without a tree in between.
//
//   std::string out;
//   json::Writer w(&out);
//   w.BeginObject();
//   w.Key("event_id").String(id);
//   w.Key("content").Raw(event.content_json());   // stored bytes, spliced
//   w.EndObject();
//
// Commas are the Writer's business.  Calls must form valid JSON; debug builds
// assert that they do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace matrixcore::json {

// Not thread-safe; `out` outlives the Writer.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(*out) {}

  Writer& BeginObject();
  Writer& EndObject();
  Writer& BeginArray();
  Writer& EndArray();
  Writer& Key(std::string_view key);

  Writer& String(std::string_view text);
  Writer& Int(int64_t value);
  Writer& Bool(bool value);
  Writer& Null();
  // A number with the shortest text that reads back the same; it must be
  // finite.
  Writer& Double(double value);
  // One complete JSON value, copied as it is.
  Writer& Raw(std::string_view json);
  // Members of the open object, copied as they are: the text between the braces
  // of another object.  "" adds nothing.
  Writer& RawMembers(std::string_view members);

  // Key and value in one.
  Writer& Field(std::string_view key, std::string_view text) {
    return Key(key).String(text);
  }
  Writer& Field(std::string_view key, const char* text) {
    return Key(key).String(text);
  }
  Writer& Field(std::string_view key, int64_t value) {
    return Key(key).Int(value);
  }
  Writer& Field(std::string_view key, int value) { return Key(key).Int(value); }
  Writer& Field(std::string_view key, bool value) {
    return Key(key).Bool(value);
  }
  Writer& RawField(std::string_view key, std::string_view json) {
    return Key(key).Raw(json);
  }

 private:
  void BeforeValue();
  void Begin(char bracket, bool object);
  void End(char bracket, bool object);
  bool InObject(bool unknown) const;

  std::string& out_;
  bool need_comma_ = false;
  bool after_key_ = false;
  uint32_t depth_ = 0;
  uint64_t objects_ = 0;  // Which of the outermost 64 containers are objects.
};

// Appends `text` as a JSON string with its quotes: escapes only what JSON
// requires, in the form of canonical JSON (\b \t \n \f \r \" \\ \u00xx). `text`
// must be valid UTF-8, or the result is not JSON.
void AppendString(std::string* out, std::string_view text);

}  // namespace matrixcore::json
