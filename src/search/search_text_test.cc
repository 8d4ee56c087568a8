#include "matrixcore/search/search_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool Matches(std::string_view query, std::string_view text) {
  return SearchTerms::Parse(query).Score(FoldText(text)).has_value();
}
double Score(std::string_view query, std::string_view text) {
  return SearchTerms::Parse(query).Score(FoldText(text)).value_or(0);
}

TEST(FoldTextTest, IgnoresCaseAndAccents) {
  EXPECT_EQ(FoldText("Ünïcödé ÆØÅ Straße"), "unicode aeoa strasse");
  EXPECT_EQ(FoldText("Łódź Čeština Ğüŋ"), "lodz cestina gun");
  EXPECT_EQ(FoldText("ΆΣΣΟΣ Ύδωρ"), "ασσοσ υδωρ");
  EXPECT_EQ(FoldText("ПРИВЕТ Ёлка Ђ"), "привет елка ђ");
  EXPECT_EQ(FoldText("ＡＢＣ１"), "abc1");
  EXPECT_EQ(FoldText("e\u0301a\u00ADb"), "eab");
  EXPECT_EQ(FoldText("日本 × 2"), "日本 × 2");
}

TEST(FoldTextTest, CutsLongTextsBetweenCharacters) {
  std::string text(kMaxSearchTextBytes - 1, 'a');
  EXPECT_EQ(FoldText(text + "日").size(), kMaxSearchTextBytes - 1);
}

TEST(SearchTermsTest, WordsAreSeparatedByPunctuation) {
  const SearchTerms terms =
      SearchTerms::Parse("  \"Hello\", (WORLD) -NOT* AND:x hello ");
  std::vector<std::string> words;
  for (const auto& word : terms.words()) words.push_back(word.text);
  EXPECT_THAT(words, ElementsAre("hello", "world", "not", "and", "x"));
  EXPECT_TRUE(SearchTerms::Parse("").empty());
  EXPECT_TRUE(SearchTerms::Parse("?! ** \"' — 。、").empty());
}

TEST(SearchTermsTest, IsBounded) {
  std::string query;
  for (int i = 0; i < 100; ++i) query += "word" + std::to_string(i) + " ";
  EXPECT_EQ(SearchTerms::Parse(query).words().size(), SearchTerms::kMaxWords);
  const SearchTerms one = SearchTerms::Parse(std::string(500, 'a'));
  EXPECT_EQ(one.words()[0].text.size(), SearchTerms::kMaxWordCharacters);
}

TEST(SearchTermsTest, AllWordsMustBeThere) {
  EXPECT_TRUE(Matches("martians men", "Men meet Martians"));
  EXPECT_FALSE(Matches("martians women", "Men meet Martians"));
}

TEST(SearchTermsTest, LongWordsMatchAnywhereShortOnesAsWords) {
  EXPECT_TRUE(Matches("art", "heart"));
  EXPECT_FALSE(Matches("no", "nothing"));
  EXPECT_TRUE(Matches("no", "Oh no!"));
  EXPECT_TRUE(Matches("c++", "we write C++ here"));
  EXPECT_FALSE(Matches("c++", "cc"));
  EXPECT_TRUE(Matches("don't", "I don't know"));
}

TEST(SearchTermsTest, ScriptsWithoutSpacesMatchAnywhere) {
  EXPECT_TRUE(Matches("東京", "私は東京に住んでいます"));
  EXPECT_TRUE(Matches("住", "私は東京に住んでいます"));
  EXPECT_TRUE(Matches("สวัส", "สวัสดีครับ"));
  EXPECT_FALSE(Matches("京東", "私は東京に住んでいます"));
  EXPECT_TRUE(Matches("👍", "ok👍🏽👍"));
}

TEST(SearchTermsTest, MoreAndWholeAndShorterScoreHigher) {
  EXPECT_GT(Score("cat", "cat cat"), Score("cat", "cat dog"));
  EXPECT_GT(Score("cat", "a cat"), Score("cat", "cater"));
  EXPECT_GT(Score("cat", "cat"), Score("cat", "cat" + std::string(500, ' ')));
  EXPECT_EQ(Score("cat", "dog"), 0);
}

TEST(ShortTokensTest, AreShortWordsAndNeighboursOfDenseScripts) {
  EXPECT_THAT(ShortTokens("an ox went to x, an y2"),
              ElementsAre("an", "ox", "to", "x", "y2"));
  EXPECT_THAT(ShortTokens("東京都 a"),
              ElementsAre("a", "京", "京都", "東", "東京", "都"));
  EXPECT_THAT(ShortTokens("went home"), IsEmpty());
  EXPECT_THAT(ShortTokens("v2東"), ElementsAre("東"));
}

}  // namespace
}  // namespace matrixcore
