#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/json/value.h"

namespace matrixcore::json {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;
using testing::StartsWith;

Status ParseStatus(std::string_view text, const ParseOptions& options = {}) {
  return Document::ParseView(text, options).status();
}

std::string Nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Document, ReadsEveryKind) {
  const Document doc = *Document::Parse(
      R"({"a":null,"b":true,"c":-12,"d":1.5,"e":"x","f":[1,2],"g":{}})");
  const Value root = doc.root();
  EXPECT_EQ(root.kind(), Kind::kObject);
  EXPECT_EQ(root.size(), 7u);
  EXPECT_EQ(root["a"].kind(), Kind::kNull);
  EXPECT_EQ(root["b"].kind(), Kind::kBool);
  EXPECT_EQ(root["c"].kind(), Kind::kInteger);
  EXPECT_EQ(root["d"].kind(), Kind::kFloat);
  EXPECT_EQ(root["e"].kind(), Kind::kString);
  EXPECT_EQ(root["f"].kind(), Kind::kArray);
  EXPECT_EQ(root["g"].kind(), Kind::kObject);
  EXPECT_EQ(root["h"].kind(), Kind::kMissing);
}

TEST(Document, AnyValueMayBeTheRoot) {
  EXPECT_EQ(Document::Parse("7")->root().AsInt(), 7);
  EXPECT_EQ(Document::Parse("\"x\"")->root().AsString(), "x");
  EXPECT_TRUE(Document::Parse(" null\r\n\t ")->root().IsNull());
  EXPECT_EQ(Document::Parse("false")->root().AsBool(), false);
}

TEST(Document, AcceptsValidTexts) {
  for (std::string_view text :
       {"[]", "{}", "[[]]", "[{}]", R"({"":0})", R"([""])", "[1,2]", "0",
        "[0.0,0e1,0E-1,0e+0,-0,-0.0,1.25e+3,123456789012345678901234567890]",
        R"(["\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00\uFFFF"])", "\"\x7f\"",
        "\"\u2028\uFFFF\U0010FFFF\"", "\t\n\r {} \t\n\r",
        R"({ "a" : [ 1 , 2 ] , "b" : { } })"}) {
    EXPECT_TRUE(ParseStatus(text).ok()) << text;
  }
}

TEST(Document, RefusesWhatIsNotJson) {
  for (const std::string& text : {""s,
                                  " "s,
                                  "{"s,
                                  "}"s,
                                  "["s,
                                  "]"s,
                                  "[}"s,
                                  "{]"s,
                                  "[1"s,
                                  "[1,"s,
                                  "[1,]"s,
                                  "[,1]"s,
                                  "[1 2]"s,
                                  "{,}"s,
                                  R"({"a"})"s,
                                  R"({"a":})"s,
                                  R"({"a":1,})"s,
                                  R"({"a" 1})"s,
                                  R"({a:1})"s,
                                  R"({'a':1})"s,
                                  R"({1:1})"s,
                                  R"({"a":1 "b":2})"s,
                                  R"({"a"::1})"s,
                                  "[1]]"s,
                                  "1 2"s,
                                  "{}{}"s,
                                  "nul"s,
                                  "nulL"s,
                                  "tru"s,
                                  "True"s,
                                  "fals"s,
                                  "NaN"s,
                                  "Infinity"s,
                                  "-Infinity"s,
                                  "-"s,
                                  "+1"s,
                                  "01"s,
                                  "-01"s,
                                  ".5"s,
                                  "1."s,
                                  "1.e1"s,
                                  "1e"s,
                                  "1e+"s,
                                  "0x10"s,
                                  "1_000"s,
                                  "[1//x\n]"s,
                                  "/**/1"s,
                                  "\""s,
                                  "\"abc"s,
                                  "\"\\\""s,
                                  R"("\x41")"s,
                                  R"("\u12")"s,
                                  R"("\u12g4")"s,
                                  R"("\U0041")"s,
                                  "\"\\"s,
                                  "\"\n\""s,
                                  "\"\t\""s,
                                  "\"\x1f\""s,
                                  "\xEF\xBB\xBF{}"s,
                                  "\x0b[]"s,
                                  "\xA0[]"s,
                                  "undefined"s}) {
    const Status status = ParseStatus(text);
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.errcode(), "M_NOT_JSON") << text;
  }
}

TEST(Document, RefusesNulCharactersOutsideOfEscapes) {
  for (const std::string& text :
       {"\0"s, "{}\0"s, "\0{}"s, "[1\0]"s, "[\0]"s, "\"a\0b\""s, "{}\0{}"s,
        "1\0"s, "tru\0"s, "{\"a\"\0:1}"s}) {
    EXPECT_FALSE(ParseStatus(text).ok()) << testing::PrintToString(text);
  }
}

