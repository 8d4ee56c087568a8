#include "net/admission.h"

#include <gtest/gtest.h>

namespace matrixcore::net {
namespace {

using Verdict = Admission::Verdict;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

TEST(Admission, LimitsTheTotal) {
  Admission admission(2, 10);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), false), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.2"), false), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.3"), false), Verdict::kTooMany);
  admission.Leave(Ip("192.0.2.1"), false);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.3"), false), Verdict::kAdmitted);
}

TEST(Admission, LimitsEachAddress) {
  Admission admission(100, 1);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), false), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), false),
            Verdict::kTooManyFromAddress);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.2"), false), Verdict::kAdmitted);
  admission.Leave(Ip("192.0.2.1"), false);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), false), Verdict::kAdmitted);
}

TEST(Admission, CountsAnIpv6NetworkAsOne) {
  Admission admission(100, 1);
  EXPECT_EQ(admission.Enter(Ip("2001:db8:1:2::1"), false), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("2001:db8:1:2:ffff::9"), false),
            Verdict::kTooManyFromAddress);
  EXPECT_EQ(admission.Enter(Ip("2001:db8:1:3::1"), false), Verdict::kAdmitted);
}

TEST(Admission, DoesNotCountExemptAddresses) {
  Admission admission(3, 1);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), true), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), true), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), false), Verdict::kAdmitted);
  EXPECT_EQ(admission.Enter(Ip("192.0.2.1"), true), Verdict::kTooMany);
}

}  // namespace
}  // namespace matrixcore::net
