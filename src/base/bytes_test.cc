#include "matrixcore/base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;

TEST(Hex, EncodesInLowerCase) {
  EXPECT_EQ(HexEncode(AsBytes("\x00\x7f\xab\xff"s)), "007fabff");
  EXPECT_EQ(HexEncode({}), "");
}

TEST(Hex, DecodesBothCases) {
  EXPECT_EQ(HexDecode("007FabFf"), "\x00\x7f\xab\xff"s);
  EXPECT_EQ(HexDecode(""), "");
}

TEST(Hex, RefusesWhatIsNotHexadecimal) {
  EXPECT_EQ(HexDecode("abc"), std::nullopt);
  EXPECT_EQ(HexDecode("0g"), std::nullopt);
  EXPECT_EQ(HexDecode(" 0"), std::nullopt);
  EXPECT_EQ(HexDecode("0x00"), std::nullopt);
}

TEST(Bytes, ViewsShareTheMemory) {
  const std::string text = "abc";
  EXPECT_EQ(AsBytes(text).size(), 3u);
  EXPECT_EQ(AsBytes(text)[1], uint8_t{'b'});
  EXPECT_EQ(AsText(AsBytes(text)).data(), text.data());
}

TEST(StringMap, IsLookedUpByView) {
  StringMap<int> map;
  map.emplace("key", 1);
  EXPECT_EQ(map.find(std::string_view("key"))->second, 1);
  EXPECT_EQ(StringHash{}(std::string_view("key")), StringHash{}("key"s));
  EXPECT_TRUE(StringEq{}("key"s, std::string_view("key")));
}

}  // namespace
}  // namespace matrixcore
