#include "matrixcore/event/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

TEST(GlobTest, MatchesWholeText) {
  EXPECT_TRUE(Glob("lunc?*").Matches("Lunch plans"));
  EXPECT_TRUE(Glob("lunc?*").Matches("LUNCH"));
  EXPECT_FALSE(Glob("lunc?*").Matches(" lunch"));
  EXPECT_FALSE(Glob("lunc?*").Matches("lunc"));
  EXPECT_TRUE(Glob("").Matches(""));
  EXPECT_FALSE(Glob("").Matches("x"));
  EXPECT_TRUE(Glob("*").Matches(""));
  EXPECT_TRUE(Glob("**a**").Matches("xay"));
  EXPECT_TRUE(Glob("a*b*c").Matches("aXbYbZc"));
  EXPECT_FALSE(Glob("a*b*c").Matches("aXcYb"));
  EXPECT_TRUE(Glob("?").Matches("\xE6\x97\xA5"));  // One character.
  EXPECT_FALSE(Glob("?").Matches(""));
  EXPECT_TRUE(Glob("a.b").Matches("A.B"));
  EXPECT_FALSE(Glob("a.b").Matches("axb"));
}

TEST(GlobTest, FoldsCase) {
  EXPECT_TRUE(Glob("\xC3\x89T\xC3\x89").Matches("\xC3\xA9t\xC3\xA9"));
  EXPECT_TRUE(
      Glob("\xD0\x9C\xD0\x98\xD0\xA0").Matches("\xD0\xBC\xD0\xB8\xD1\x80"));
  EXPECT_TRUE(Glob("\xCE\xA3").Matches("\xCF\x82"));  // Final sigma.
}

TEST(GlobTest, MatchesWords) {
  EXPECT_TRUE(Glob("ex*ple").MatchesWords("An example event."));
  EXPECT_TRUE(Glob("ex*ple").MatchesWords("exple"));
  EXPECT_TRUE(Glob("ex*ple").MatchesWords("An exciting triple-whammy"));
  EXPECT_FALSE(Glob("ex*ple").MatchesWords("examples"));
  EXPECT_FALSE(Glob("ex*ple").MatchesWords("textual example_"));
  EXPECT_TRUE(Glob("cake").MatchesWords("(CAKE)"));
  EXPECT_FALSE(Glob("cake").MatchesWords("cupcake"));
  EXPECT_FALSE(Glob("cake").MatchesWords("cake_"));
  EXPECT_TRUE(Glob("cake").MatchesWords("cupcake, cake"));
  EXPECT_TRUE(
      Glob("cake").MatchesWords("caf\xC3\xA9\xC3\xA9"
                                "cake"));
  EXPECT_TRUE(Glob("@room").MatchesWords("hi @room!"));
  EXPECT_FALSE(Glob("").MatchesWords("x"));
}

TEST(GlobTest, LiteralHasNoWildcards) {
  EXPECT_TRUE(Glob::Literal("a*").MatchesWords("say A* now"));
  EXPECT_FALSE(Glob::Literal("a*").MatchesWords("say abc now"));
  EXPECT_TRUE(Glob::Literal("a?").Matches("A?"));
  EXPECT_FALSE(Glob::Literal("a?").Matches("ab"));
}

TEST(GlobTest, LongPatternsCrossWordsOfBits) {
  std::string pattern;
  std::string text;
  for (int i = 0; i < 100; ++i) {
    pattern += "ab*?";
    text += "abxyz";
  }
  EXPECT_TRUE(Glob(pattern).Matches(text));
  EXPECT_TRUE(Glob(pattern).MatchesWords("so " + text + " it"));
  EXPECT_FALSE(Glob(pattern + "c").Matches(text));
  const std::string long_literal(300, 'q');
  EXPECT_TRUE(Glob(long_literal).MatchesWords("x " + long_literal));
  EXPECT_FALSE(Glob(long_literal).MatchesWords("x " + long_literal + "q"));
}

TEST(GlobTest, HardPatternsStayFast) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(Glob(pattern + "b").Matches(std::string(60000, 'a')));
}

TEST(FoldCaseTest, LettersOfTheCommonScriptsBecomeSmall) {
  EXPECT_EQ(FoldCase("Hello, WORLD 7"), "hello, world 7");
  EXPECT_EQ(FoldCase("ÄÖÜ Łódź"), "äöü łódź");
  EXPECT_EQ(FoldCase("ΑΘΗΝΑ Москва"), "αθηνα москва");
  EXPECT_EQ(FoldCase("山田 🎉"), "山田 🎉");
  EXPECT_EQ(FoldCase(""), "");
}

}  // namespace
}  // namespace matrixcore
