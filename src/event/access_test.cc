// Server ACLs and history visibility.
#include <gtest/gtest.h>

#include <string>

#include "matrixcore/event/server_acl.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/visibility.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

EventPtr State(std::string_view type, std::string_view state_key,
               std::string content) {
  json::Object event;
  event.SetString("type", type);
  event.SetString("state_key", state_key);
  event.SetString("sender", "@a:x");
  event.SetRaw("content", std::move(content));
  Result<EventPtr> made =
      Event::FromTrusted(event.ToJson(), *FindRoomVersion("11"), "$id");
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? *made : nullptr;
}

bool Allows(const std::string& content, std::string_view server) {
  return ServerAcl(State(kTypeServerAcl, "", content).get()).Allows(server);
}

TEST(ServerAclTest, NoEventAllowsEveryone) {
  EXPECT_TRUE(ServerAcl(nullptr).Allows("evil.com"));
  EXPECT_TRUE(ServerAcl(nullptr).Allows("1.2.3.4"));
}

TEST(ServerAclTest, DenyBeforeAllow) {
  const std::string acl = R"({"allow":["*"],"deny":["evil.com","*.evil.com"]})";
  EXPECT_FALSE(Allows(acl, "evil.com"));
  EXPECT_FALSE(Allows(acl, "EVIL.com:8448"));
  EXPECT_FALSE(Allows(acl, "sub.evil.com"));
  EXPECT_TRUE(Allows(acl, "notevil.com"));
  EXPECT_TRUE(Allows(R"({"allow":["a?.org"]})", "ab.org"));
  EXPECT_FALSE(Allows(R"({"allow":["a?.org"]})", "a.org"));
}

TEST(ServerAclTest, WithoutAllowNobodyMay) {
  EXPECT_FALSE(Allows("{}", "x"));
  EXPECT_FALSE(Allows(R"({"allow":"*"})", "x"));
  EXPECT_FALSE(Allows(R"({"allow":[1,null]})", "x"));
}

TEST(ServerAclTest, IpLiterals) {
  const std::string no_ips = R"({"allow":["*"],"allow_ip_literals":false})";
  EXPECT_FALSE(Allows(no_ips, "1.2.3.4"));
  EXPECT_FALSE(Allows(no_ips, "1.2.3.4:8448"));
  EXPECT_FALSE(Allows(no_ips, "[::1]"));
  EXPECT_FALSE(Allows(no_ips, "[2001:db8::1]:8448"));
  EXPECT_TRUE(Allows(no_ips, "1.2.3.example"));
  // Anything but a boolean is true.
  EXPECT_TRUE(
      Allows(R"({"allow":["*"],"allow_ip_literals":"false"})", "[::1]"));
  EXPECT_TRUE(Allows(R"({"allow":["[::1]"]})", "[::1]:1"));
}

HistoryView View(HistoryVisibility visibility, Membership membership,
                 bool joined_later = false) {
  return {visibility, membership, joined_later};
}

TEST(VisibilityTest, Table) {
  using V = HistoryVisibility;
  using M = Membership;
  const EventPtr event = State(kTypeTopic, "", "{}");
  const auto may = [&](V visibility, M membership, bool later) {
    return UserMaySee(*event, "@u:x", View(visibility, membership, later));
  };
  for (const M m :
       {M::kNone, M::kInvite, M::kJoin, M::kKnock, M::kLeave, M::kBan}) {
    for (const bool later : {false, true}) {
      EXPECT_TRUE(may(V::kWorldReadable, m, later));
      EXPECT_EQ(may(V::kShared, m, later), m == M::kJoin || later);
      EXPECT_EQ(may(V::kInvited, m, later), m == M::kJoin || m == M::kInvite);
      EXPECT_EQ(may(V::kJoined, m, later), m == M::kJoin);
    }
  }
}

TEST(VisibilityTest, ChangesOfVisibilityAreSeenFromEitherSide) {
  const auto change = [](const char* to) {
    return State(kTypeHistoryVisibility, "",
                 std::string(R"({"history_visibility":")") + to + "\"}");
  };
  const auto before = [](HistoryVisibility visibility) {
    return View(visibility, Membership::kNone);
  };
  EXPECT_TRUE(UserMaySee(*change("world_readable"), "@u:x",
                         before(HistoryVisibility::kJoined)));
  EXPECT_TRUE(UserMaySee(*change("joined"), "@u:x",
                         before(HistoryVisibility::kWorldReadable)));
  EXPECT_FALSE(UserMaySee(*change("invited"), "@u:x",
                          before(HistoryVisibility::kJoined)));
}

TEST(VisibilityTest, OwnMembershipIsSeenFromEitherSide) {
  const auto member = [](const char* who, const char* membership) {
    return State(kTypeMember, who,
                 std::string(R"({"membership":")") + membership + "\"}");
  };
  const HistoryView none = View(HistoryVisibility::kJoined, Membership::kNone);
  const HistoryView joined =
      View(HistoryVisibility::kJoined, Membership::kJoin);
  EXPECT_TRUE(UserMaySee(*member("@u:x", "join"), "@u:x", none));
  EXPECT_TRUE(UserMaySee(*member("@u:x", "leave"), "@u:x", joined));
  EXPECT_FALSE(UserMaySee(*member("@u:x", "invite"), "@u:x", none));
  EXPECT_FALSE(UserMaySee(*member("@other:x", "join"), "@u:x", none));
}

TEST(VisibilityTest, Servers) {
  using V = HistoryVisibility;
  const EventPtr event = State(kTypeTopic, "", "{}");
  EXPECT_TRUE(ServerMaySee(*event, "x", {V::kShared, false, false}));
  EXPECT_TRUE(ServerMaySee(*event, "x", {V::kWorldReadable, false, false}));
  EXPECT_FALSE(ServerMaySee(*event, "x", {V::kInvited, false, false}));
  EXPECT_TRUE(ServerMaySee(*event, "x", {V::kInvited, false, true}));
  EXPECT_FALSE(ServerMaySee(*event, "x", {V::kJoined, false, true}));
  EXPECT_TRUE(ServerMaySee(*event, "x", {V::kJoined, true, false}));
  const EventPtr join = State(kTypeMember, "@u:x", R"({"membership":"join"})");
  EXPECT_TRUE(ServerMaySee(*join, "x", {V::kJoined, false, false}));
  EXPECT_FALSE(ServerMaySee(*join, "y", {V::kJoined, false, false}));
  const EventPtr shared =
      State(kTypeHistoryVisibility, "", R"({"history_visibility":"shared"})");
  EXPECT_TRUE(ServerMaySee(*shared, "y", {V::kJoined, false, false}));
}

}  // namespace
}  // namespace matrixcore
