#include <fmt/format.h>

#include <vector>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

using testing::ElementsAre;

constexpr std::string_view kRules = "/_matrix/client/v3/pushrules/";
constexpr std::string_view kGlobal = "/_matrix/client/v3/pushrules/global/";

class PushRulesTest : public testing::Test {
 protected:
  std::string Url(std::string_view rule) {
    return std::string(kGlobal).append(rule);
  }
  HttpResponse Get(std::string_view rule) {
    return server_.Get(alice_, Url(rule));
  }
  HttpResponse Put(std::string_view rule, std::string body) {
    return server_.Put(alice_, Url(rule), std::move(body));
  }
  // The ids of a kind, by priority; `count` of them.
  std::vector<std::string> Ids(std::string_view kind, size_t count) {
    const HttpResponse rules = server_.Get(alice_, kRules);
    const json::Document body = BodyOf(rules);
    std::vector<std::string> ids;
    for (const json::Value rule : body.root()["global"][kind]) {
      if (ids.size() < count) ids.emplace_back(rule["rule_id"].StringOr("?"));
    }
    return ids;
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(PushRulesTest, DefaultRulesOfAllKinds) {
  const HttpResponse all = server_.Get(alice_, kRules);
  EXPECT_EQ(all.status, 200);
  for (const std::string_view kind :
       {"override", "content", "room", "sender", "underride"}) {
    EXPECT_NE(At(all, fmt::format("global/{}", kind)), "") << kind;
  }
  EXPECT_THAT(Ids("override", 1), ElementsAre(".m.rule.master"));
  const HttpResponse global = server_.Get(alice_, kGlobal);
  EXPECT_EQ(At(all, "global"), global.body);
  EXPECT_EQ(server_.Get(alice_, "/_matrix/client/v3/pushrules").status, 200);
  const HttpResponse master = Get("override/.m.rule.master");
  EXPECT_THAT(master, IsJson(R"({"rule_id":".m.rule.master","default":true,
      "enabled":false,"conditions":[],"actions":[]})"));
}

TEST_F(PushRulesTest, ANewRuleIsTheMostImportantOfTheUsersOfItsKind) {
  EXPECT_THAT(Put("content/cake", R"({"pattern":"cake*lie",
      "actions":["notify",{"set_tweak":"sound","value":"bing"}]})"),
              IsJson("{}"));
  EXPECT_THAT(Get("content/cake"),
              IsJson(R"({"rule_id":"cake","default":false,"enabled":true,
                  "pattern":"cake*lie","actions":["notify",
                  {"set_tweak":"sound","value":"bing"}]})"));
  Put("override/a", R"({"actions":[],"conditions":
      [{"kind":"event_match","key":"type","pattern":"x"}]})");
  Put("override/b", R"({"actions":[]})");
  EXPECT_THAT(Ids("override", 3), ElementsAre(".m.rule.master", "b", "a"));
  EXPECT_EQ(At(Get("override/b"), "conditions"), "[]");
}

TEST_F(PushRulesTest, RulesArePlacedBeforeAndAfterOthers) {
  for (const std::string_view id : {"c", "b", "a"}) {
    Put(fmt::format("room/{}", id), R"({"actions":["notify"]})");
  }
  EXPECT_THAT(Ids("room", 9), ElementsAre("a", "b", "c"));
  Put("room/x?before=c", R"({"actions":[]})");
  EXPECT_THAT(Ids("room", 9), ElementsAre("a", "b", "x", "c"));
  Put("room/y?after=c", R"({"actions":[]})");
  EXPECT_THAT(Ids("room", 9), ElementsAre("a", "b", "x", "c", "y"));
  // Both: `before` decides.
  Put("room/y?before=a&after=b", R"({"actions":[]})");
  EXPECT_THAT(Ids("room", 9), ElementsAre("y", "a", "b", "x", "c"));
  // Neither: an old rule stays where it is.
  Put("room/x", R"({"actions":["notify"]})");
  EXPECT_THAT(Ids("room", 9), ElementsAre("y", "a", "b", "x", "c"));
  EXPECT_EQ(At(Get("room/x"), "actions"), R"(["notify"])");
}

TEST_F(PushRulesTest, NeighboursMustBeRulesOfTheUser) {
  const std::string body = R"({"actions":[]})";
  EXPECT_THAT(Put("room/x?before=none", body), IsError(400, "M_UNKNOWN"));
  EXPECT_THAT(Put("override/x?after=.m.rule.master", body),
              IsError(400, "M_UNKNOWN"));
  EXPECT_THAT(Get("room/x"), IsError(404, "M_NOT_FOUND"));
}

