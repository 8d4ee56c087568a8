#include "matrixcore/crypto/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;

constexpr auto kStandard = Base64Alphabet::kStandard;
constexpr auto kUrlSafe = Base64Alphabet::kUrlSafe;

std::string Encode(std::string_view text) {
  return Base64Encode(AsBytes(text));
}

// RFC 4648, section 10, without the padding.
TEST(Base64, EncodesWithoutPadding) {
  EXPECT_EQ(Encode(""), "");
  EXPECT_EQ(Encode("f"), "Zg");
  EXPECT_EQ(Encode("fo"), "Zm8");
  EXPECT_EQ(Encode("foo"), "Zm9v");
  EXPECT_EQ(Encode("foob"), "Zm9vYg");
  EXPECT_EQ(Encode("fooba"), "Zm9vYmE");
  EXPECT_EQ(Encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, AlphabetsDifferInTwoDigits) {
  const std::string bytes = "\xfb\xff\xbf\xff\xef"s;
  EXPECT_EQ(Base64Encode(AsBytes(bytes), kStandard), "+/+//+8");
  EXPECT_EQ(Base64Encode(AsBytes(bytes), kUrlSafe), "-_-__-8");
  EXPECT_EQ(Base64Decode("+/+//+8", kStandard), bytes);
  EXPECT_EQ(Base64Decode("-_-__-8", kUrlSafe), bytes);
  EXPECT_EQ(Base64Decode("+/+//+8", kUrlSafe), std::nullopt);
  EXPECT_EQ(Base64Decode("-_-__-8", kStandard), std::nullopt);
}

TEST(Base64, DecodesWithAndWithoutPadding) {
  EXPECT_EQ(Base64Decode(""), "");
  EXPECT_EQ(Base64Decode("Zg"), "f");
  EXPECT_EQ(Base64Decode("Zg=="), "f");
  EXPECT_EQ(Base64Decode("Zm8"), "fo");
  EXPECT_EQ(Base64Decode("Zm8="), "fo");
  EXPECT_EQ(Base64Decode("Zm9v"), "foo");
}

TEST(Base64, RefusesWrongPadding) {
  for (const char* text : {"=", "==", "Zg=", "Zg===", "Zm8==", "Zm9v=",
                           "Zm9v====", "Z=g=", "=Zg=", "Zg==Zg=="}) {
    EXPECT_EQ(Base64Decode(text), std::nullopt) << text;
  }
}

TEST(Base64, RefusesImpossibleLengthsAndOtherCharacters) {
  for (const std::string& text : {"Z"s, "Zm9vY"s, "Zm 8"s, "Zm8\n"s, "Zm9\0"s,
                                  "Zm9\xff"s, "Zm9*"s, " Zg"s}) {
    EXPECT_EQ(Base64Decode(text), std::nullopt) << text;
  }
}

TEST(Base64, StrictRefusesSetBitsAfterTheLastByte) {
  EXPECT_EQ(Base64Decode("Zh"), "f");  // 'h' is 'g' with its lowest bit set.
  EXPECT_EQ(Base64Decode("Zh", kStandard, true), std::nullopt);
  EXPECT_EQ(Base64Decode("Zm9", kStandard, true), std::nullopt);
  EXPECT_EQ(Base64Decode("Zg", kStandard, true), "f");
  EXPECT_EQ(Base64Decode("Zm8", kStandard, true), "fo");
  EXPECT_EQ(Base64Decode("////", kStandard, true), "\xff\xff\xff");
}

TEST(Base64, EveryByteValueSurvives) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  for (size_t length = 250; length <= 256; ++length) {
    const std::string part = bytes.substr(0, length);
    for (Base64Alphabet alphabet : {kStandard, kUrlSafe}) {
      EXPECT_EQ(
          Base64Decode(Base64Encode(AsBytes(part), alphabet), alphabet, true),
          part);
    }
  }
}

}  // namespace
}  // namespace matrixcore
