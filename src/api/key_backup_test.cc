// Spec: client-server API, "Server-side key backups".
#include <fmt/format.h>

#include <future>
#include <set>
#include <vector>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kBase = "/_matrix/client/v3/room_keys/";

class KeyBackupTest : public testing::Test {
 protected:
  std::string Create(const User& user) {
    const HttpResponse response =
        server_.Post(user, std::string(kBase) + "version",
                     R"({"algorithm":"m.a","auth_data":{"k":1}})");
    EXPECT_EQ(response.status, 200) << response.body;
    return TextAt(response, "version");
  }
  static std::string Key(int first = 0, int forwarded = 0,
                         bool verified = false, std::string_view data = "x") {
    return fmt::format(
        R"({{"first_message_index":{},"forwarded_count":{},"is_verified":{},
             "session_data":{{"d":"{}"}}}})",
        first, forwarded, verified, data);
  }
  static std::string Url(const std::string& place, const std::string& version) {
    return fmt::format("{}keys{}?version={}", kBase, place, version);
  }
  HttpResponse Put(const std::string& place, const std::string& version,
                   std::string body) {
    return server_.Put(alice_, Url(place, version), std::move(body));
  }
  HttpResponse Get(const std::string& place, const std::string& version) {
    return server_.Get(alice_, Url(place, version));
  }
  HttpResponse Delete(const std::string& place, const std::string& version) {
    return server_.Delete(alice_, Url(place, version));
  }
  HttpResponse Info(const std::string& version = {}) {
    return server_.Get(alice_, std::string(kBase) + "version" +
                                   (version.empty() ? "" : "/") + version);
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(KeyBackupTest, Versions) {
  EXPECT_THAT(Info(), IsError(404, "M_NOT_FOUND"));
  const std::string one = Create(alice_);
  const std::string two = Create(alice_);
  EXPECT_NE(one, two);
  EXPECT_THAT(Info(), IsJson(fmt::format(
                          R"({{"algorithm":"m.a","auth_data":{{"k":1}},
                               "count":0,"etag":"0","version":"{}"}})",
                          two)));
  EXPECT_EQ(TextAt(Info(one), "version"), one);
  for (const char* unknown : {"99", "0", "-1", "x", "01", "1x"}) {
    EXPECT_THAT(Info(unknown), IsError(404, "M_NOT_FOUND")) << unknown;
  }
  const User bob = server_.Register("bob");
  EXPECT_THAT(server_.Get(bob, std::string(kBase) + "version"),
              IsError(404, "M_NOT_FOUND"));
}