TEST(Document, ReadsNoByteBehindAView) {
  const std::string_view text = "[1234]garbage";
  EXPECT_TRUE(ParseStatus(text.substr(0, 6)).ok());
  EXPECT_FALSE(ParseStatus(text.substr(0, 5)).ok());
  EXPECT_EQ(Document::ParseView(text.substr(1, 2))->root().AsInt(), 12);
  EXPECT_FALSE(ParseStatus(std::string_view("\"ab\"").substr(0, 3)).ok());
  EXPECT_FALSE(ParseStatus(std::string_view("\"ab\\\"").substr(0, 4)).ok());
  EXPECT_FALSE(ParseStatus(std::string_view("true").substr(0, 3)).ok());
}

TEST(Document, RefusesInvalidUtf8) {
  for (const std::string& inside :
       {"\x80"s, "\xC0\x80"s, "\xED\xA0\x80"s, "\xF4\x90\x80\x80"s, "\xE2\x82"s,
        "\xFF"s, "abcdefghijklmnopqrstuvwxyz\xFE"s}) {
    const Status status = ParseStatus("[\"" + inside + "\"]");
    EXPECT_EQ(status.errcode(), "M_NOT_JSON");
    EXPECT_THAT(status.message(), HasSubstr("UTF-8"));
  }
}

TEST(Document, RefusesLoneSurrogates) {
  for (std::string_view text :
       {R"("\ud800")", R"("\udbff")", R"("\udc00")", R"("\udfff")",
        R"("\ud83d\ud83d")", R"("\ude00\ud83d")", R"("\ud83dx")",
        R"("\ud83d\n")", R"("\ud83d\u0041")", R"("x\udc00y")",
        R"({"\udc00":1})", R"({"\ud800":1})"}) {
    EXPECT_FALSE(ParseStatus(text).ok()) << text;
  }
  EXPECT_EQ(Document::Parse(R"("\ud83d\ude00")")->root().AsString(),
            "\U0001F600");
}

TEST(Document, NamesTheOffsetOfAnError) {
  EXPECT_THAT(ParseStatus(R"({"a":1,"b"})").message(),
              StartsWith("Not JSON at byte 10: "));
  EXPECT_THAT(ParseStatus("[1,2,\"a\xFF\"]").message(),
              StartsWith("Not JSON at byte 7: "));
  EXPECT_THAT(ParseStatus("{}x").message(), StartsWith("Not JSON at byte 2: "));
  EXPECT_THAT(ParseStatus("{}\0"s).message(),
              StartsWith("Not JSON at byte 2: "));
  // In a text of several lines, the line too.
  EXPECT_THAT(ParseStatus("{\n \"a\": 1,\n oops\n}").message(),
              StartsWith("Not JSON at byte 12 (line 3, column 2): "));
}

TEST(Document, LimitsTheDepth) {
  EXPECT_TRUE(ParseStatus(Nested(128)).ok());
  const Status status = ParseStatus(Nested(129));
  EXPECT_EQ(status.errcode(), "M_NOT_JSON");
  EXPECT_THAT(status.message(), StartsWith("Not JSON at byte 128: "));

  ParseOptions options;
  options.max_depth = 1;
  EXPECT_TRUE(ParseStatus("[1]", options).ok());
  EXPECT_FALSE(ParseStatus(R"({"a":[]})", options).ok());
  options.max_depth = 0;
  EXPECT_TRUE(ParseStatus("1", options).ok());
  EXPECT_FALSE(ParseStatus("[]", options).ok());
}

TEST(Document, DepthCostsNoCallStack) {
  ParseOptions options;
  options.max_depth = 2'000'000;
  EXPECT_TRUE(ParseStatus(Nested(1'000'000), options).ok());
  EXPECT_FALSE(ParseStatus(std::string(5'000'000, '['), options).ok());
}

TEST(Document, TheLastOfRepeatedKeysCounts) {
  const Document doc = *Document::Parse(R"({"a":1,"b":2,"a":3})");
  EXPECT_EQ(doc.root()["a"].AsInt(), 3);
  EXPECT_EQ(doc.root().size(), 3u);
}

TEST(Document, RefusesRepeatedKeysOnRequest) {
  ParseOptions options;
  options.refuse_duplicate_keys = true;
  EXPECT_TRUE(
      ParseStatus(R"({"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]})", options)
          .ok());
  for (std::string_view text :
       {R"({"a":1,"a":1})", R"([{"x":{"a":1,"b":2,"a":3}}])",
        R"({"a":1,"\u0061":2})", R"({"":1,"":2})",
        R"({"a":{"b":1},"c":[1,2,{}],"a":{}})"}) {
    const Status status = ParseStatus(text, options);
    EXPECT_EQ(status.errcode(), "M_NOT_JSON") << text;
    EXPECT_THAT(status.message(), HasSubstr("repeated")) << text;
  }
}

std::string ManyKeys(size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i) {
    text += "\"key" + std::to_string(i) + "\":0,";
  }
  return text;
}

