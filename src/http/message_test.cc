#include "matrixcore/http/message.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace matrixcore {
namespace {

TEST(HttpMethod, NamesAreParsed) {
  for (HttpMethod method :
       {HttpMethod::kGet, HttpMethod::kHead, HttpMethod::kPost,
        HttpMethod::kPut, HttpMethod::kDelete, HttpMethod::kOptions,
        HttpMethod::kPatch}) {
    EXPECT_EQ(ParseHttpMethod(HttpMethodName(method)), method);
  }
  EXPECT_EQ(HttpMethodName(HttpMethod::kDelete), "DELETE");
  EXPECT_EQ(ParseHttpMethod("get"), HttpMethod::kOther);
  EXPECT_EQ(ParseHttpMethod("BREW"), HttpMethod::kOther);
  EXPECT_EQ(ParseHttpMethod(""), HttpMethod::kOther);
}

TEST(HttpHeaders, NamesIgnoreCase) {
  HttpHeaders headers;
  headers.Add("Content-Type", "application/json");
  EXPECT_EQ(headers.Get("content-type"), "application/json");
  EXPECT_EQ(headers.Get("CONTENT-TYPE"), "application/json");
  EXPECT_EQ(headers.Get("content-typ"), std::nullopt);
  // Only letters have a case: '[' is '{' with one bit set.
  headers.Add("x[", "1");
  EXPECT_EQ(headers.Get("x{"), std::nullopt);
}

TEST(HttpHeaders, GetGivesTheFirstAndSetReplacesAll) {
  HttpHeaders headers;
  headers.Add("Via", "1");
  headers.Add("Other", "x");
  headers.Add("via", "2");
  EXPECT_EQ(headers.Get("VIA"), "1");
  EXPECT_EQ(headers.fields().size(), 3u);
  headers.Set("vIa", "3");
  EXPECT_EQ(headers.fields(), (std::vector<std::pair<std::string, std::string>>{
                                  {"Other", "x"}, {"vIa", "3"}}));
}

class ResponderTest : public testing::Test {
 protected:
  Responder Make() {
    return Responder([this](HttpResponse response) {
      responses_.push_back(std::move(response));
    });
  }
  static HttpResponse WithStatus(int status) {
    HttpResponse response;
    response.status = status;
    return response;
  }
  std::vector<HttpResponse> responses_;
};

TEST_F(ResponderTest, AnswersOnce) {
  {
    Responder responder = Make();
    EXPECT_TRUE(responder.pending());
    responder(WithStatus(204));
    EXPECT_FALSE(responder.pending());
  }
  ASSERT_EQ(responses_.size(), 1u);
  EXPECT_EQ(responses_[0].status, 204);
}

TEST_F(ResponderTest, DroppedUnusedAnswers500) {
  { Responder responder = Make(); }
  ASSERT_EQ(responses_.size(), 1u);
  EXPECT_EQ(responses_[0].status, 500);
  EXPECT_EQ(responses_[0].headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(responses_[0].body,
            R"({"errcode":"M_UNKNOWN","error":"Internal server error"})");
}

TEST_F(ResponderTest, MovingPassesTheDutyOn) {
  Responder first = Make();
  Responder second = std::move(first);
  EXPECT_FALSE(first.pending());
  EXPECT_TRUE(second.pending());
  second(WithStatus(200));
  EXPECT_EQ(responses_.size(), 1u);
}

TEST_F(ResponderTest, AssigningOverAPendingOneAnswersIt) {
  Responder first = Make();
  first = Make();
  ASSERT_EQ(responses_.size(), 1u);
  EXPECT_EQ(responses_[0].status, 500);
  first(WithStatus(201));
  ASSERT_EQ(responses_.size(), 2u);
  EXPECT_EQ(responses_[1].status, 201);
}

TEST_F(ResponderTest, AnEmptyOneAnswersNothing) {
  { Responder responder; }
  EXPECT_FALSE(Responder().pending());
  EXPECT_TRUE(responses_.empty());
}

TEST_F(ResponderTest, MayBeDestroyedByItsOwnAnswer) {
  auto responder = std::make_unique<Responder>();
  bool answered = false;
  *responder = Responder([&](HttpResponse) {
    responder.reset();
    answered = true;
  });
  (*responder)(WithStatus(200));
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace matrixcore