TEST_F(KeyBackupTest, ChangingAVersion) {
  const std::string one = Create(alice_);
  const std::string url = std::string(kBase) + "version/" + one;
  EXPECT_THAT(server_.Put(alice_, url,
                          fmt::format(R"({{"algorithm":"m.a","version":"{}",
                              "auth_data":{{"k":2}}}})",
                                      one)),
              IsJson("{}"));
  EXPECT_EQ(At(Info(one), "auth_data"), R"({"k":2})");
  EXPECT_THAT(server_.Put(alice_, url, R"({"algorithm":"m.b","auth_data":{}})"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(
      server_.Put(alice_, url,
                  R"({"algorithm":"m.a","auth_data":{},"version":"7"})"),
      IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(server_.Put(alice_, std::string(kBase) + "version/9",
                          R"({"algorithm":"m.a","auth_data":{}})"),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Put(alice_, url, R"({"algorithm":"m.a"})"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Post(alice_, std::string(kBase) + "version", "{}"),
              IsError(400, "M_MISSING_PARAM"));
  for (const char* data : {"\"text\"", "[]", "1"}) {
    const std::string body =
        fmt::format(R"({{"algorithm":"m.a","auth_data":{}}})", data);
    EXPECT_THAT(server_.Put(alice_, url, body), IsError(400, "M_BAD_JSON"));
    EXPECT_THAT(server_.Post(alice_, std::string(kBase) + "version", body),
                IsError(400, "M_BAD_JSON"));
  }
  EXPECT_THAT(
      server_.Put(
          alice_, url,
          fmt::format(R"({{"algorithm":"m.a","auth_data":{{"k":"{}"}}}})",
                      std::string(70'000, 'x'))),
      IsError(413, "M_TOO_LARGE"));
}

// An old one leaves nothing behind, and still counts as deleted.
TEST_F(KeyBackupTest, VersionsAreDeletedInAnyOrder) {
  const auto remove = [&](const std::string& version) {
    return server_.Delete(alice_, std::string(kBase) + "version/" + version);
  };
  const std::string one = Create(alice_);
  const std::string two = Create(alice_);
  const std::string three = Create(alice_);
  EXPECT_THAT(remove(two), IsJson("{}"));
  EXPECT_THAT(remove(three), IsJson("{}"));
  EXPECT_EQ(TextAt(Info(), "version"), one);
  EXPECT_THAT(remove(two), IsJson("{}"));
  EXPECT_THAT(remove(three), IsJson("{}"));
  EXPECT_THAT(remove(one), IsJson("{}"));
  EXPECT_THAT(Info(), IsError(404, "M_NOT_FOUND"));
  const std::string four = Create(alice_);
  EXPECT_EQ(four, "4");
  EXPECT_EQ(TextAt(Info(), "version"), four);
  for (const std::string& old : {one, two, three}) {
    EXPECT_THAT(remove(old), IsJson("{}"));
    EXPECT_THAT(Info(old), IsError(404, "M_NOT_FOUND"));
  }
}

TEST_F(KeyBackupTest, ThereIsALimitOfBackups) {
  const auto create = [&] {
    return server_.Post(alice_, std::string(kBase) + "version",
                        R"({"algorithm":"m.a","auth_data":{}})");
  };
  for (int i = 0; i < 100; ++i) EXPECT_EQ(create().status, 200);
  EXPECT_THAT(create(), IsError(413, "M_TOO_LARGE"));
  server_.Delete(alice_, std::string(kBase) + "version/7");
  EXPECT_EQ(create().status, 200);
  server_.Delete(alice_, std::string(kBase) + "version/101");
  EXPECT_EQ(create().status, 200);
  EXPECT_THAT(create(), IsError(413, "M_TOO_LARGE"));
}

TEST(KeyBackupLimitTest, ABackupHoldsSoManyKeys) {
  FakeHomeserverOptions options;
  options.homeserver.user_limits.backup_keys = 3;
  FakeHomeserver server(options);
  const User alice = server.Register("alice");
  server.Post(alice, std::string(kBase) + "version",
              R"({"algorithm":"m.a","auth_data":{}})");
  const auto put = [&](std::string_view session, int first) {
    return server.Put(
        alice, fmt::format("{}keys/!r:x/{}?version=1", kBase, session),
        fmt::format(R"({{"first_message_index":{},"forwarded_count":0,
            "is_verified":false,"session_data":{{}}}})",
                    first));
  };
  for (const char* session : {"a", "b", "c"}) {
    EXPECT_EQ(put(session, 5).status, 200);
  }
  EXPECT_THAT(put("d", 5), IsError(413, "M_TOO_LARGE"));
  // A better key takes no more room.
  EXPECT_EQ(put("a", 4).status, 200);
}

TEST_F(KeyBackupTest, DeletedVersionsDoNotComeBack) {
  const std::string one = Create(alice_);
  const std::string two = Create(alice_);
  Put("/!r:x/s", two, Key());
  const std::string url = std::string(kBase) + "version/" + two;
  EXPECT_THAT(server_.Delete(alice_, url), IsJson("{}"));
  EXPECT_THAT(Info(two), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Get("/!r:x/s", two), IsError(404, "M_NOT_FOUND"));
  EXPECT_EQ(TextAt(Info(), "version"), one);
  // "If the backup was previously deleted, the call should succeed"
  EXPECT_THAT(server_.Delete(alice_, url), IsJson("{}"));
  EXPECT_THAT(server_.Delete(alice_, std::string(kBase) + "version/9"),
              IsError(404, "M_NOT_FOUND"));
  const std::string three = Create(alice_);
  EXPECT_NE(three, two);
  EXPECT_THAT(Get("", three), IsJson(R"({"rooms":{}})"));
  EXPECT_EQ(At(Info(three), "count"), "0");
}

TEST_F(KeyBackupTest, KeysOnePerSessionPerRoomAndAll) {
  const std::string v = Create(alice_);
  EXPECT_THAT(Put("/!a:x/s1", v, Key(1)), IsJson(R"({"count":1,"etag":"1"})"));
  EXPECT_THAT(
      Put("/!a:x", v, fmt::format(R"({{"sessions":{{"s2":{}}}}})", Key(2))),
      IsJson(R"({"count":2,"etag":"2"})"));
  EXPECT_THAT(Put("", v,
                  fmt::format(R"({{"rooms":{{"!b:x":{{"sessions":
                      {{"s1":{},"s3":{}}}}}}}}})",
                              Key(3), Key(4))),
              IsJson(R"({"count":4,"etag":"3"})"));
  EXPECT_THAT(Get("/!a:x/s1", v), IsJson(Key(1)));
  EXPECT_THAT(Get("/!a:x", v),
              IsJson(fmt::format(R"({{"sessions":{{"s1":{},"s2":{}}}}})",
                                 Key(1), Key(2))));
  EXPECT_THAT(Get("", v), IsJson(fmt::format(R"({{"rooms":{{
                  "!a:x":{{"sessions":{{"s1":{},"s2":{}}}}},
                  "!b:x":{{"sessions":{{"s1":{},"s3":{}}}}}}}}})",
                                             Key(1), Key(2), Key(3), Key(4))));
  EXPECT_THAT(Get("/!a:x/s3", v), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Get("/!none:x", v), IsJson(R"({"sessions":{}})"));
  EXPECT_EQ(At(Info(v), "count"), "4");
  EXPECT_EQ(TextAt(Info(v), "etag"), "3");
  server_.Restart();
  EXPECT_THAT(Get("/!b:x/s3", v), IsJson(Key(4)));

  EXPECT_THAT(Delete("/!b:x/s3", v), IsJson(R"({"count":3,"etag":"4"})"));
  EXPECT_THAT(Delete("/!b:x/s3", v), IsJson(R"({"count":3,"etag":"4"})"));
  EXPECT_THAT(Delete("/!a:x", v), IsJson(R"({"count":1,"etag":"5"})"));
  EXPECT_THAT(Delete("", v), IsJson(R"({"count":0,"etag":"6"})"));
  EXPECT_THAT(Get("", v), IsJson(R"({"rooms":{}})"));
  EXPECT_THAT(Delete("", "9"), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Get("", "9"), IsError(404, "M_NOT_FOUND"));
}

