#include "matrixcore/json/writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace matrixcore::json {
namespace {

using std::string_literals::operator""s;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendString(&out, text);
  return out;
}

TEST(Writer, PlacesCommas) {
  std::string out;
  Writer w(&out);
  w.BeginObject();
  w.Key("a").BeginArray().Int(1).Int(-2).BeginArray().EndArray().EndArray();
  w.Key("b").BeginObject().EndObject();
  w.Key("c").BeginObject().Key("d").Null().Key("e").Bool(true).EndObject();
  w.Key("f").Bool(false);
  w.EndObject();
  EXPECT_EQ(out, R"({"a":[1,-2,[]],"b":{},"c":{"d":null,"e":true},"f":false})");
}

TEST(Writer, AppendsToWhatIsThere) {
  std::string out = "x=";
  Writer(&out).Int(INT64_MIN);
  EXPECT_EQ(out, "x=-9223372036854775808");
}

TEST(Writer, FieldsTakeEveryType) {
  std::string out;
  Writer w(&out);
  w.BeginObject()
      .Field("view", std::string_view("a\"b"))
      .Field("chars", "text")
      .Field("int64", int64_t{1} << 40)
      .Field("int", 7)
      .Field("bool", true)
      .RawField("raw", "[1, 2]")
      .EndObject();
  EXPECT_EQ(out,
            R"({"view":"a\"b","chars":"text","int64":1099511627776,"int":7,)"
            R"("bool":true,"raw":[1, 2]})");
}

TEST(Writer, SplicesRawValuesIntoArrays) {
  std::string out;
  Writer w(&out);
  w.BeginArray().Raw("{}").Raw("1").String("x").EndArray();
  EXPECT_EQ(out, R"([{},1,"x"])");
}

TEST(Writer, DoublesAreTheShortestThatReadBack) {
  std::string out;
  Writer w(&out);
  w.BeginArray().Double(0.1).Double(1).Double(1e300).Double(-2.5e-9).EndArray();
  EXPECT_EQ(out, "[0.1,1,1e+300,-2.5e-09]");
}

TEST(Writer, NestsDeeperThanItsAssertionsLook) {
  std::string out;
  Writer w(&out);
  for (int i = 0; i < 100; ++i) w.BeginObject().Key("a").BeginArray();
  for (int i = 0; i < 100; ++i) w.EndArray().EndObject();
  EXPECT_EQ(out.size(), 100u * 8);
}

TEST(AppendString, EscapesOnlyWhatJsonRequires) {
  EXPECT_EQ(Quoted(""), R"("")");
  EXPECT_EQ(Quoted("\b\t\n\f\r\"\\"), R"("\b\t\n\f\r\"\\")");
  EXPECT_EQ(Quoted("\x00\x01\x0b\x1f"s), R"("\u0000\u0001\u000b\u001f")");
  EXPECT_EQ(Quoted("/\x7f\u2028\u65e5\U0001F600'"),
            "\"/\x7f\u2028\u65e5\U0001F600'\"");
}

TEST(AppendString, EscapesAtEveryOffset) {
  for (size_t before = 0; before < 40; ++before) {
    const std::string plain(before, 'x');
    EXPECT_EQ(Quoted(plain + "\n" + plain),
              "\"" + plain + "\\n" + plain + "\"");
    EXPECT_EQ(Quoted(plain + "\x1f\""), "\"" + plain + "\\u001f\\\"\"");
  }
}

#ifndef NDEBUG
TEST(WriterDeathTest, AssertsThatCallsFormJson) {
  EXPECT_DEATH(
      {
        std::string out;
        Writer(&out).BeginObject().Int(1);
      },
      "only members have keys");
  EXPECT_DEATH(
      {
        std::string out;
        Writer(&out).BeginArray().Key("a");
      },
      "a key belongs into an object");
  EXPECT_DEATH(
      {
        std::string out;
        Writer(&out).BeginArray().EndObject();
      },
      "the wrong bracket");
  EXPECT_DEATH(
      {
        std::string out;
        Writer(&out).Int(1).Int(2);
      },
      "one value only");
}
#endif

}  // namespace
}  // namespace matrixcore::json
