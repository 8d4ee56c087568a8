// Two people talk through a homeserver that lives in this process: no port, no
// file, and thirty seconds of waiting pass at once.
#include <cstdio>
#include <future>
#include <string>
#include <string_view>

#include "matrixcore/json/value.h"
#include "matrixcore/testing/fake_homeserver.h"

namespace {

using matrixcore::FakeHomeserver;
using matrixcore::HttpMethod;
using matrixcore::HttpResponse;
using matrixcore::seconds;

constexpr const char* kSync = "/_matrix/client/v3/sync";

// A string of an answer's JSON object.
std::string Field(const HttpResponse& response, std::string_view name) {
  const auto body = matrixcore::json::Document::Parse(response.body);
  return body.ok() ? std::string(body->root()[name].StringOr("")) : "";
}

bool Check(bool good, const char* what) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", what);
  return good;
}

}  // namespace

int main() {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  const FakeHomeserver::User bob = server.Register("bob");

  const std::string room =
      Field(server.Post(alice, "/_matrix/client/v3/createRoom",
                        R"({"preset":"public_chat","name":"Tea"})"),
            "room_id");
  bool good = Check(!room.empty(), "alice makes a room");
  good &=
      Check(server.Post(bob, "/_matrix/client/v3/join/" + room).status == 200,
            "bob joins");

  // Bob waits for news; alice sends some.
  const std::string since = Field(server.Get(bob, kSync), "next_batch");
  std::future<HttpResponse> news = server.Start(
      HttpMethod::kGet, std::string(kSync) + "?timeout=30000&since=" + since,
      "", bob.access_token);
  server.Settle();
  server.Put(alice,
             "/_matrix/client/v3/rooms/" + room + "/send/m.room.message/1",
             R"({"msgtype":"m.text","body":"The kettle is on"})");
  HttpResponse arrived = news.get();
  if (arrived.body.find("\"m.presence\"") != std::string::npos &&
      arrived.body.find("The kettle is on") == std::string::npos) {
    // That alice is online now was told first; the next sync has the message.
    arrived = server.Get(
        bob, std::string(kSync) + "?since=" + Field(arrived, "next_batch"));
  }
  good &= Check(arrived.body.find("The kettle is on") != std::string::npos,
                "the message wakes bob's sync");

  // Nothing more happens for thirty seconds of simulated time.
  std::future<HttpResponse> silence =
      server.Start(HttpMethod::kGet,
                   std::string(kSync) +
                       "?timeout=30000&since=" + Field(arrived, "next_batch"),
                   "", bob.access_token);
  server.Advance(seconds(30));
  good &= Check(silence.get().status == 200, "a quiet sync ends after 30 s");

  // What was acknowledged survives.
  server.Restart();
  const HttpResponse history = server.Get(
      bob, "/_matrix/client/v3/rooms/" + room + "/messages?dir=b&limit=1");
  good &= Check(history.body.find("The kettle is on") != std::string::npos,
                "the message is there after a restart");
  return good ? 0 : 1;
}