TEST_F(PushRulesTest, EnablingAndActionsAlsoOfDefaultRules) {
  const std::string rule = "underride/.m.rule.message";
  EXPECT_THAT(Get(rule + "/enabled"), IsJson(R"({"enabled":true})"));
  EXPECT_THAT(Put(rule + "/enabled", R"({"enabled":false})"), IsJson("{}"));
  EXPECT_THAT(Get(rule + "/enabled"), IsJson(R"({"enabled":false})"));
  EXPECT_THAT(Put(rule + "/actions", R"({"actions":["notify"]})"),
              IsJson("{}"));
  EXPECT_THAT(Get(rule + "/actions"), IsJson(R"({"actions":["notify"]})"));
  server_.Restart();
  EXPECT_THAT(Get(rule + "/enabled"), IsJson(R"({"enabled":false})"));
  EXPECT_THAT(Get(rule + "/actions"), IsJson(R"({"actions":["notify"]})"));
}

TEST_F(PushRulesTest, AReplacedRuleStaysDisabled) {
  Put("sender/@b:x", R"({"actions":[]})");
  Put("sender/@b:x/enabled", R"({"enabled":false})");
  Put("sender/@b:x", R"({"actions":["notify"]})");
  EXPECT_EQ(At(Get("sender/@b:x"), "enabled"), "false");
}

TEST_F(PushRulesTest, Deleting) {
  Put("room/x", R"({"actions":[]})");
  EXPECT_THAT(server_.Delete(alice_, Url("room/x")), IsJson("{}"));
  EXPECT_THAT(server_.Delete(alice_, Url("room/x")),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Delete(alice_, Url("override/.m.rule.master")),
              IsError(400, "M_INVALID_PARAM"));
}

TEST_F(PushRulesTest, UnknownRulesAndKinds) {
  for (const std::string_view part : {"", "/enabled", "/actions"}) {
    EXPECT_THAT(Get(fmt::format("room/none{}", part)),
                IsError(404, "M_NOT_FOUND"));
    EXPECT_THAT(Get(fmt::format("magic/none{}", part)),
                IsError(400, "M_INVALID_PARAM"));
  }
  EXPECT_THAT(Put("room/none/enabled", R"({"enabled":true})"),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Put("room/none/actions", R"({"actions":[]})"),
              IsError(404, "M_NOT_FOUND"));
}

TEST_F(PushRulesTest, BadRules) {
  const std::string good = R"({"actions":[]})";
  EXPECT_THAT(Put("room/.m.mine", good), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("room/a%2Fb", good), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("room/a%5Cb", good), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("room/" + std::string(256, 'x'), good),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("room/x", "{}"), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Put("content/x", good), IsError(400, "M_MISSING_PARAM"));
  for (const std::string_view body :
       {R"({"actions":"notify"})", R"({"actions":[5]})",
        R"({"actions":["shout"]})", R"({"actions":[{"value":1}]})"}) {
    EXPECT_THAT(Put("room/x", std::string(body)), IsError(400, "M_BAD_JSON"))
        << body;
  }
  EXPECT_THAT(Put("override/x", R"({"actions":[],"conditions":{}})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Put("override/x", R"({"actions":[],"conditions":[{}]})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Put("content/x", R"({"actions":[],"pattern":5})"),
              IsError(400, "M_BAD_JSON"));
  Put("room/x", good);
  EXPECT_THAT(Put("room/x/enabled", "{}"), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Put("room/x/enabled", R"({"enabled":1})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Put("room/x/actions", R"({"actions":{}})"),
              IsError(400, "M_BAD_JSON"));
}

TEST_F(PushRulesTest, ThereIsRoomForManyButNotForAll) {
  const std::string condition =
      R"({"kind":"event_match","key":"type","pattern":")" +
      std::string(60'000, 'x') + "\"}";
  const std::string body =
      fmt::format(R"({{"actions":[],"conditions":[{}]}})", condition);
  int accepted = 0;
  while (accepted < 10 &&
         Put(fmt::format("override/r{}", accepted), body).status == 200) {
    ++accepted;
  }
  EXPECT_EQ(accepted, 4);
  EXPECT_THAT(Put("override/more", body), IsError(413, "M_TOO_LARGE"));
}

TEST_F(PushRulesTest, SyncHasThemFromTheStartAndWhenTheyChange) {
  const HttpResponse first = server_.Get(alice_, "/_matrix/client/v3/sync");
  EXPECT_THAT(At(first, "account_data/events"),
              testing::HasSubstr(R"("type":"m.push_rules")"));
  Put("room/x", R"({"actions":[]})");
  const HttpResponse next = server_.Get(
      alice_, "/_matrix/client/v3/sync?since=" + TextAt(first, "next_batch"));
  EXPECT_THAT(At(next, "account_data/events"),
              testing::HasSubstr(R"("rule_id":"x")"));
}

}  // namespace
}  // namespace matrixcore::api
