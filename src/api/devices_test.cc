#include <fmt/format.h>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kDevices = "/_matrix/client/v3/devices";
constexpr std::string_view kWhoami = "/_matrix/client/v3/account/whoami";

class DevicesTest : public testing::Test {
 protected:
  HttpResponse Device(const std::string& id) {
    return server_.Get(alice_, std::string(kDevices) + "/" + id);
  }
  HttpResponse DeleteOne(const std::string& id, std::string body) {
    return server_.Delete(alice_, std::string(kDevices) + "/" + id,
                          std::move(body));
  }
  std::string Auth(std::string_view session = "",
                   std::string_view password = "pw") {
    return fmt::format(R"("auth":{{"type":"m.login.password","password":"{}",
        "identifier":{{"type":"m.id.user","user":"alice"}}{}}})",
                       password,
                       session.empty()
                           ? std::string()
                           : fmt::format(R"(,"session":"{}")", session));
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice", "pw");
};

TEST_F(DevicesTest, ListedWithWhereAndWhenTheyWereSeen) {
  server_.Get(alice_, kWhoami);
  const User phone = server_.Login(alice_);
  const HttpResponse list = server_.Get(alice_, kDevices);
  EXPECT_THAT(list.body, HasSubstr(alice_.device_id));
  EXPECT_THAT(list.body, HasSubstr(phone.device_id));
  const HttpResponse own = Device(alice_.device_id);
  EXPECT_THAT(own, IsJson(fmt::format(
                       R"({{"device_id":"{}","user_id":"@alice:fake.example",
                       "last_seen_ip":"127.0.0.1","last_seen_ts":{}}})",
                       alice_.device_id, server_.time().Now().ms)));
  EXPECT_THAT(Device("NONE"), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DevicesTest, OnlyOnesOwn) {
  const User bob = server_.Register("bob");
  EXPECT_THAT(Device(bob.device_id), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Get(alice_, kDevices).body,
              Not(HasSubstr(bob.device_id)));
}

TEST_F(DevicesTest, ActivityIsNotedAtMostOnceAMinute) {
  server_.Get(alice_, kWhoami);
  const int64_t first = server_.time().Now().ms;
  server_.Advance(seconds(59));
  EXPECT_EQ(At(Device(alice_.device_id), "last_seen_ts"),
            std::to_string(first));
  server_.Advance(seconds(1));
  EXPECT_EQ(At(Device(alice_.device_id), "last_seen_ts"),
            std::to_string(first + 60'000));
}

TEST_F(DevicesTest, Rename) {
  const std::string url = std::string(kDevices) + "/" + alice_.device_id;
  EXPECT_THAT(server_.Put(alice_, url, R"({"display_name":"Laptop"})"),
              IsJson("{}"));
  EXPECT_EQ(TextAt(Device(alice_.device_id), "display_name"), "Laptop");
  EXPECT_THAT(server_.Put(alice_, url, "{}"), IsJson("{}"));
  EXPECT_EQ(TextAt(Device(alice_.device_id), "display_name"), "Laptop");
  EXPECT_THAT(server_.Put(alice_, url, R"({"display_name":7})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(server_.Put(alice_, url,
                          fmt::format(R"({{"display_name":"{}"}})",
                                      std::string(256, 'x'))),
              IsError(400, "M_INVALID_PARAM"));
  for (const std::string_view body : {"{}", R"({"display_name":"x"})"}) {
    EXPECT_THAT(
        server_.Put(alice_, std::string(kDevices) + "/NONE", std::string(body)),
        IsError(404, "M_NOT_FOUND"));
  }
}

TEST_F(DevicesTest, DeletingOneTakesThePassword) {
  const User phone = server_.Login(alice_);
  const HttpResponse challenge = DeleteOne(phone.device_id, "");
  EXPECT_EQ(challenge.status, 401);
  EXPECT_EQ(server_.Get(phone, kWhoami).status, 200);
  EXPECT_THAT(DeleteOne(phone.device_id,
                        "{" + Auth(TextAt(challenge, "session")) + "}"),
              IsJson("{}"));
  EXPECT_EQ(server_.Get(phone, kWhoami).status, 401);
  EXPECT_THAT(Device(phone.device_id), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DevicesTest, ASessionForOneDeviceDoesNotDeleteAnother) {
  const User phone = server_.Login(alice_);
  const User tablet = server_.Login(alice_);
  const std::string session =
      TextAt(DeleteOne(phone.device_id, "{}"), "session");
  EXPECT_THAT(DeleteOne(tablet.device_id, "{" + Auth(session) + "}"),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_EQ(server_.Get(tablet, kWhoami).status, 200);
}

TEST_F(DevicesTest, ASessionOfOneUserDoesNotServeAnother) {
  const User bob = server_.Register("bob", "pw");
  const std::string session = TextAt(DeleteOne("X", "{}"), "session");
  EXPECT_THAT(server_.Delete(bob, std::string(kDevices) + "/X",
                             "{" + Auth(session) + "}"),
              IsError(403, "M_FORBIDDEN"));
}

TEST_F(DevicesTest, DeleteSeveral) {
  const User phone = server_.Login(alice_);
  const User tablet = server_.Login(alice_);
  const std::string url = "/_matrix/client/v3/delete_devices";
  const std::string devices = fmt::format(R"("devices":["{}","{}","NONE"])",
                                          phone.device_id, tablet.device_id);
  const HttpResponse challenge = server_.Post(alice_, url, "{" + devices + "}");
  EXPECT_EQ(challenge.status, 401);
  const std::string session = TextAt(challenge, "session");
  EXPECT_THAT(server_.Post(alice_, url,
                           fmt::format(R"({{"devices":["{}"],{}}})",
                                       alice_.device_id, Auth(session))),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(
      server_.Post(alice_, url, "{" + devices + "," + Auth(session) + "}"),
      IsJson("{}"));
  EXPECT_EQ(server_.Get(phone, kWhoami).status, 401);
  EXPECT_EQ(server_.Get(tablet, kWhoami).status, 401);
  EXPECT_EQ(server_.Get(alice_, kWhoami).status, 200);
}

TEST_F(DevicesTest, DeleteSeveralWithBadLists) {
  const std::string url = "/_matrix/client/v3/delete_devices";
  EXPECT_THAT(server_.Post(alice_, url, R"({"devices":"X"})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(server_.Post(alice_, url, "{" + Auth() + "}"),
              IsError(400, "M_MISSING_PARAM"));
}

TEST(DeviceLimitTest, AUserHasSoManyDevices) {
  FakeHomeserverOptions options;
  options.homeserver.user_limits.devices = 3;
  FakeHomeserver server(options);
  const User alice = server.Register("alice");
  const User phone = server.Login(alice);
  server.Login(alice);
  const auto login = [&](std::string_view device) {
    return server.Post({}, "/_matrix/client/v3/login",
                       fmt::format(R"({{"type":"m.login.password",
                           "user":"alice","password":"{}","device_id":"{}"}})",
                                   alice.password, device));
  };
  EXPECT_THAT(login("NEW"), IsError(403, "M_FORBIDDEN"));
  EXPECT_EQ(login(phone.device_id).status, 200);  // One that is there.
  EXPECT_EQ(server.Post(alice, "/_matrix/client/v3/logout").status, 200);
  EXPECT_EQ(login("NEW").status, 200);
}

}  // namespace
}  // namespace matrixcore::api
