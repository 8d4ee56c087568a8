#include "net/forwarded.h"

#include <gtest/gtest.h>

#include <vector>

namespace matrixcore::net {
namespace {

std::string Client(std::vector<std::string> fields) {
  const std::vector<IpRange> trusted = {*IpRange::Parse("10.0.0.0/8")};
  HttpHeaders headers;
  for (std::string& field : fields) {
    headers.Add("X-Forwarded-For", std::move(field));
  }
  const auto client = ForwardedClient(headers, trusted);
  return client ? client->ToString() : "none";
}

TEST(ForwardedClient, IsTheRightmostThatIsNoProxy) {
  EXPECT_EQ(Client({"192.0.2.9"}), "192.0.2.9");
  EXPECT_EQ(Client({"192.0.2.9, 10.0.0.2"}), "192.0.2.9");
  EXPECT_EQ(Client({"192.0.2.9", "10.0.0.2, 10.0.0.3"}), "192.0.2.9");
  EXPECT_EQ(Client({"2001:db8::1"}), "2001:db8::1");
}

TEST(ForwardedClient, DoesNotBelieveWhatTheClientSaidItself) {
  EXPECT_EQ(Client({"127.0.0.1, 192.0.2.9, 10.0.0.2"}), "192.0.2.9");
  EXPECT_EQ(Client({"10.0.0.7, 192.0.2.9"}), "192.0.2.9");
}

TEST(ForwardedClient, StopsAtWhatIsNotAnAddress) {
  EXPECT_EQ(Client({"192.0.2.9, unknown, 10.0.0.2"}), "10.0.0.2");
  EXPECT_EQ(Client({"unknown"}), "none");
  EXPECT_EQ(Client({}), "none");
  EXPECT_EQ(Client({", ,"}), "none");
}

TEST(ForwardedClient, UnderstandsPorts) {
  EXPECT_EQ(Client({"192.0.2.9:4711"}), "192.0.2.9");
  EXPECT_EQ(Client({"[2001:db8::1]:4711"}), "2001:db8::1");
}

}  // namespace
}  // namespace matrixcore::net
