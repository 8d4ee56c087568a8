#include "matrixcore/event/glob.h"

#include <algorithm>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

// The next code point of UTF-8 text; a broken byte stands for itself.
char32_t NextCodePoint(std::string_view text, size_t* pos) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<uint8_t>(text[i]));
  };
  const char32_t first = byte((*pos)++);
  const int more = first >= 0xF0   ? 3
                   : first >= 0xE0 ? 2
                   : first >= 0xC0 ? 1
                                   : 0;
  if (more == 0 || *pos + static_cast<size_t>(more) > text.size()) return first;
  char32_t c = first & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) c = (c << 6) | (byte((*pos)++) & 0x3Fu);
  return c;
}

// Simple case folding of the scripts that have cases in common use.
char32_t Fold(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c >= 0x100 && c <= 0x17F) {
    if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149) return c;
    if (c == 0x178) return 0xFF;
    if (c == 0x17F) return 's';
    const bool odd_upper = (c >= 0x139 && c <= 0x148) || c >= 0x179;
    return (c & 1) == (odd_upper ? 1u : 0u) ? c + 1 : c;
  }
  if (c == 0x386) return 0x3AC;
  if (c >= 0x388 && c <= 0x38A) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
  if (c == 0x3C2) return 0x3C3;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x460 && c <= 0x481) return c | 1;
  return c;
}

bool IsWordCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9') || c == '_';
}

// Whether a word may begin or end before text[pos].
bool IsBoundary(std::string_view text, size_t pos) {
  return pos == 0 || pos == text.size() || !IsWordCharacter(text[pos - 1]) ||
         !IsWordCharacter(text[pos]);
}

std::u32string FoldText(std::string_view text) {
  std::u32string out;
  for (size_t pos = 0; pos < text.size();) {
    out.push_back(Fold(NextCodePoint(text, &pos)));
  }
  return out;
}

void AppendUtf8(std::string* out, char32_t c) {
  const auto put = [out](char32_t byte) {
    out->push_back(static_cast<char>(byte));
  };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
    return put(0x80 | (c & 0x3F));
  }
  if (c < 0x10000) {
    put(0xE0 | (c >> 12));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
  }
  put(0x80 | ((c >> 6) & 0x3F));
  put(0x80 | (c & 0x3F));
}

constexpr size_t kBits = 64;

void SetBit(std::vector<uint64_t>* words, size_t bit) {
  (*words)[bit / kBits] |= uint64_t{1} << (bit % kBits);
}

}  // namespace

std::string FoldCase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    AppendUtf8(&out, Fold(NextCodePoint(text, &pos)));
  }
  return out;
}

Glob::Glob(std::string_view pattern) { Compile(pattern, true); }

Glob Glob::Literal(std::string_view text) {
  Glob glob;
  glob.Compile(text, false);
  return glob;
}

void Glob::Compile(std::string_view pattern, bool wildcards) {
  text_ = FoldText(pattern);
  literal_ =
      !wildcards || pattern.find_first_of("*?") == std::string_view::npos;
  if (!literal_) {
    // "**" says no more than "*".
    const auto both_stars = [](char32_t a, char32_t b) {
      return a == U'*' && b == U'*';
    };
    text_.erase(std::unique(text_.begin(), text_.end(), both_stars),
                text_.end());
  }
  length_ = text_.size();
  const size_t words = length_ / kBits + 1;
  stars_.assign(words, 0);
  any_.assign(words, 0);
  for (size_t i = 0; i < length_ && !literal_; ++i) {
    if (text_[i] == U'*') SetBit(&stars_, i);
    if (text_[i] == U'?') SetBit(&any_, i);
  }
  std::u32string letters = text_;
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  for (const char32_t letter : letters) {
    if (!literal_ && (letter == U'*' || letter == U'?')) continue;
    Words accepted = any_;
    for (size_t i = 0; i < length_; ++i) {
      if (text_[i] == letter) SetBit(&accepted, i);
    }
    accepts_.emplace_back(letter, std::move(accepted));
  }
}

const uint64_t* Glob::MaskOf(char32_t c) const {
  const auto found = std::lower_bound(
      accepts_.begin(), accepts_.end(), c,
      [](const auto& entry, char32_t value) { return entry.first < value; });
  return found != accepts_.end() && found->first == c ? found->second.data()
                                                      : any_.data();
}

// Runs the pattern's automaton: bit i of `state` says that the first i tokens
// match what was read.
bool Glob::Run(std::string_view text, bool at_words) const {
  const size_t words = stars_.size();
  Words state(words, 0);
  const auto close = [&] {  // A '*' may match nothing.
    uint64_t carry = 0;
    for (size_t w = 0; w < words; ++w) {
      const uint64_t stars = state[w] & stars_[w];
      state[w] |= (stars << 1) | carry;
      carry = stars >> 63;
    }
  };
  const auto accepted = [&] {
    return ((state[length_ / kBits] >> (length_ % kBits)) & 1) != 0;
  };
  state[0] = 1;
  close();
  for (size_t pos = 0; pos < text.size();) {
    if (at_words && accepted() && IsBoundary(text, pos)) return true;
    const uint64_t* mask = MaskOf(Fold(NextCodePoint(text, &pos)));
    uint64_t carry = 0;
    for (size_t w = 0; w < words; ++w) {
      const uint64_t moved = state[w] & mask[w];
      state[w] = (moved << 1) | carry | (state[w] & stars_[w]);
      carry = moved >> 63;
    }
    if (at_words && IsBoundary(text, pos)) state[0] |= 1;
    close();
  }
  return accepted();
}

bool Glob::Matches(std::string_view text) const {
  if (!literal_) return Run(text, false);
  size_t pos = 0;
  for (const char32_t c : text_) {
    if (pos >= text.size() || Fold(NextCodePoint(text, &pos)) != c)
      return false;
  }
  return pos == text.size();
}

bool Glob::MatchesWords(std::string_view text) const {
  // An empty part of a text is not a word.
  if (length_ == 0) return text.empty();
  return Run(text, true);
}

size_t Glob::HeapBytes() const {
  return matrixcore::HeapBytes(text_) + matrixcore::HeapBytes(stars_) +
         matrixcore::HeapBytes(any_) + matrixcore::HeapBytes(accepts_);
}

}  // namespace matrixcore