// "the server will choose to either keep the existing key or replace it"
TEST_F(KeyBackupTest, OnlyABetterKeyReplacesAKey) {
  const std::string v = Create(alice_);
  const std::string place = "/!a:x/s";
  Put(place, v, Key(5, 5, false));
  struct Case {
    std::string key;
    bool better;
  };
  for (const Case& c :
       {Case{Key(6, 0, false), false}, Case{Key(5, 6), false},
        Case{Key(5, 5, false, "y"), false}, Case{Key(5, 4), true},
        Case{Key(4, 9), true}, Case{Key(9, 9, true), true},
        Case{Key(0, 0, false), false}, Case{Key(8, 9, true), true}}) {
    const std::string before = Get(place, v).body;
    const std::string etag = TextAt(Info(), "etag");
    EXPECT_EQ(At(Put(place, v, c.key), "count"), "1");
    if (c.better) {
      EXPECT_THAT(Get(place, v), IsJson(c.key));
      EXPECT_NE(TextAt(Info(), "etag"), etag);
    } else {
      EXPECT_EQ(Get(place, v).body, before) << c.key;
      EXPECT_EQ(TextAt(Info(), "etag"), etag) << c.key;
    }
  }
}

TEST_F(KeyBackupTest, OnlyTheCurrentVersionIsWrittenTo) {
  EXPECT_THAT(Put("/!a:x/s", "1", Key()), IsError(404, "M_NOT_FOUND"));
  const std::string one = Create(alice_);
  Put("/!a:x/s", one, Key());
  const std::string two = Create(alice_);
  for (const char* wrong : {"1", "77", "x"}) {
    const HttpResponse refused = Put("/!a:x/s", wrong, Key());
    EXPECT_THAT(refused, IsError(403, "M_WRONG_ROOM_KEYS_VERSION"));
    EXPECT_EQ(TextAt(refused, "current_version"), two);
  }
  // They are apart, and the old one can be read and deleted from.
  EXPECT_THAT(Get("", two), IsJson(R"({"rooms":{}})"));
  EXPECT_THAT(Get("/!a:x/s", one), IsJson(Key()));
  EXPECT_THAT(Delete("/!a:x/s", one), IsJson(R"({"count":0,"etag":"2"})"));
}

