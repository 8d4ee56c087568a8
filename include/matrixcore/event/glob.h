// Glob patterns (spec: appendices, "Glob-style matching"): '*' is any number of
// characters, '?' is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace matrixcore {

// Text with every letter that has cases in its small form (simple folding of
// the Latin, Greek and Cyrillic letters), for comparing without regard to case.
std::string FoldCase(std::string_view text);

// A compiled pattern, matched without regard to case (simple folding of the
// Latin, Greek and Cyrillic letters).  A value; thread-safe.
//
// Matching takes time proportional to the text times the pattern's length in
// 64-character words, whatever the two are.
class Glob {
 public:
  explicit Glob(std::string_view pattern);
  // A pattern in which '*' and '?' stand for themselves.
  static Glob Literal(std::string_view text);

  // Whether the pattern matches all of `text`.
  bool Matches(std::string_view text) const;
  // Whether it matches a part of `text` that begins and ends at word
  // boundaries: the ends of the text, or next to a character other than
  // [A-Za-z0-9_].
  bool MatchesWords(std::string_view text) const;

  // Memory that the pattern holds on the heap, in bytes.
  size_t HeapBytes() const;

 private:
  using Words = std::vector<uint64_t>;
  Glob() = default;
  void Compile(std::string_view pattern, bool wildcards);
  bool Run(std::string_view text, bool at_words) const;
  const uint64_t* MaskOf(char32_t c) const;

  size_t length_ = 0;     // Tokens; one state more.
  bool literal_ = false;  // No wildcards: text_ is the folded pattern.
  std::u32string text_;
  Words stars_;  // Bit i: token i is '*'.
  Words any_;    // Bit i: token i is '?'.
  // For each literal character, which tokens accept it ('?' included).
  std::vector<std::pair<char32_t, Words>> accepts_;
};

}  // namespace matrixcore
