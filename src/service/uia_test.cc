#include "matrixcore/service/uia.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/manual_world.h"

namespace matrixcore {
namespace {

using testing::HasSubstr;
using testing::Not;

// Two flows: a then b, or a then c.
class UiaTest : public testing::Test {
 protected:
  Result<UiaService::Outcome> Ask(std::string body,
                                  std::string operation = "op",
                                  std::string user = "@u:x") {
    document_ = std::move(json::Document::Parse(std::move(body))).value();
    UiaRequest request;
    request.operation = std::move(operation);
    request.user_id = std::move(user);
    request.body = document_.root();
    request.flows = {{"a", "b"}, {"a", "c"}};
    request.keep_fields = keep_fields_;
    return uia_.Authorise(
        request,
        [this](std::string_view type, json::Value auth) -> Result<std::string> {
          ++checks_;
          if (auth["fail"].IsString()) {
            return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN", "no");
          }
          if (auth["broken"].IsString()) {
            return Status(StatusCode::kInvalidArgument, "M_MISSING_PARAM",
                          "what");
          }
          return std::string(type) + " value";
        });
  }
  std::string Auth(std::string_view type, std::string_view session,
                   std::string_view more = "") {
    return std::string(R"({"x":1,"auth":{"type":")")
        .append(type)
        .append(R"(","session":")")
        .append(session)
        .append("\"")
        .append(more)
        .append("}}");
  }

  ManualClock clock_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  UiaService uia_{
      {.lifetime = seconds(60), .max_sessions = 3}, clock_, *random_};
  json::Document document_;
  int checks_ = 0;
  bool keep_fields_ = false;
};

TEST_F(UiaTest, StagesOfAFlowInOrder) {
  const auto first = Ask(R"({"x":1})");
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->allowed);
  EXPECT_EQ(first->challenge, R"({"flows":[{"stages":["a","b"]},)"
                              R"({"stages":["a","c"]}],"params":{},)"
                              R"("session":")" +
                                  first->session + "\"}");
  const auto second = Ask(Auth("a", first->session));
  EXPECT_FALSE(second->allowed);
  EXPECT_THAT(second->challenge, HasSubstr(R"("completed":["a"])"));
  EXPECT_THAT(second->challenge, Not(HasSubstr("errcode")));
  const auto third = Ask(Auth("c", first->session));
  EXPECT_TRUE(third->allowed);
  EXPECT_EQ(uia_.StageValue(first->session, "a"), "a value");
}

TEST_F(UiaTest, AStageOutOfOrderIsNotTried) {
  const auto first = Ask(R"({"x":1})");
  const auto second = Ask(Auth("b", first->session));
  EXPECT_FALSE(second->allowed);
  EXPECT_THAT(second->challenge, HasSubstr("M_UNRECOGNIZED"));
  EXPECT_EQ(checks_, 0);
}

TEST_F(UiaTest, AFailedStageMayBeTriedAgain) {
  const auto first = Ask(R"({"x":1})");
  const auto failed = Ask(Auth("a", first->session, R"(,"fail":"1")"));
  EXPECT_THAT(failed->challenge, HasSubstr(R"("errcode":"M_FORBIDDEN")"));
  EXPECT_THAT(failed->challenge, HasSubstr(R"("completed":[])"));
  EXPECT_EQ(failed->session, first->session);
  EXPECT_THAT(Ask(Auth("a", first->session))->challenge,
              HasSubstr(R"("completed":["a"])"));
}

TEST_F(UiaTest, AMalformedStageIsAnError) {
  const auto first = Ask(R"({"x":1})");
  EXPECT_EQ(
      Ask(Auth("a", first->session, R"(,"broken":"1")")).status().errcode(),
      "M_MISSING_PARAM");
}

TEST_F(UiaTest, ACompletedStageIsNotTriedAgain) {
  const auto first = Ask(R"({"x":1})");
  Ask(Auth("a", first->session)).ok();
  EXPECT_EQ(checks_, 1);
  const auto again = Ask(Auth("a", first->session, R"(,"fail":"1")"));
  EXPECT_EQ(checks_, 1);
  EXPECT_THAT(again->challenge, HasSubstr(R"("completed":["a"])"));
}

TEST_F(UiaTest, ASessionIsForOneRequestOfOneUser) {
  const auto first = Ask(R"({"x":1})");
  const std::string good = Auth("a", first->session);
  const std::string other =
      R"({"x":2,"auth":{"type":"a","session":")" + first->session + "\"}}";
  EXPECT_EQ(Ask(other).status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(Ask(good, "other op").status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(Ask(good, "op", "@other:x").status().errcode(), "M_FORBIDDEN");
  EXPECT_TRUE(Ask(good).ok());
  // The order of the members does not matter, what they say does.
  EXPECT_TRUE(Ask(R"({"auth":{"session":")" + first->session +
                  R"(","type":"b"}, "x" : 1})")
                  ->allowed);
}

