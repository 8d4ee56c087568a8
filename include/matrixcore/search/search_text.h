// What it means that a text matches a search, the same for every index.
//
// Text and query are folded: lower case, without accents.  A query is a list of
// words, and a text matches when it has all of them: a word of three characters
// or more anywhere in it ("art" is in "heart"), a shorter one only as a word of
// its own, or, in scripts that do not put spaces between words, anywhere.
// Punctuation only separates words.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace matrixcore {

// The folded form of a valid UTF-8 text, cut after kMaxSearchTextBytes.
inline constexpr size_t kMaxSearchTextBytes = 32768;
std::string FoldText(std::string_view text);

// A word of so many characters is found anywhere, by its trigrams.
inline constexpr size_t kLongWord = 3;

// What short words are found by in a folded text: its words of one or two
// characters and, in scripts without spaces, each character and each pair of
// neighbours.  Sorted, each once.
std::vector<std::string> ShortTokens(std::string_view folded);

// A parsed query.  A value.
class SearchTerms {
 public:
  // Words beyond these are ignored, as are their characters.
  static constexpr size_t kMaxWords = 16;
  static constexpr size_t kMaxWordCharacters = 64;

  static SearchTerms Parse(std::string_view query);

  // Nothing can match.
  bool empty() const { return words_.empty(); }
  struct Word {
    std::string text;      // Folded.
    bool anywhere = true;  // Else only as a word of its own.
    bool is_long = true;   // At least kLongWord characters.
    friend bool operator==(const Word&, const Word&) = default;
  };
  // Each once, in the order of the query.
  const std::vector<Word>& words() const { return words_; }

  // How well a folded text matches: above 0, and higher for more occurrences,
  // for whole words and for shorter texts.  Nothing if it does not match.
  std::optional<double> Score(std::string_view folded) const;

  friend bool operator==(const SearchTerms&, const SearchTerms&) = default;

 private:
  std::vector<Word> words_;
};

}  // namespace matrixcore
