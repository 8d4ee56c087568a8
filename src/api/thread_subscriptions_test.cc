// MSC4306, MSC4308: thread subscriptions.  MSC3391: deleting account data.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/test_server.h"
#include "matrixcore/http/url.h"

namespace matrixcore::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ThreadSubscriptionsTest : public ::testing::Test {
 protected:
  ThreadSubscriptionsTest()
      : alice_(server_.Register("alice")), bob_(server_.Register("bob")) {
    room_ = TextAt(server_.Post(alice_, "/_matrix/client/v3/createRoom"),
                   "room_id");
    root_ = Send(R"({"body":"root"})");
    reply_ = Reply();
  }
  std::string Send(std::string content) {
    return TextAt(
        server_.Put(
            alice_,
            fmt::format("/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
                        PercentEncode(room_), ++transactions_),
            std::move(content)),
        "event_id");
  }
  std::string Reply() {
    return Send(fmt::format(
        R"({{"m.relates_to":{{"event_id":"{}","rel_type":"m.thread"}}}})",
        root_));
  }
  std::string Path(const std::string& root) const {
    return fmt::format(
        "/_matrix/client/unstable/io.element.msc4306/rooms/{}/thread/{}/"
        "subscription",
        PercentEncode(room_), PercentEncode(root));
  }
  HttpResponse Subscribe(const std::string& cause = {}) {
    return server_.Put(
        alice_, Path(root_),
        cause.empty() ? "{}" : fmt::format(R"({{"automatic":"{}"}})", cause));
  }
  HttpResponse Get() { return server_.Get(alice_, Path(root_)); }

  FakeHomeserver server_;
  const User alice_;
  const User bob_;
  std::string room_, root_, reply_;
  int transactions_ = 0;
};

TEST_F(ThreadSubscriptionsTest, ComeAndGo) {
  EXPECT_THAT(Get(), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Subscribe(), IsJson("{}"));
  EXPECT_THAT(Get(), IsJson(R"({"automatic":false})"));
  EXPECT_THAT(server_.Delete(alice_, Path(root_)), IsJson("{}"));
  EXPECT_THAT(Get(), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Delete(alice_, Path(root_)), IsJson("{}"));
}

TEST_F(ThreadSubscriptionsTest, WhatTheUserAskedForComesFirst) {
  EXPECT_THAT(Subscribe(reply_), IsJson("{}"));
  EXPECT_THAT(Get(), IsJson(R"({"automatic":true})"));
  EXPECT_THAT(Subscribe(), IsJson("{}"));
  EXPECT_THAT(Subscribe(reply_), IsJson("{}"));
  EXPECT_THAT(Get(), IsJson(R"({"automatic":false})"));
}

TEST_F(ThreadSubscriptionsTest, OldCausesDoNotSubscribeAgain) {
  Subscribe(reply_);
  server_.Delete(alice_, Path(root_));
  EXPECT_THAT(Subscribe(reply_),
              IsError(409, "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION"));
  EXPECT_THAT(Subscribe(Reply()), IsJson("{}"));
}

TEST_F(ThreadSubscriptionsTest, RefusesWhatIsNotThere) {
  EXPECT_THAT(Subscribe(Send(R"({"body":"elsewhere"})")),
              IsError(400, "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"));
  EXPECT_THAT(Subscribe("$unknown"),
              IsError(400, "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"));
  EXPECT_THAT(server_.Put(alice_, Path("$unknown"), "{}"),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Put(bob_, Path(root_), "{}"),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Delete(bob_, Path(root_)), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Put(alice_, Path(root_), R"({"automatic":true})"),
              IsError(400, "M_BAD_JSON"));
}

TEST_F(ThreadSubscriptionsTest, BringTheirPushRules) {
  const std::string rules = "/_matrix/client/v3/pushrules/";
  EXPECT_THAT(server_.Get(alice_, rules).body, Not(HasSubstr("postcontent")));
  Subscribe();
  EXPECT_THAT(server_.Get(alice_, rules).body,
              HasSubstr(".io.element.msc4306.rule.unsubscribed_thread"));
  EXPECT_THAT(server_.Put(alice_, rules + "global/postcontent/mine",
                          R"({"actions":[],"conditions":[]})"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(
      server_.Put(alice_,
                  rules +
                      "global/postcontent/"
                      ".io.element.msc4306.rule.unsubscribed_thread/enabled",
                  R"({"enabled":false})"),
      IsJson("{}"));
}

TEST_F(ThreadSubscriptionsTest, ChangesAreListedNewestFirst) {
  const std::string list =
      "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions";
  EXPECT_THAT(server_.Get(alice_, list), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Get(alice_, list + "?dir=f"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(server_.Get(alice_, list + "?dir=b"),
              IsJson(R"({"subscribed":{},"unsubscribed":{}})"));
  Subscribe(reply_);
  const std::string other = Send(R"({"body":"other"})");
  server_.Put(alice_, Path(other), "{}");
  server_.Delete(alice_, Path(other));
  const HttpResponse first = server_.Get(alice_, list + "?dir=b&limit=1");
  EXPECT_EQ(At(first, "subscribed"), "{}");
  EXPECT_THAT(At(first, "unsubscribed"), HasSubstr(other));
  const HttpResponse second =
      server_.Get(alice_, list + "?dir=b&limit=1&from=" + TextAt(first, "end"));
  EXPECT_THAT(At(second, "subscribed"), HasSubstr(root_));
  EXPECT_THAT(At(second, "subscribed"), HasSubstr(R"("automatic":true)"));
  EXPECT_EQ(At(second, "end"), "");
}

TEST(AccountDataDeletionTest, DeletedDataIsGoneAndSyncsSayEmpty) {
  FakeHomeserver server;
  const User alice = server.Register("alice");
  const std::string rest =
      "user/" + PercentEncode(alice.user_id) + "/account_data/org.example";
  const std::string path = "/_matrix/client/v3/" + rest;
  const std::string unstable =
      "/_matrix/client/unstable/org.matrix.msc3391/" + rest;
  const std::string sync = "/_matrix/client/v3/sync?set_presence=offline";
  server.Put(alice, path, R"({"a":1})");
  const std::string since = TextAt(server.Get(alice, sync), "next_batch");
  EXPECT_THAT(server.Delete(alice, unstable), IsJson("{}"));
  EXPECT_THAT(server.Get(alice, path), IsError(404, "M_NOT_FOUND"));
  EXPECT_EQ(
      At(server.Get(alice, sync + "&since=" + since), "account_data/events"),
      R"([{"content":{},"type":"org.example"}])");
  EXPECT_THAT(server.Get(alice, sync).body, Not(HasSubstr("org.example")));
  EXPECT_THAT(server.Delete(alice, unstable), IsJson("{}"));
  server.Put(alice, path, R"({"a":1})");
  server.Put(alice, path, "{ }");
  EXPECT_THAT(server.Get(alice, path), IsError(404, "M_NOT_FOUND"));
  const std::string managed =
      "/_matrix/client/unstable/org.matrix.msc3391/user/" +
      PercentEncode(alice.user_id) + "/account_data/m.push_rules";
  EXPECT_THAT(server.Delete(alice, managed), IsError(405, "M_BAD_JSON"));
  const User bob = server.Register("bob");
  EXPECT_THAT(server.Delete(bob, unstable), IsError(403, "M_FORBIDDEN"));
}

}  // namespace
}  // namespace matrixcore::api
