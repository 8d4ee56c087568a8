#include <fmt/format.h>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kUser =
    "/_matrix/client/v3/user/@alice:fake.example";

class AccountDataTest : public testing::Test {
 protected:
  std::string Global(std::string_view type) {
    return fmt::format("{}/account_data/{}", kUser, type);
  }
  std::string Room(std::string_view type) {
    return fmt::format("{}/rooms/!room:fake.example/account_data/{}", kUser,
                       type);
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(AccountDataTest, GlobalAndOfARoomAreApart) {
  EXPECT_THAT(server_.Get(alice_, Global("org.x")),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Put(alice_, Global("org.x"), R"({"n":1})"), IsJson("{}"));
  EXPECT_THAT(server_.Get(alice_, Room("org.x")), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Put(alice_, Room("org.x"), R"({"n":2})"), IsJson("{}"));
  EXPECT_THAT(server_.Get(alice_, Global("org.x")), IsJson(R"({"n":1})"));
  EXPECT_THAT(server_.Get(alice_, Room("org.x")), IsJson(R"({"n":2})"));
  server_.Put(alice_, Global("org.x"), R"({"n":3})");
  EXPECT_THAT(server_.Get(alice_, Global("org.x")), IsJson(R"({"n":3})"));
}

TEST_F(AccountDataTest, OnlyOnesOwn) {
  const User bob = server_.Register("bob");
  EXPECT_THAT(server_.Put(bob, Global("org.x")), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Get(bob, Global("org.x")), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Put(bob, Room("org.x")), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Get(bob, Room("org.x")), IsError(403, "M_FORBIDDEN"));
}

TEST_F(AccountDataTest, WhatTheServerManagesIsRefused) {
  for (const std::string_view type : {"m.fully_read", "m.push_rules"}) {
    EXPECT_THAT(server_.Put(alice_, Global(type)), IsError(405, "M_BAD_JSON"));
    EXPECT_THAT(server_.Put(alice_, Room(type)), IsError(405, "M_BAD_JSON"));
  }
}

TEST_F(AccountDataTest, PushRulesAreRead) {
  const HttpResponse rules = server_.Get(alice_, Global("m.push_rules"));
  EXPECT_EQ(rules.status, 200);
  EXPECT_NE(At(rules, "global/override"), "");
}

TEST_F(AccountDataTest, BadRequests) {
  EXPECT_THAT(server_.Put(alice_, Global("org.x"), "[]"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(server_.Put(alice_, Global("org.x"), "x"),
              IsError(400, "M_NOT_JSON"));
  EXPECT_THAT(server_.Put(alice_, Global("")), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(
      server_.Put(alice_, fmt::format("{}/rooms/noroom/account_data/x", kUser)),
      IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(
      server_.Put(alice_, fmt::format("{}/rooms//account_data/x", kUser)),
      IsError(400, "M_INVALID_PARAM"));
}

TEST_F(AccountDataTest, AChangeWakesTheUsersSyncAndIsInIt) {
  const std::string since =
      TextAt(server_.Get(alice_, "/_matrix/client/v3/sync"), "next_batch");
  std::future<HttpResponse> sync = server_.Start(
      HttpMethod::kGet, "/_matrix/client/v3/sync?timeout=30000&since=" + since,
      "", alice_.access_token);
  server_.Settle();
  server_.Put(alice_, Global("org.x"), R"({"n":1})");
  EXPECT_EQ(Canonical(At(sync.get(), "account_data/events")),
            Canonical(R"([{"type":"org.x","content":{"n":1}}])"));
}

// --- Filters ---

class FilterTest : public testing::Test {
 protected:
  HttpResponse Create(std::string body) {
    return server_.Post(alice_, std::string(kUser) + "/filter",
                        std::move(body));
  }
  HttpResponse Get(std::string_view id) {
    return server_.Get(alice_, fmt::format("{}/filter/{}", kUser, id));
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(FilterTest, AreKeptAndGivenBack) {
  const std::string filter =
      R"({"room":{"timeline":{"limit":5,"types":["m.room.*"]}},"x":{"y":1}})";
  const HttpResponse created = Create(filter);
  EXPECT_THAT(created, IsJson(R"({"filter_id":"0"})"));
  EXPECT_THAT(Get("0"), IsJson(filter));
  server_.Restart();
  EXPECT_THAT(Get("0"), IsJson(filter));
}

TEST_F(FilterTest, TheSameFilterHasTheSameId) {
  EXPECT_THAT(Create(R"({"event_format":"client","room":{}})"),
              IsJson(R"({"filter_id":"0"})"));
  EXPECT_THAT(Create("{}"), IsJson(R"({"filter_id":"1"})"));
  EXPECT_THAT(Create(R"({ "room": {}, "event_format": "client" })"),
              IsJson(R"({"filter_id":"0"})"));
}

TEST_F(FilterTest, BadFilters) {
  for (const std::string_view body :
       {R"({"room":[]})", R"({"room":{"timeline":5}})",
        R"({"room":{"timeline":{"limit":"10"}}})",
        R"({"room":{"timeline":{"types":"x"}}})",
        R"({"room":{"rooms":["not a room"]}})",
        R"({"room":{"state":{"lazy_load_members":"yes"}}})",
        R"({"presence":{"senders":["alice"]}})",
        R"({"event_format":"parquet"})", R"({"event_fields":"x"})"}) {
    EXPECT_THAT(Create(std::string(body)), IsError(400, "M_BAD_JSON")) << body;
  }
}

TEST_F(FilterTest, UnknownIdsAndOtherUsers) {
  for (const std::string_view id : {"7", "x", "-1", "99999999999999999999"}) {
    EXPECT_THAT(Get(id), IsError(404, "M_NOT_FOUND")) << id;
  }
  const User bob = server_.Register("bob");
  Create("{}");
  EXPECT_THAT(server_.Get(bob, std::string(kUser) + "/filter/0"),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Post(bob, std::string(kUser) + "/filter"),
              IsError(403, "M_FORBIDDEN"));
}

}  // namespace
}  // namespace matrixcore::api