TEST_F(KeyBackupTest, AllOfABatchOrNothing) {
  const std::string v = Create(alice_);
  EXPECT_THAT(
      Put("/!a:x", v,
          fmt::format(R"({{"sessions":{{"good":{},"bad":{{}}}}}})", Key())),
      IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Get("", v), IsJson(R"({"rooms":{}})"));
  EXPECT_EQ(At(Info(), "count"), "0");
}

TEST_F(KeyBackupTest, BadRequests) {
  const std::string v = Create(alice_);
  EXPECT_THAT(server_.Put(alice_, std::string(kBase) + "keys/!a:x/s", Key()),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Get(alice_, std::string(kBase) + "keys"),
              IsError(400, "M_MISSING_PARAM"));
  for (const std::string_view key :
       {R"({})", R"({"first_message_index":"1","forwarded_count":0,
                     "is_verified":true,"session_data":{}})",
        R"({"first_message_index":1,"forwarded_count":0,"is_verified":1,
            "session_data":{}})",
        R"({"first_message_index":1,"forwarded_count":0,"is_verified":true,
            "session_data":5})",
        R"({"first_message_index":1,"forwarded_count":0,"is_verified":true,
            "session_data":"text"})"}) {
    EXPECT_THAT(Put("/!a:x/s", v, std::string(key)), IsError(400, "M_BAD_JSON"))
        << key;
  }
  EXPECT_THAT(Put("/!a:x/s", v, Key(-1)), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("/!a:x", v, "{}"), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Put("", v, R"({"rooms":[]})"), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Put("/!a:x/" + std::string(256, 's'), v, Key()),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Put("/!a:x/s", v, Key(0, 0, false, std::string(70'000, 'x'))),
              IsError(413, "M_TOO_LARGE"));
}

// The count and the etag are those of the commit, whoever writes at once.
TEST_F(KeyBackupTest, WritersAtOnceLoseNothing) {
  const std::string v = Create(alice_);
  constexpr int kWriters = 40;
  std::vector<std::future<HttpResponse>> writes;
  for (int i = 0; i < kWriters; ++i) {
    writes.push_back(server_.Start(HttpMethod::kPut,
                                   Url(fmt::format("/!a:x/s{}", i), v), Key(),
                                   alice_.access_token));
  }
  std::set<std::string> etags;
  for (auto& write : writes) {
    const HttpResponse response = write.get();
    EXPECT_EQ(response.status, 200) << response.body;
    etags.insert(TextAt(response, "etag"));
    EXPECT_EQ(At(response, "count"), TextAt(response, "etag"));
  }
  // A write that is made again after a fault finds the backup as it is by then.
  if (server_.faults().struck() == 0) {
    EXPECT_EQ(etags.size(), static_cast<size_t>(kWriters));
  }
  EXPECT_EQ(At(Info(), "count"), fmt::to_string(kWriters));
}

TEST_F(KeyBackupTest, ManyKeysComeBackInPages) {
  const std::string v = Create(alice_);
  std::string sessions;
  for (int i = 0; i < 2500; ++i) {
    sessions += fmt::format(R"({}"s{}":{})", i == 0 ? "" : ",", i, Key());
  }
  EXPECT_EQ(At(Put("/!a:x", v, "{\"sessions\":{" + sessions + "}}"), "count"),
            "2500");
  const json::Document all = BodyOf(Get("", v));
  EXPECT_EQ(all.root()["rooms"]["!a:x"]["sessions"].size(), 2500u);
  EXPECT_EQ(At(Delete("/!a:x", v), "count"), "0");
}

}  // namespace
}  // namespace matrixcore::api
