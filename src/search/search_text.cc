#include "matrixcore/search/search_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "matrixcore/base/utf8.h"

namespace matrixcore {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Scripts that put no spaces between words, and pictures.
constexpr Range kDense[] = {
    {0x0E00, 0x0EFF}, {0x1000, 0x109F},   {0x1780, 0x17FF},   {0x2600, 0x27BF},
    {0x2E80, 0x2FDF}, {0x3005, 0x3007},   {0x3040, 0x30FF},   {0x3100, 0x312F},
    {0x31F0, 0x31FF}, {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7AF},
    {0xF900, 0xFAFF}, {0x1F000, 0x1FAFF}, {0x20000, 0x3FFFF},
};
// Beyond ASCII.
constexpr Range kPunctuation[] = {
    {0x0080, 0x00A9}, {0x00AB, 0x00B1}, {0x00B4, 0x00B4}, {0x00B6, 0x00B8},
    {0x00BB, 0x00BF}, {0x00D7, 0x00D7}, {0x00F7, 0x00F7}, {0x055A, 0x055F},
    {0x0589, 0x058A}, {0x05BE, 0x05BE}, {0x060C, 0x060C}, {0x061B, 0x061F},
    {0x066A, 0x066D}, {0x06D4, 0x06D4}, {0x0964, 0x0965}, {0x2000, 0x200C},
    {0x200E, 0x206F}, {0x20A0, 0x20CF}, {0x2190, 0x23FF}, {0x2500, 0x25FF},
    {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030},
    {0x30FB, 0x30FB}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF5F, 0xFF65},
    {0xFFF0, 0xFFFF},
};

template <size_t N>
bool In(const Range (&ranges)[N], char32_t c) {
  const Range* const end = ranges + N;
  const Range* const it = std::lower_bound(
      ranges, end, c, [](const Range& r, char32_t x) { return r.last < x; });
  return it != end && it->first <= c;
}

bool IsDense(char32_t c) { return c >= 0x0E00 && In(kDense, c); }

bool IsWord(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
  }
  return !In(kPunctuation, c);
}

// Characters that change the one before them, or nothing that can be seen.
bool IsIgnored(char32_t c) {
  return (c >= 0x0300 && c <= 0x036F) || c == 0x00AD || c == 0x200D ||
         (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0x1F3FB && c <= 0x1F3FF);
}

// What U+00C0 to U+00FF and U+0100 to U+017F are without accents; '*' is told
// below.
constexpr std::string_view kLatin1 =
    "aaaaaa*ceeeeiiiidnooooo*ouuuuy**aaaaaa*ceeeeiiiidnooooo*ouuuuy*y";
constexpr std::string_view kLatinA =
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllll"
    "llnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(kLatin1.size() == 64 && kLatinA.size() == 128);

// Greek letters with a tonos, and what they are without.
constexpr std::pair<char32_t, char32_t> kGreek[] = {
    {0x0386, 0x03B1}, {0x0388, 0x03B5}, {0x0389, 0x03B7}, {0x038A, 0x03B9},
    {0x038C, 0x03BF}, {0x038E, 0x03C5}, {0x038F, 0x03C9}, {0x03AC, 0x03B1},
    {0x03AD, 0x03B5}, {0x03AE, 0x03B7}, {0x03AF, 0x03B9}, {0x03C2, 0x03C3},
    {0x03CC, 0x03BF}, {0x03CD, 0x03C5}, {0x03CE, 0x03C9},
};

// The next character of a valid text; moves `at` behind it.
char32_t Next(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<uint8_t>(text[i]));
  };
  const char32_t lead = byte(at);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t c = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) c = (c << 6) | (byte(at + i) & 0x3F);
  at += length;
  return c;
}

void Append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool AppendLatin(std::string& out, char32_t c) {
  if (c < 0xC0 || c > 0x17F) return false;
  const char plain = c < 0x100 ? kLatin1[c - 0xC0] : kLatinA[c - 0x100];
  if (plain != '*') {
    out += plain;
  } else if (c == 0xC6 || c == 0xE6) {
    out += "ae";
  } else if (c == 0xDE || c == 0xFE) {
    out += "th";
  } else if (c == 0xDF) {
    out += "ss";
  } else {
    Append(out, c);
  }
  return true;
}

