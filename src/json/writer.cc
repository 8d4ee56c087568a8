#include "matrixcore/json/writer.h"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>

#include "json/scan.h"

namespace matrixcore::json {

// For the assertions, which look at the outermost 64 levels only.
bool Writer::InObject(bool unknown) const {
  if (depth_ > 64) return unknown;
  return depth_ > 0 && (objects_ >> (depth_ - 1) & 1) != 0;
}

void Writer::BeforeValue() {
  assert(InObject(after_key_) == after_key_ && "only members have keys");
  assert((depth_ > 0 || !need_comma_) && "one value only");
  if (need_comma_) out_.push_back(',');
  need_comma_ = true;
  after_key_ = false;
}

void Writer::Begin(char bracket, bool object) {
  BeforeValue();
  out_.push_back(bracket);
  need_comma_ = false;
  if (depth_ < 64) {
    const uint64_t level = uint64_t{1} << depth_;
    objects_ = object ? objects_ | level : objects_ & ~level;
  }
  ++depth_;
}

void Writer::End(char bracket, [[maybe_unused]] bool object) {
  assert(depth_ > 0 && !after_key_ && "nothing to end");
  assert(InObject(object) == object && "the wrong bracket");
  out_.push_back(bracket);
  need_comma_ = true;
  --depth_;
}

Writer& Writer::BeginObject() {
  Begin('{', true);
  return *this;
}

Writer& Writer::EndObject() {
  End('}', true);
  return *this;
}

Writer& Writer::BeginArray() {
  Begin('[', false);
  return *this;
}

Writer& Writer::EndArray() {
  End(']', false);
  return *this;
}

Writer& Writer::Key(std::string_view key) {
  assert(InObject(true) && !after_key_ && "a key belongs into an object");
  if (need_comma_) out_.push_back(',');
  AppendString(&out_, key);
  out_.push_back(':');
  need_comma_ = false;
  after_key_ = true;
  return *this;
}

Writer& Writer::String(std::string_view text) {
  BeforeValue();
  AppendString(&out_, text);
  return *this;
}

Writer& Writer::Int(int64_t value) {
  BeforeValue();
  std::array<char, 24> text;
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value);
  out_.append(text.data(), result.ptr);
  return *this;
}

Writer& Writer::Bool(bool value) {
  BeforeValue();
  out_.append(value ? "true" : "false");
  return *this;
}

Writer& Writer::Null() {
  BeforeValue();
  out_.append("null");
  return *this;
}

Writer& Writer::Double(double value) {
  assert(std::isfinite(value));
  if (!std::isfinite(value)) return Null();
  BeforeValue();
  std::array<char, 32> text;
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value);
  out_.append(text.data(), result.ptr);
  return *this;
}

Writer& Writer::Raw(std::string_view json) {
  assert(!json.empty());
  BeforeValue();
  out_.append(json);
  return *this;
}

Writer& Writer::RawMembers(std::string_view members) {
  assert(InObject(true) && !after_key_ && "members belong into an object");
  if (members.empty()) return *this;
  if (need_comma_) out_.push_back(',');
  out_.append(members);
  need_comma_ = true;
  return *this;
}

namespace {

// The letter after the backslash for characters that have one, else 0.
char ShortEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\t':
      return 't';
    case '\n':
      return 'n';
    case '\f':
      return 'f';
    case '\r':
      return 'r';
    default:
      return 0;
  }
}

}  // namespace

void AppendString(std::string* out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  const char* p = text.data();
  const char* const end = p + text.size();
  out->push_back('"');
  for (;;) {
    const char* plain_end = FindSpecial(p, end);
    out->append(p, plain_end);
    p = plain_end;
    if (p == end) break;
    const char c = *p++;
    if (const char letter = ShortEscape(c); letter != 0) {
      out->push_back('\\');
      out->push_back(letter);
    } else {
      out->append("\\u00");
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[c & 15]);
    }
  }
  out->push_back('"');
}

}  // namespace matrixcore::json
