// Reading canonical JSON in place: no tree, no allocation, no recursion.
//
// An event keeps its canonical bytes; these readers walk them.  A "raw" value
// is the exact text of one JSON value.  Every reader stays inside the text that
// it was given, whatever the text is; on a text that is not JSON it stops
// early.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace matrixcore::canonical {

// The position after the value that starts at `pos`, or npos when there is no
// complete value.
size_t SkipValue(std::string_view text, size_t pos);

// What reading an object and an array have in common.
class ContainerReader {
 public:
  // Whether everything up to the closing bracket was read, with nothing after
  // it.
  bool complete() const { return complete_; }

 protected:
  ContainerReader(std::string_view text, char open, char close);
  // Goes to where the next item begins, at pos_; false at the end, or when the
  // text is broken.
  bool Step();
  // Ends the reading; always false.
  bool Stop();

  std::string_view text_;
  size_t pos_ = 0;

 private:
  char close_;
  bool first_ = true;
  bool complete_ = false;
};

// The members of an object:  for (ObjectReader r(raw); r.Next();) ...
class ObjectReader : public ContainerReader {
 public:
  explicit ObjectReader(std::string_view object)
      : ContainerReader(object, '{', '}') {}
  // Goes to the next member; false at the end, or when the text is broken.
  bool Next();
  // What stands between the quotes, escapes included.
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  // Where value() begins in the object's text.
  size_t value_offset() const { return value_offset_; }

 private:
  std::string_view key_;
  std::string_view value_;
  size_t value_offset_ = 0;
};

// The elements of an array.
class ArrayReader : public ContainerReader {
 public:
  explicit ArrayReader(std::string_view array)
      : ContainerReader(array, '[', ']') {}
  bool Next();
  std::string_view value() const { return value_; }

 private:
  std::string_view value_;
};

inline bool IsObject(std::string_view raw) {
  return !raw.empty() && raw.front() == '{';
}
inline bool IsArray(std::string_view raw) {
  return !raw.empty() && raw.front() == '[';
}
inline bool IsString(std::string_view raw) {
  return raw.size() >= 2 && raw.front() == '"';
}
inline bool IsNull(std::string_view raw) { return raw == "null"; }

// The raw value of an object's member, "" if there is none or `raw` is no
// object.  `key` needs no escapes.
std::string_view Member(std::string_view raw, std::string_view key);

// Between the quotes of a string, escapes included; "" for any other value.
inline std::string_view StringBody(std::string_view raw) {
  return IsString(raw) ? raw.substr(1, raw.size() - 2) : std::string_view();
}
inline bool HasEscapes(std::string_view body) {
  return body.find('\\') != std::string_view::npos;
}
// Appends the text that `body` (of a string or a key) stands for.
void AppendUnescaped(std::string_view body, std::string* out);
// Whether `body` stands for `text`.
bool BodyEquals(std::string_view body, std::string_view text);
// Whether `raw` is the string `text`.
inline bool StringEquals(std::string_view raw, std::string_view text) {
  return IsString(raw) && BodyEquals(raw.substr(1, raw.size() - 2), text);
}
// Orders two bodies as the texts that they stand for: <0, 0, >0.
int CompareBodies(std::string_view a, std::string_view b);
// The member whose key stands for `text`, "" if none.
std::string_view MemberNamed(std::string_view raw, std::string_view text);

// A number without fraction and exponent that fits.
std::optional<int64_t> Int(std::string_view raw);

}  // namespace matrixcore::canonical