// Other scripts with two cases.
char32_t Lower(char32_t c) {
  if (c >= 0x0386 && c <= 0x03CE) {
    for (const auto& [from, to] : kGreek) {
      if (from == c) return to;
    }
    return c >= 0x0391 && c <= 0x03A9 ? c + 0x20 : c;
  }
  if (c >= 0x0400 && c <= 0x040F) c += 0x50;
  if (c >= 0x0410 && c <= 0x042F) return c + 0x20;
  if (c == 0x0451) return 0x0435;
  const bool pairs =
      (c >= 0x0460 && c <= 0x0481) || (c >= 0x048A && c <= 0x04BF) ||
      (c >= 0x04D0 && c <= 0x052F) || (c >= 0x1E00 && c <= 0x1EFF);
  if (pairs) return c | 1;
  if (c >= 0x0531 && c <= 0x0556) return c + 0x30;
  return c;
}

// Calls `visit` with each run of word characters of a folded text and its
// number of characters.
template <typename Visit>
void ForEachWord(std::string_view folded, Visit visit) {
  size_t begin = 0;
  size_t characters = 0;
  for (size_t at = 0; at < folded.size();) {
    const size_t here = at;
    if (IsWord(Next(folded, at))) {
      if (characters++ == 0) begin = here;
      continue;
    }
    if (characters > 0) visit(folded.substr(begin, here - begin), characters);
    characters = 0;
  }
  if (characters > 0) visit(folded.substr(begin), characters);
}

// The character that ends at `at`; U+0020 at the beginning.
char32_t Before(std::string_view text, size_t at) {
  if (at == 0) return U' ';
  do {
    --at;
  } while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return Next(text, at);
}

char32_t After(std::string_view text, size_t at) {
  return at >= text.size() ? U' ' : Next(text, at);
}

bool AllDense(std::string_view word) {
  for (size_t at = 0; at < word.size();) {
    if (!IsDense(Next(word, at))) return false;
  }
  return true;
}

// No more occurrences of a word than this make a text more relevant.
constexpr int kMaxOccurrences = 10;
// The length of a text, in bytes, that is neither short nor long.
constexpr double kUsualLength = 80;

}  // namespace

std::string FoldText(std::string_view text) {
  text = TruncateUtf8(text, kMaxSearchTextBytes);
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    char32_t c = Next(text, at);
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;  // Full width.
    if (c < 0x80) {
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
    } else if (!IsIgnored(c) && !AppendLatin(out, c)) {
      Append(out, Lower(c));
    }
  }
  return out;
}

std::vector<std::string> ShortTokens(std::string_view folded) {
  std::vector<std::string> tokens;
  ForEachWord(folded, [&](std::string_view word, size_t characters) {
    if (characters < kLongWord) tokens.emplace_back(word);
    size_t before = std::string_view::npos;  // Of a dense character.
    for (size_t at = 0; at < word.size();) {
      const size_t here = at;
      if (!IsDense(Next(word, at))) {
        before = std::string_view::npos;
        continue;
      }
      tokens.emplace_back(word.substr(here, at - here));
      if (before != std::string_view::npos) {
        tokens.emplace_back(word.substr(before, at - before));
      }
      before = here;
    }
  });
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

SearchTerms SearchTerms::Parse(std::string_view query) {
  SearchTerms terms;
  const std::string folded = FoldText(query);
  ForEachWord(folded, [&](std::string_view text, size_t characters) {
    if (terms.words_.size() == kMaxWords) return;
    if (characters > kMaxWordCharacters) {
      size_t end = 0;
      for (size_t i = 0; i < kMaxWordCharacters; ++i) Next(text, end);
      text = text.substr(0, end);
    }
    Word word;
    word.text = text;
    word.is_long = characters >= kLongWord;
    word.anywhere = word.is_long || AllDense(text);
    if (std::find(terms.words_.begin(), terms.words_.end(), word) ==
        terms.words_.end()) {
      terms.words_.push_back(std::move(word));
    }
  });
  return terms;
}

std::optional<double> SearchTerms::Score(std::string_view folded) const {
  if (words_.empty()) return std::nullopt;
  const double length =
      0.25 + 0.75 * static_cast<double>(folded.size()) / kUsualLength;
  double score = 0;
  for (const Word& word : words_) {
    int occurrences = 0;
    bool whole = false;
    for (size_t at = folded.find(word.text); at != std::string_view::npos;
         at = folded.find(word.text, at + word.text.size())) {
      const bool alone = !IsWord(Before(folded, at)) &&
                         !IsWord(After(folded, at + word.text.size()));
      if (!alone && !word.anywhere) continue;
      whole = whole || alone;
      if (++occurrences == kMaxOccurrences) break;
    }
    if (occurrences == 0) return std::nullopt;
    score += (whole ? 1.5 : 1.0) * occurrences / (occurrences + 1.2 * length);
  }
  return score / static_cast<double>(words_.size());
}

}  // namespace matrixcore