TEST(Document, FindsRepeatedKeysAmongMany) {
  ParseOptions options;
  options.refuse_duplicate_keys = true;
  for (size_t count : {15u, 16u, 17u, 200'000u}) {
    const std::string text = ManyKeys(count);
    EXPECT_TRUE(ParseStatus(text + "\"other\":1}", options).ok()) << count;
    EXPECT_FALSE(ParseStatus(text + "\"key7\":1}", options).ok()) << count;
  }
}

TEST(Document, RawGivesTheBytesOfEachValue) {
  const std::string text =
      "  { \"a\" : [ 1 ,\t-2.50e+1 , \"x\\u00e9\" ] ,\n\"b\":true,\"c\" : "
      "null,\"d\": false , \"e\" : { } , \"f\":[ ] , \"g\" : \"\" } ";
  const Document doc = *Document::Parse(text);
  const Value root = doc.root();
  EXPECT_EQ(doc.text(), text);
  EXPECT_EQ(root.raw(), text.substr(2, text.size() - 3));
  EXPECT_EQ(root["a"].raw(), "[ 1 ,\t-2.50e+1 , \"x\\u00e9\" ]");
  EXPECT_EQ(root["a"].at(0).raw(), "1");
  EXPECT_EQ(root["a"].at(1).raw(), "-2.50e+1");
  EXPECT_EQ(root["a"].at(2).raw(), "\"x\\u00e9\"");
  EXPECT_EQ(root["b"].raw(), "true");
  EXPECT_EQ(root["c"].raw(), "null");
  EXPECT_EQ(root["d"].raw(), "false");
  EXPECT_EQ(root["e"].raw(), "{ }");
  EXPECT_EQ(root["f"].raw(), "[ ]");
  EXPECT_EQ(root["g"].raw(), "\"\"");
  EXPECT_EQ(root["h"].raw(), "");
}

TEST(Document, UnescapesStrings) {
  const Document doc = *Document::Parse(
      R"(["a\"b\\c\/d\b\f\n\r\t","\u0000x","\u65e5\u672c","\u00e9é\ud83d\ude00é",)"
      R"("a long text without, then \n one, then a long text again \\ and more"])");
  const Value root = doc.root();
  EXPECT_EQ(root.at(0).AsString(), "a\"b\\c/d\b\f\n\r\t");
  EXPECT_EQ(root.at(1).AsString(), "\0x"s);
  EXPECT_EQ(root.at(2).AsString(), "日本");
  EXPECT_EQ(root.at(3).AsString(), "éé\U0001F600é");
  EXPECT_EQ(root.at(4).AsString(),
            "a long text without, then \n one, then a long text again \\ and "
            "more");
}

TEST(Document, UnescapesKeys) {
  const Document doc = *Document::Parse(R"({"a\u0062":1,"\"":2})");
  EXPECT_EQ(doc.root()["ab"].AsInt(), 1);
  EXPECT_EQ(doc.root()["\""].AsInt(), 2);
  EXPECT_TRUE(doc.root()["a\\u0062"].IsMissing());
}

TEST(Document, FindsTheEndOfStringsOfEveryLength) {
  for (size_t length = 0; length < 70; ++length) {
    const std::string plain(length, 'x');
    const Document doc = *Document::Parse("[\"" + plain + "\",\"" + plain +
                                          "\\n" + plain + "\"]");
    EXPECT_EQ(doc.root().at(0).AsString(), plain);
    EXPECT_EQ(doc.root().at(1).AsString(), plain + "\n" + plain);
    EXPECT_FALSE(ParseStatus("\"" + plain + "\x1f\"").ok());
  }
}

TEST(Document, MovingKeepsValuesValid) {
  Document first = *Document::Parse(R"({"a":"text"})");
  const Value a = first.root()["a"];
  const std::string_view text = *a.AsString();
  Document second = std::move(first);
  EXPECT_EQ(a.AsString(), "text");
  EXPECT_EQ(second.root()["a"].AsString()->data(), text.data());
  first = std::move(second);
  EXPECT_EQ(a.raw(), "\"text\"");
}

TEST(Document, ShortTextsSurviveMovesToo) {
  Document first = *Document::Parse(std::string("\"x\""));
  const Document second = std::move(first);
  EXPECT_EQ(second.root().AsString(), "x");
  EXPECT_EQ(second.text(), "\"x\"");
}

TEST(Document, IsEmptyByDefault) {
  const Document doc;
  EXPECT_TRUE(doc.root().IsMissing());
  EXPECT_EQ(doc.text(), "");
}

TEST(Document, RefusesNumbersBeyondADouble) {
  EXPECT_TRUE(ParseStatus("1e308").ok());
  EXPECT_FALSE(ParseStatus("1e309").ok());
  EXPECT_TRUE(ParseStatus(std::string(308, '9')).ok());
  EXPECT_FALSE(ParseStatus(std::string(400, '9')).ok());
  EXPECT_TRUE(ParseStatus("1e-99999999999999999999").ok());
}

}  // namespace
}  // namespace matrixcore::json
