// What the scenario tests share: answers as values, and requests in few words.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/http/url.h"
#include "matrixcore/json/value.h"
#include "matrixcore/testing/fake_homeserver.h"

namespace matrixcore {

// An answer: its status and its JSON.
class Answer {
 public:
  Answer(HttpResponse response)  // NOLINT: answers are made where they are used
      : status_(response.status),
        text_(response.body),
        json_(std::make_shared<json::Document>()) {
    auto parsed = json::Document::Parse(std::move(response.body));
    if (parsed.ok()) *json_ = std::move(*parsed);
  }
  int status() const { return status_; }
  bool ok() const { return status_ == 200; }
  const std::string& text() const { return text_; }
  json::Value root() const { return json_->root(); }
  json::Value operator[](std::string_view key) const { return root()[key]; }
  std::string String(std::string_view key) const {
    return std::string(root()[key].StringOr(""));
  }
  // "403 M_FORBIDDEN", or "200".
  std::string Outcome() const {
    const std::string errcode = String("errcode");
    return errcode.empty() ? std::to_string(status_)
                           : fmt::format("{} {}", status_, errcode);
  }

 private:
  int status_;
  std::string text_;
  std::shared_ptr<json::Document> json_;
};

// The servers that ours reaches, as a test plays them.  Derive from it before
// ScenarioTest and give that NetworkOptions().
class FakeNetwork : public HttpClient {
 public:
  void Send(Outgoing request, Done done) override {
    asked_.push_back(request.url);
    done(answer_ ? answer_(request)
                 : Result<HttpResponse>(
                       Status(StatusCode::kUnavailable, "nobody there")));
  }
  FakeHomeserverOptions NetworkOptions() {
    FakeHomeserverOptions options;
    options.network = this;
    return options;
  }

 protected:
  // The server waits for its answer; so this is called by one thread at a time.
  std::function<Result<HttpResponse>(const Outgoing&)> answer_;
  std::vector<std::string> asked_;  // URLs.
};

class ScenarioTest : public ::testing::Test {
 protected:
  using User = FakeHomeserver::User;

  explicit ScenarioTest(FakeHomeserverOptions options = {})
      : server_(std::move(options)) {}

  // Some requests were answered by faults and made again: others may have been
  // asked more than once, and events built more than once.
  bool Faulty() { return server_.faults().struck() > 0; }

  static std::string RoomPath(const std::string& room, std::string_view rest) {
    return fmt::format("/_matrix/client/v3/rooms/{}/{}", PercentEncode(room),
                       rest);
  }
  Answer Get(const User& user, const std::string& room, std::string_view rest) {
    return server_.Get(user, RoomPath(room, rest));
  }
  Answer Post(const User& user, const std::string& room, std::string_view rest,
              std::string body = "{}") {
    return server_.Post(user, RoomPath(room, rest), std::move(body));
  }
  Answer Put(const User& user, const std::string& room, std::string_view rest,
             std::string body) {
    return server_.Put(user, RoomPath(room, rest), std::move(body));
  }

  std::string CreateRoom(const User& user, std::string body = "{}") {
    const Answer answer =
        server_.Post(user, "/_matrix/client/v3/createRoom", std::move(body));
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("room_id");
  }
  Answer Join(const User& user, const std::string& room_or_alias) {
    return server_.Post(
        user, "/_matrix/client/v3/join/" + PercentEncode(room_or_alias));
  }
  Answer Invite(const User& user, const std::string& room, const User& target) {
    return Post(user, room, "invite",
                fmt::format(R"({{"user_id":"{}"}})", target.user_id));
  }
  // Sends a text message; the event id.
  std::string Say(const User& user, const std::string& room,
                  std::string_view body) {
    const Answer answer =
        Put(user, room, fmt::format("send/m.room.message/t{}", ++transactions_),
            fmt::format(R"({{"body":"{}","msgtype":"m.text"}})", body));
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("event_id");
  }
  Answer SetState(const User& user, const std::string& room,
                  std::string_view type, std::string content,
                  std::string_view key = "") {
    return Put(user, room, fmt::format("state/{}/{}", type, PercentEncode(key)),
               std::move(content));
  }
  // The content of a state event, "" if there is none.
  std::string State(const User& user, const std::string& room,
                    std::string_view type, std::string_view key = "") {
    const Answer answer =
        Get(user, room, fmt::format("state/{}/{}", type, PercentEncode(key)));
    return answer.ok() ? answer.text() : "";
  }
  // The types of the room's whole state, in the order of sending.
  std::vector<std::string> StateTypes(const User& user,
                                      const std::string& room) {
    const Answer answer = Get(user, room, "messages?dir=f&limit=100");
    std::vector<std::string> types;
    for (const json::Value event : answer["chunk"]) {
      types.emplace_back(event["type"].StringOr(""));
    }
    return types;
  }
  // The bodies of the messages of a list of events.
  static std::vector<std::string> Bodies(json::Value events) {
    std::vector<std::string> bodies;
    for (const json::Value event : events) {
      if (event["type"].StringOr("") == "m.room.message") {
        bodies.emplace_back(event["content"]["body"].StringOr("(redacted)"));
      }
    }
    return bodies;
  }

  FakeHomeserver server_;
  int transactions_ = 0;
};

}  // namespace matrixcore
