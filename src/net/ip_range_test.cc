#include "matrixcore/net/ip_range.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  const struct {
    const char* in;
    const char* out;
  } kCases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"::1", "::1"},
      {"[2001:db8::1]", "2001:db8::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
  };
  for (const auto& test : kCases) {
    const auto address = IpAddress::Parse(test.in);
    ASSERT_TRUE(address) << test.in;
    EXPECT_EQ(address->ToString(), test.out);
  }
}

TEST(IpAddress, RefusesWhatIsNotAnAddress) {
  for (const char* text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4:80",
        "[1.2.3.4]", "[::1", "::1]", "fe80::1%eth0", "0x7f.1", "127.1",
        "1:2:3:4:5:6:7:8:9", "1.2.3.4 "}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpRange, ContainsWhatSharesItsPrefix) {
  const struct {
    const char* range;
    const char* address;
    bool contains;
  } kCases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"192.0.2.128/25", "192.0.2.128", true},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.8", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"fc00::/7", "fdff::1", true},
      {"fc00::/7", "fe00::1", false},
      {"127.0.0.0/8", "::ffff:127.0.0.1", true},
  };
  for (const auto& test : kCases) {
    const auto range = IpRange::Parse(test.range);
    const auto address = IpAddress::Parse(test.address);
    ASSERT_TRUE(range && address) << test.range;
    EXPECT_EQ(range->Contains(*address), test.contains)
        << test.range << " " << test.address;
  }
}

TEST(IpRange, RefusesBadLengthsAndHostBits) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.1/8", "::1/64", "::/129",
                           "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "/8"}) {
    EXPECT_FALSE(IpRange::Parse(text)) << text;
  }
  EXPECT_EQ(IpRange::Parse("10.0.0.0/8")->ToString(), "10.0.0.0/8");
  EXPECT_EQ(IpRange::Parse("::1")->ToString(), "::1/128");
}

TEST(IsPublicAddress, RefusesInternalAndSpecialAddresses) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "100.100.100.200",
                           "127.0.0.1",
                           "127.255.255.255",
                           "168.63.129.16",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.168.1.1",
                           "198.19.0.1",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:10.0.0.1",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:a00:1::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1",
                           "100::1"}) {
    EXPECT_FALSE(IsPublicAddress(*IpAddress::Parse(text))) << text;
  }
}

TEST(IsPublicAddress, AcceptsTheInternet) {
  for (const char* text :
       {"1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.1",
        "128.0.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "223.255.0.1",
        "2606:4700::1111", "2a00:1450::1", "64:ff9b::101:101"}) {
    EXPECT_TRUE(IsPublicAddress(*IpAddress::Parse(text))) << text;
  }
}

TEST(IpFilter, AllowsConfiguredRangesBesidesTheInternet) {
  const IpFilter filter{.allowed = {*IpRange::Parse("127.0.0.0/8")}};
  EXPECT_TRUE(filter.Allows(*IpAddress::Parse("127.0.0.1")));
  EXPECT_TRUE(filter.Allows(*IpAddress::Parse("1.1.1.1")));
  EXPECT_FALSE(filter.Allows(*IpAddress::Parse("10.0.0.1")));
  EXPECT_FALSE(filter.Allows(*IpAddress::Parse("::1")));
}

}  // namespace
}  // namespace matrixcore
