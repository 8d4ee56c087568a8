#include "event/canonical_reader.h"

#include <charconv>
#include <cstring>
#include <utility>

namespace matrixcore::canonical {
namespace {

constexpr size_t kNone = std::string_view::npos;

// Bytes of `word` that are zero have their high bit set in the result; a byte
// above a zero byte may be marked too, so only the lowest mark is exact.
constexpr uint64_t ZeroBytes(uint64_t word) {
  return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}
constexpr uint64_t Repeat(char c) {
  return 0x0101010101010101u * static_cast<uint8_t>(c);
}

// The first '"' or '\\' at or after `pos`, or the end of the text.
size_t FindQuoteOrEscape(std::string_view text, size_t pos) {
  while (pos + 8 <= text.size()) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + pos, 8);
    if ((ZeroBytes(word ^ Repeat('"')) | ZeroBytes(word ^ Repeat('\\'))) != 0) {
      break;
    }
    pos += 8;
  }
  while (pos < text.size() && text[pos] != '"' && text[pos] != '\\') ++pos;
  return pos;
}

// The position after the string whose opening quote is at `pos`.
size_t SkipString(std::string_view text, size_t pos) {
  ++pos;
  for (;;) {
    pos = FindQuoteOrEscape(text, pos);
    if (pos >= text.size()) return kNone;
    if (text[pos] == '"') return pos + 1;
    pos += 2;
  }
}

// The position after the container that starts at `pos`.
size_t SkipContainer(std::string_view text, size_t pos) {
  size_t depth = 0;
  while (pos < text.size()) {
    switch (text[pos]) {
      case '"':
        pos = SkipString(text, pos);
        if (pos == kNone) return kNone;
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return pos + 1;
        break;
      default:
        break;
    }
    ++pos;
  }
  return kNone;
}

// The position of the next byte that ends a number or a literal.
size_t SkipScalar(std::string_view text, size_t pos) {
  const size_t begin = pos;
  while (pos < text.size()) {
    const char c = text[pos];
    if (c == ',' || c == '}' || c == ']' || c == ':' || c == '"' || c == '{' ||
        c == '[') {
      break;
    }
    ++pos;
  }
  return pos == begin ? kNone : pos;
}

// The character of an escape at body[*pos] (after the backslash); moves *pos
// behind it.  Canonical JSON escapes only ASCII.
char Unescape(std::string_view body, size_t* pos) {
  const char c = body[(*pos)++];
  switch (c) {
    case 'b':
      return '\b';
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'f':
      return '\f';
    case 'r':
      return '\r';
    case 'u': {
      unsigned value = 0;
      if (*pos + 4 <= body.size()) {
        std::from_chars(body.data() + *pos, body.data() + *pos + 4, value, 16);
        *pos += 4;
      } else {
        *pos = body.size();
      }
      return static_cast<char>(value & 0x7f);
    }
    default:
      return c;
  }
}

// Gives the bytes of the text that a body stands for, one by one.
class BodyBytes {
 public:
  explicit BodyBytes(std::string_view body) : body_(body) {}
  // -1 at the end.
  int Next() {
    if (pos_ >= body_.size()) return -1;
    const char c = body_[pos_++];
    if (c != '\\' || pos_ >= body_.size()) return static_cast<uint8_t>(c);
    return static_cast<uint8_t>(Unescape(body_, &pos_));
  }

 private:
  std::string_view body_;
  size_t pos_ = 0;
};

}  // namespace

size_t SkipValue(std::string_view text, size_t pos) {
  if (pos >= text.size()) return kNone;
  switch (text[pos]) {
    case '"':
      return SkipString(text, pos);
    case '{':
    case '[':
      return SkipContainer(text, pos);
    default:
      return SkipScalar(text, pos);
  }
}

ContainerReader::ContainerReader(std::string_view text, char open, char close)
    : text_(text), close_(close) {
  if (text_.empty() || text_.front() != open) {
    text_ = {};
    return;
  }
  pos_ = 1;
  if (text_.size() == 2 && text_[1] == close_) {
    complete_ = true;
    text_ = {};
  }
}

bool ContainerReader::Stop() {
  text_ = {};
  return false;
}

bool ContainerReader::Step() {
  if (pos_ >= text_.size()) return false;
  if (std::exchange(first_, false)) return true;
  if (text_[pos_] == close_) {
    complete_ = pos_ + 1 == text_.size();
    return Stop();
  }
  if (text_[pos_] != ',') return Stop();
  ++pos_;
  return true;
}

bool ObjectReader::Next() {
  if (!Step()) return false;
  if (pos_ >= text_.size() || text_[pos_] != '"') return Stop();
  const size_t key_end = SkipString(text_, pos_);
  if (key_end == kNone || key_end >= text_.size() || text_[key_end] != ':') {
    return Stop();
  }
  const size_t value_end = SkipValue(text_, key_end + 1);
  if (value_end == kNone) return Stop();
  key_ = text_.substr(pos_ + 1, key_end - pos_ - 2);
  value_offset_ = key_end + 1;
  value_ = text_.substr(value_offset_, value_end - value_offset_);
  pos_ = value_end;
  return true;
}

bool ArrayReader::Next() {
  if (!Step()) return false;
  const size_t end = SkipValue(text_, pos_);
  if (end == kNone) return Stop();
  value_ = text_.substr(pos_, end - pos_);
  pos_ = end;
  return true;
}

std::string_view Member(std::string_view raw, std::string_view key) {
  for (ObjectReader reader(raw); reader.Next();) {
    if (reader.key() == key) return reader.value();
  }
  return {};
}

std::string_view MemberNamed(std::string_view raw, std::string_view text) {
  for (ObjectReader reader(raw); reader.Next();) {
    if (BodyEquals(reader.key(), text)) return reader.value();
  }
  return {};
}

void AppendUnescaped(std::string_view body, std::string* out) {
  size_t pos = 0;
  while (pos < body.size()) {
    const size_t escape = body.find('\\', pos);
    if (escape == kNone) {
      out->append(body.substr(pos));
      return;
    }
    out->append(body.substr(pos, escape - pos));
    pos = escape + 1;
    if (pos < body.size()) out->push_back(Unescape(body, &pos));
  }
}

bool BodyEquals(std::string_view body, std::string_view text) {
  if (body.size() == text.size() && !HasEscapes(body)) return body == text;
  if (!HasEscapes(body)) return false;
  BodyBytes bytes(body);
  for (const char c : text) {
    if (bytes.Next() != static_cast<uint8_t>(c)) return false;
  }
  return bytes.Next() == -1;
}

int CompareBodies(std::string_view a, std::string_view b) {
  if (!HasEscapes(a) && !HasEscapes(b)) return a.compare(b);
  BodyBytes left(a);
  BodyBytes right(b);
  for (;;) {
    const int x = left.Next();
    const int y = right.Next();
    if (x != y) return x < y ? -1 : 1;
    if (x == -1) return 0;
  }
}

std::optional<int64_t> Int(std::string_view raw) {
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace matrixcore::canonical