TEST_F(UiaTest, AnEmptyRequestBindsNothingYet) {
  const auto first = Ask("{}");
  EXPECT_TRUE(Ask(Auth("a", first->session)).ok());
  EXPECT_EQ(
      Ask(R"({"x":2,"auth":{"type":"b","session":")" + first->session + "\"}}")
          .status()
          .errcode(),
      "M_FORBIDDEN");
}

TEST_F(UiaTest, KeepsTheFieldsWhenAskedTo) {
  const auto first = Ask(R"({"x":1})");
  EXPECT_EQ(uia_.Fields(first->session, "op"), "");
  keep_fields_ = true;
  const auto second = Ask(R"({"y":"é", "x":1})");
  EXPECT_EQ(uia_.Fields(second->session, "op"), R"({"x":1,"y":"é"})");
  EXPECT_EQ(uia_.Fields(second->session, "other op"), "");
  EXPECT_EQ(uia_.Fields("unknown", "op"), "");
  // Those that come later than the session.
  const auto third = Ask("{}");
  EXPECT_EQ(uia_.Fields(third->session, "op"), "");
  Ask(Auth("a", third->session)).ok();
  EXPECT_EQ(uia_.Fields(third->session, "op"), R"({"x":1})");
  clock_.Advance(seconds(60));
  EXPECT_EQ(uia_.Fields(third->session, "op"), "");
}

TEST_F(UiaTest, KeepsNoLongFields) {
  keep_fields_ = true;
  const auto first = Ask(R"({"x":")" + std::string(3000, 'x') + R"("})");
  EXPECT_EQ(uia_.Fields(first->session, "op"), "");
}

TEST_F(UiaTest, OneRequestAtATimeMayAct) {
  const auto first = Ask(R"({"x":1})");
  Ask(Auth("a", first->session)).ok();
  EXPECT_TRUE(Ask(Auth("b", first->session))->allowed);
  EXPECT_EQ(Ask(Auth("b", first->session)).status().code(),
            StatusCode::kAborted);
  uia_.Finish(first->session, false);
  // The operation failed: it may be tried again without authenticating again.
  EXPECT_TRUE(Ask(Auth("b", first->session))->allowed);
  uia_.Finish(first->session, true);
  const auto gone = Ask(Auth("b", first->session));
  EXPECT_FALSE(gone->allowed);
  EXPECT_NE(gone->session, first->session);
}

TEST_F(UiaTest, RemembersTheResultForTheSameRequestOnly) {
  const auto first = Ask(R"({"x":1})");
  Ask(Auth("a", first->session)).ok();
  EXPECT_TRUE(Ask(Auth("b", first->session))->allowed);
  uia_.FinishWith(first->session, "made");
  const auto result_of = [this](std::string body,
                                std::string operation = "op") {
    document_ = std::move(json::Document::Parse(std::move(body))).value();
    return uia_.ResultOf({.operation = std::move(operation),
                          .user_id = "@u:x",
                          .body = document_.root()});
  };
  EXPECT_EQ(result_of(Auth("b", first->session)), "made");
  EXPECT_EQ(result_of(Auth("b", first->session), "other op"), "");
  EXPECT_EQ(result_of(Auth("b", "unknown")), "");
  EXPECT_EQ(
      result_of(R"({"x":2,"auth":{"session":")" + first->session + R"("}})"),
      "");
  // It opens nothing any more.
  const auto again = Ask(Auth("b", first->session));
  EXPECT_FALSE(again->allowed);
  EXPECT_NE(again->session, first->session);
  clock_.Advance(seconds(60));
  EXPECT_EQ(result_of(Auth("b", first->session)), "");
}

TEST_F(UiaTest, WithoutAuthNothingIsEverAllowed) {
  const auto first = Ask(R"({"x":1})");
  Ask(Auth("a", first->session)).ok();
  Ask(Auth("b", first->session)).ok();
  uia_.Finish(first->session, false);
  EXPECT_FALSE(Ask(R"({"x":1})")->allowed);
  // A session alone asks how far it is.
  EXPECT_TRUE(
      Ask(R"({"x":1,"auth":{"session":")" + first->session + "\"}}")->allowed);
}

TEST_F(UiaTest, SessionsExpireAndAreBounded) {
  const auto first = Ask(R"({"x":1})");
  clock_.Advance(seconds(59));
  EXPECT_EQ(Ask(Auth("a", first->session))->session, first->session);
  EXPECT_EQ(uia_.CountStageValue("a", "a value"), 1U);
  clock_.Advance(seconds(59));  // Each request gives it more time.
  EXPECT_EQ(Ask(Auth("a", first->session))->session, first->session);
  clock_.Advance(seconds(60));
  EXPECT_EQ(uia_.CountStageValue("a", "a value"), 0U);
  EXPECT_NE(Ask(Auth("a", first->session))->session, first->session);
  for (int i = 0; i < 10; ++i) Ask("{}").ok();
  EXPECT_LE(uia_.size(), 3U);
}

}  // namespace
}  // namespace matrixcore
