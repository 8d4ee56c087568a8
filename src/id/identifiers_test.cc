#include "matrixcore/id/identifiers.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;

TEST(ServerName, AcceptsTheExamplesOfTheSpec) {
  for (const char* name :
       {"matrix.org", "matrix.org:8888", "1.2.3.4", "1.2.3.4:1234",
        "[1234:5678::abcd]", "[1234:5678::abcd]:5678"}) {
    EXPECT_TRUE(IsServerName(name)) << name;
  }
}

TEST(ServerName, AcceptsWhatTheGrammarAllows) {
  for (const char* name :
       {"localhost", "a", "EXAMPLE.org", "xn--bcher-kva.example", "a-b.c", "-",
        "example.org.", "[::]", "[::1]:80", "[::ffff:192.0.2.1]",
        "[ABCD:EF01:2345:6789:ABCD:EF01:2345:6789]", "host:0", "host:99999",
        "300.1.1.1"}) {
    EXPECT_TRUE(IsServerName(name)) << name;
  }
  EXPECT_TRUE(IsServerName(std::string(255, 'a')));
}

TEST(ServerName, RefusesEverythingElse) {
  for (const std::string& name : {""s,
                                  ":"s,
                                  ":80"s,
                                  "host:"s,
                                  "host:123456"s,
                                  "host:8a"s,
                                  "host:80:80"s,
                                  "host:-1"s,
                                  "host: 80"s,
                                  "ho st"s,
                                  "host/"s,
                                  "under_score"s,
                                  "b\u00fccher"s,
                                  "host\0"s,
                                  "a@b"s,
                                  "[::1"s,
                                  "::1"s,
                                  "[]"s,
                                  "[::1]x"s,
                                  "[::1]80"s,
                                  "[::1]:"s,
                                  "[1.2.3.4]"s,
                                  "[:::1]"s,
                                  "[12345::]"s,
                                  "[::1%eth0]"s,
                                  "[fe80::1\0]"s,
                                  "[g::]"s,
                                  "[::1]:123456"s,
                                  "[" + std::string(100, ':') + "]",
                                  std::string(256, 'a')}) {
    EXPECT_FALSE(IsServerName(name)) << testing::PrintToString(name);
  }
}

TEST(UserId, AcceptsHistoricalLocalparts) {
  for (const std::string& id : {"@alice:example.org"s, "@:example.org"s,
                                "@A!# ~\x01\n:h"s, "@\u65e5\u672c\U0001F600:h"s,
                                "@a:[::1]:8448"s, "@a/b+c=d:h:1"s, "@@:h"s}) {
    EXPECT_TRUE(IsUserId(id)) << id;
  }
}

TEST(UserId, RefusesEverythingElse) {
  for (const std::string& id :
       {""s, "@"s, "alice:example.org"s, "@alice"s, "@alice:"s, "#alice:h"s,
        "@a:b c"s, "@a:b:c"s, "@a\0b:h"s, "@\xED\xA0\x80:h"s, "@\xFF:h"s,
        " @a:h"s}) {
    EXPECT_FALSE(IsUserId(id)) << testing::PrintToString(id);
  }
}

TEST(UserId, IsAtMost255BytesLong) {
  EXPECT_TRUE(IsUserId("@" + std::string(249, 'a') + ":host"));
  EXPECT_FALSE(IsUserId("@" + std::string(250, 'a') + ":host"));
  // Bytes count, not characters.
  std::string localpart;
  for (int i = 0; i < 125; ++i) localpart += "\u00e9";
  EXPECT_FALSE(IsUserId("@" + localpart + ":host"));
}

TEST(StrictLocalpart, IsWhatTheSpecLetsAServerCreate) {
  EXPECT_TRUE(IsStrictLocalpart("abcxyz0189._=-/+"));
  for (const std::string& localpart :
       {""s, "A"s, "a b"s, "a:b"s, "a@b"s, "\u00e9"s, "a\0"s, "a!"s, "a~"s}) {
    EXPECT_FALSE(IsStrictLocalpart(localpart)) << localpart;
  }
}

TEST(RoomId, HasADomainOrIsAHash) {
  for (const std::string& id :
       {"!abc:example.org"s, "!:h"s, "!\u00e9:h"s,
        "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"s, "!a.b"s}) {
    EXPECT_TRUE(IsRoomId(id)) << id;
  }
  for (const std::string& id :
       {""s, "!"s, "abc:h"s, "#abc:h"s, "!abc:"s, "!abc:h h"s, "!a b"s, "!a\n"s,
        "!a\0"s, "!\u00e9"s, "!\x7f"s, "!" + std::string(255, 'a')}) {
    EXPECT_FALSE(IsRoomId(id)) << testing::PrintToString(id);
  }
}

TEST(RoomAlias, NeedsADomain) {
  EXPECT_TRUE(IsRoomAlias("#room:example.org"));
  EXPECT_TRUE(IsRoomAlias("#r \u00e4#:h"));
  EXPECT_FALSE(IsRoomAlias("#room"));
  EXPECT_FALSE(IsRoomAlias("!room:h"));
  EXPECT_FALSE(IsRoomAlias("#a\0:h"s));
  EXPECT_FALSE(IsRoomAlias("#" + std::string(253, 'a') + ":h"));
}

TEST(EventId, HasADomainOrIsAHash) {
  EXPECT_TRUE(IsEventId("$143273582443PhrSn:example.org"));
  EXPECT_TRUE(IsEventId("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"));
  EXPECT_TRUE(IsEventId("$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg"));
  EXPECT_FALSE(IsEventId("$"));
  EXPECT_FALSE(IsEventId("$a b"));
  EXPECT_FALSE(IsEventId("$a:"));
  EXPECT_FALSE(IsEventId("!a:h"));
}

TEST(SplitIdentifier, SplitsAtTheFirstColon) {
  const auto parts = SplitIdentifier("@alice:example.org:8448", '@');
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->localpart, "alice");
  EXPECT_EQ(parts->domain, "example.org:8448");
  EXPECT_EQ(SplitIdentifier("@a:[::1]:80", '@')->domain, "[::1]:80");
  EXPECT_FALSE(SplitIdentifier("@alice:example.org", '#').has_value());
  EXPECT_FALSE(SplitIdentifier("@alice", '@').has_value());
}

TEST(Identifier, PartsOfUncheckedIds) {
  EXPECT_EQ(DomainOf("@alice:example.org:8448"), "example.org:8448");
  EXPECT_EQ(DomainOf("!hash"), "");
  EXPECT_EQ(DomainOf(""), "");
  EXPECT_EQ(LocalpartOf("@alice:example.org"), "alice");
  EXPECT_EQ(LocalpartOf("!hash"), "hash");
  EXPECT_EQ(LocalpartOf("@:h"), "");
  EXPECT_EQ(LocalpartOf(""), "");
  EXPECT_EQ(LocalpartOf("@"), "");
  EXPECT_EQ(LocalpartOf("::h"), "");
}

TEST(Identifier, MakesUserIds) {
  EXPECT_EQ(MakeUserId("alice", "example.org"), "@alice:example.org");
}

TEST(OpaqueId, HasItsCharactersAndLength) {
  EXPECT_TRUE(IsOpaqueId("aZ09._~-"));
  EXPECT_TRUE(IsOpaqueId(std::string(255, 'x')));
  EXPECT_FALSE(IsOpaqueId(std::string(256, 'x')));
  for (const char* id : {"", "a b", "a/b", "a:b", "\u00e9", "a+"}) {
    EXPECT_FALSE(IsOpaqueId(id)) << id;
  }
}

}  // namespace
}  // namespace matrixcore
