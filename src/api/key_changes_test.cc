// Device lists, in /sync and in GET /keys/changes (spec: client-server API,
// "Tracking the device list for a user").
#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "api/test_server.h"
#include "matrixcore/http/url.h"

namespace matrixcore::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Ids = std::vector<std::string>;

class KeyChangesTest : public testing::Test {
 protected:
  struct Lists {
    Ids changed, left;
    friend bool operator==(const Lists&, const Lists&) = default;
  };
  static Ids IdsOf(json::Value list) {
    Ids ids;
    for (const json::Value id : list) ids.emplace_back(id.StringOr("?"));
    return ids;
  }
  std::string CreateRoom(const User& user, bool encrypted = true) {
    const HttpResponse room = server_.Post(
        user, "/_matrix/client/v3/createRoom", R"({"preset":"public_chat"})");
    const std::string id = TextAt(room, "room_id");
    if (encrypted) Encrypt(user, id);
    return id;
  }
  void Encrypt(const User& user, const std::string& room) {
    EXPECT_EQ(server_
                  .Put(user, Path(room, "state/m.room.encryption/"),
                       R"({"algorithm":"m.megolm.v1.aes-sha2"})")
                  .status,
              200);
  }
  static std::string Path(const std::string& room, std::string_view rest) {
    return fmt::format("/_matrix/client/v3/rooms/{}/{}", PercentEncode(room),
                       rest);
  }
  void Join(const User& user, const std::string& room) {
    EXPECT_EQ(server_.Post(user, Path(room, "join")).status, 200);
  }
  void Leave(const User& user, const std::string& room) {
    EXPECT_EQ(server_.Post(user, Path(room, "leave")).status, 200);
  }
  void Ban(const User& by, const User& user, const std::string& room) {
    EXPECT_EQ(server_
                  .Post(by, Path(room, "ban"),
                        fmt::format(R"({{"user_id":"{}"}})", user.user_id))
                  .status,
              200);
  }
  std::string Now(const User& user) {
    return TextAt(server_.Get(user, "/_matrix/client/v3/sync"), "next_batch");
  }
  // What a sync since then says, which /keys/changes must say too.
  Lists Since(const User& user, const std::string& since) {
    const HttpResponse sync =
        server_.Get(user, "/_matrix/client/v3/sync?since=" + since);
    const json::Document body = BodyOf(sync);
    const json::Value lists = body.root()["device_lists"];
    const Lists told{IdsOf(lists["changed"]), IdsOf(lists["left"])};
    const HttpResponse changes = server_.Get(
        user, fmt::format("/_matrix/client/v3/keys/changes?from={}&to={}",
                          since, TextAt(sync, "next_batch")));
    EXPECT_EQ(changes.status, 200);
    const json::Document asked = BodyOf(changes);
    EXPECT_EQ(IdsOf(asked.root()["changed"]), told.changed);
    EXPECT_EQ(IdsOf(asked.root()["left"]), told.left);
    return told;
  }
  void Rename(const User& user) {
    server_.Put(user, "/_matrix/client/v3/devices/" + user.device_id,
                fmt::format(R"({{"display_name":"n{}"}})", ++names_));
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
  int names_ = 0;
};

TEST_F(KeyChangesTest, NothingHappened) {
  EXPECT_EQ(Since(alice_, Now(alice_)), Lists());
}

TEST_F(KeyChangesTest, DevicesOfPeopleInCommonRooms) {
  std::string now = Now(alice_);
  Rename(bob_);
  EXPECT_EQ(Since(alice_, now), Lists());  // Strangers.
  Join(bob_, CreateRoom(alice_));
  now = Now(alice_);
  const User phone = server_.Login(bob_);
  EXPECT_EQ(Since(alice_, now), (Lists{{bob_.user_id}, {}}));
  now = Now(alice_);
  EXPECT_EQ(Since(alice_, now), Lists());
  server_.Post(phone, "/_matrix/client/v3/logout");
  EXPECT_EQ(Since(alice_, now), (Lists{{bob_.user_id}, {}}));
  now = Now(bob_);
  Rename(bob_);
  EXPECT_EQ(Since(bob_, now), (Lists{{bob_.user_id}, {}}));
}

TEST_F(KeyChangesTest, JoinsLeavesAndBans) {
  const std::string room = CreateRoom(alice_);
  std::string alice = Now(alice_);
  std::string bob = Now(bob_);
  Join(bob_, room);
  EXPECT_EQ(Since(alice_, alice), (Lists{{bob_.user_id}, {}}));
  EXPECT_EQ(Since(bob_, bob), (Lists{{alice_.user_id}, {}}));
  alice = Now(alice_);
  bob = Now(bob_);
  Leave(bob_, room);
  EXPECT_EQ(Since(alice_, alice), (Lists{{}, {bob_.user_id}}));
  EXPECT_EQ(Since(bob_, bob), (Lists{{}, {alice_.user_id}}));
  alice = Now(alice_);
  bob = Now(bob_);
  Rename(bob_);  // Nobody's business meanwhile.
  EXPECT_EQ(Since(alice_, alice), Lists());
  Join(bob_, room);
  EXPECT_EQ(Since(alice_, alice), (Lists{{bob_.user_id}, {}}));
  alice = Now(alice_);
  bob = Now(bob_);
  Ban(alice_, bob_, room);
  EXPECT_EQ(Since(alice_, alice), (Lists{{}, {bob_.user_id}}));
  EXPECT_EQ(Since(bob_, bob), (Lists{{}, {alice_.user_id}}));
}

TEST_F(KeyChangesTest, NobodyIsLeftWhoIsMetElsewhere) {
  const std::string one = CreateRoom(alice_);
  const std::string two = CreateRoom(alice_);
  Join(bob_, one);
  Join(bob_, two);
  const std::string now = Now(alice_);
  Leave(bob_, one);
  EXPECT_EQ(Since(alice_, now), Lists());
}

TEST_F(KeyChangesTest, ARoomThatBecomesEncryptedIntroducesItsMembers) {
  const std::string room = CreateRoom(alice_, false);
  Join(bob_, room);
  const std::string now = Now(alice_);
  Encrypt(alice_, room);
  EXPECT_EQ(Since(alice_, now), (Lists{{bob_.user_id}, {}}));
}

TEST_F(KeyChangesTest, ComingAndGoingBetweenTwoSyncs) {
  const std::string room = CreateRoom(alice_);
  const std::string alice = Now(alice_);
  Join(bob_, room);
  Leave(bob_, room);
  EXPECT_THAT(Since(alice_, alice).changed, IsEmpty());
  Join(bob_, room);
  const std::string met = Now(alice_);
  Leave(bob_, room);
  Rename(bob_);
  Join(bob_, room);
  EXPECT_EQ(Since(alice_, met), (Lists{{bob_.user_id}, {}}));
}

TEST_F(KeyChangesTest, BadTokens) {
  const std::string url = "/_matrix/client/v3/keys/changes";
  EXPECT_THAT(server_.Get(alice_, url), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Get(alice_, url + "?from=s1"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Get(alice_, url + "?from=x&to=s1"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(server_.Get(alice_, url + "?from=s1&to=x"),
              IsError(400, "M_INVALID_PARAM"));
  // A token of the future: nothing has happened since.
  EXPECT_THAT(server_.Get(alice_, url + "?from=s999999&to=s999999"),
              IsJson(R"({"changed":[],"left":[]})"));
}

}  // namespace
}  // namespace matrixcore::api
