#include "json/number.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore::json {
namespace {

std::string FloatText(double number) {
  std::string out;
  AppendFloat(&out, number);
  return out;
}

TEST(Number, SafeIntegersEndAtTwoToThe53) {
  EXPECT_TRUE(IsSafeInteger("0"));
  EXPECT_TRUE(IsSafeInteger("9007199254740991"));
  EXPECT_TRUE(IsSafeInteger("-9007199254740991"));
  EXPECT_FALSE(IsSafeInteger("9007199254740992"));
  EXPECT_FALSE(IsSafeInteger("-9007199254740992"));
  EXPECT_FALSE(IsSafeInteger("18446744073709551617"));
  EXPECT_FALSE(IsSafeInteger("100000000000000000000000000000001"));
}

TEST(Number, FloatsLookAsInPython) {
  EXPECT_EQ(FloatText(0.5), "0.5");
  EXPECT_EQ(FloatText(-1.25), "-1.25");
  EXPECT_EQ(FloatText(0.1), "0.1");
  EXPECT_EQ(FloatText(0.0001), "0.0001");
  EXPECT_EQ(FloatText(0.00001), "1e-05");
  EXPECT_EQ(FloatText(1.5e-7), "1.5e-07");
  EXPECT_EQ(FloatText(1e16), "1e+16");
  EXPECT_EQ(FloatText(1.5e300), "1.5e+300");
  EXPECT_EQ(FloatText(123456.789), "123456.789");
  EXPECT_EQ(FloatText(5e-324), "5e-324");
  EXPECT_EQ(FloatText(1.7976931348623157e308), "1.7976931348623157e+308");
}

TEST(Number, IntegralFloatsBecomeIntegers) {
  EXPECT_EQ(FloatText(0.0), "0");
  EXPECT_EQ(FloatText(-0.0), "0");
  EXPECT_EQ(FloatText(1e10), "10000000000");
  EXPECT_EQ(FloatText(-3.0), "-3");
  EXPECT_EQ(FloatText(9999999999999998.0), "9999999999999998");
}

TEST(Number, HugeExponentsDoNotOverflow) {
  const std::string nines(30, '9');
  EXPECT_TRUE(NumbersEqual("0e" + nines, "0"));
  EXPECT_FALSE(NumbersEqual("1e-" + nines, "0"));
  EXPECT_FALSE(NumbersEqual("1e-" + nines, "1e" + nines));
  EXPECT_EQ(ParseDouble("1e-" + nines), 0.0);
  EXPECT_EQ(ParseDouble("1e" + nines), std::nullopt);
  EXPECT_EQ(ParseDouble("0e" + nines), 0.0);
}

}  // namespace
}  // namespace matrixcore::json
