// Spec: client-server API, "Cross-signing".
#include <fmt/format.h>

#include "api/test_server.h"
#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/json/object.h"

namespace matrixcore::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kUpload =
    "/_matrix/client/v3/keys/device_signing/upload";
constexpr std::string_view kSign = "/_matrix/client/v3/keys/signatures/upload";

// A key pair that is named by its public key or by a device.
struct Pair {
  SigningKey key;
  std::string id;  // "ed25519:..."
  std::string pub;
};

class CrossSigningTest : public testing::Test {
 protected:
  Pair NewPair(const std::string& device = {}) {
    SigningKey key = SigningKey::Generate(*random_, "x");
    std::string pub = Base64Encode(ByteView(key.public_key()));
    std::string id = "ed25519:" + (device.empty() ? pub : device);
    return {std::move(key), std::move(id), std::move(pub)};
  }
  // `text` with one more signature.
  static std::string Sign(const std::string& text, const std::string& user,
                          const Pair& by) {
    const auto document = json::Document::Parse(text);
    EXPECT_TRUE(document.ok()) << text;
    json::Object signed_part = json::Object::From(document->root());
    signed_part.Erase("signatures");
    signed_part.Erase("unsigned");
    const std::string bytes = Canonical(signed_part.ToJson());
    json::Object of_user =
        json::Object::From(document->root()["signatures"][user]);
    of_user.SetString(by.id,
                      Base64Encode(ByteView(by.key.Sign(AsBytes(bytes)))));
    json::Object all = json::Object::From(document->root()["signatures"]);
    all.SetRaw(user, of_user.ToJson());
    json::Object object = json::Object::From(document->root());
    object.SetRaw("signatures", all.ToJson());
    return object.ToJson();
  }
  static std::string KeyJson(const std::string& user, std::string_view usage,
                             const Pair& pair) {
    return fmt::format(
        R"({{"user_id":"{}","usage":["{}"],"keys":{{"{}":"{}"}}}})", user,
        usage, pair.id, pair.pub);
  }

  struct Identity {
    Pair master, self_signing, user_signing;
    std::string master_json, self_json, user_json;
    std::string Body() const {
      return fmt::format(
          R"("master_key":{},"self_signing_key":{},"user_signing_key":{})",
          master_json, self_json, user_json);
    }
  };
  Identity NewIdentity(const User& user) {
    Identity id{NewPair(), NewPair(), NewPair(), {}, {}, {}};
    id.master_json = KeyJson(user.user_id, "master", id.master);
    id.self_json = Sign(KeyJson(user.user_id, "self_signing", id.self_signing),
                        user.user_id, id.master);
    id.user_json = Sign(KeyJson(user.user_id, "user_signing", id.user_signing),
                        user.user_id, id.master);
    return id;
  }
  HttpResponse Upload(const User& user, const std::string& members) {
    return server_.Post(user, kUpload, "{" + members + "}");
  }
  std::string Auth(const User& user, const std::string& session) {
    return fmt::format(
        R"("auth":{{"type":"m.login.password","password":"{}","session":"{}",
           "identifier":{{"type":"m.id.user","user":"{}"}}}})",
        user.password, session, user.user_id);
  }
  // Uploads the device's keys; their JSON.
  std::string UploadDevice(const User& user, const Pair& pair) {
    const std::string keys = Sign(
        fmt::format(R"({{"user_id":"{}","device_id":"{}","algorithms":["a"],
                         "keys":{{"{}":"{}"}}}})",
                    user.user_id, user.device_id, pair.id, pair.pub),
        user.user_id, pair);
    EXPECT_EQ(server_
                  .Post(user, "/_matrix/client/v3/keys/upload",
                        fmt::format(R"({{"device_keys":{}}})", keys))
                  .status,
              200);
    return keys;
  }
  HttpResponse Query(const User& asker, const User& user) {
    return server_.Post(
        asker, "/_matrix/client/v3/keys/query",
        fmt::format(R"({{"device_keys":{{"{}":[]}}}})", user.user_id));
  }
  HttpResponse Signatures(const User& asker, const std::string& user,
                          const std::string& key, const std::string& object) {
    return server_.Post(
        asker, kSign,
        fmt::format(R"({{"{}":{{"{}":{}}}}})", user, key, object));
  }
  std::string FailureOf(const HttpResponse& response, const std::string& user,
                        const std::string& key) {
    const json::Document body = BodyOf(response);
    return std::string(
        body.root()["failures"][user][key]["errcode"].StringOr("(none)"));
  }
  HttpResponse Sync(const User& user, const std::string& since = {}) {
    return server_.Get(user,
                       "/_matrix/client/v3/sync" +
                           (since.empty() ? std::string() : "?since=" + since));
  }
  std::vector<std::string> Changed(const User& user, const std::string& since) {
    std::vector<std::string> changed;
    const json::Document body = BodyOf(Sync(user, since));
    for (const json::Value id : body.root()["device_lists"]["changed"]) {
      changed.emplace_back(id.StringOr("?"));
    }
    return changed;
  }
  // A room that all three are in.
  void ShareRoom() {
    const HttpResponse room = server_.Post(
        alice_, "/_matrix/client/v3/createRoom", R"({"preset":"public_chat"})");
    server_.Post(bob_, "/_matrix/client/v3/join/" + TextAt(room, "room_id"));
  }

  FakeHomeserver server_;
  std::unique_ptr<Random> random_ = NewSeededRandom(5);
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
};

TEST_F(CrossSigningTest, TheFirstUploadNeedsNoAuthenticationAndIsShown) {
  const Identity id = NewIdentity(alice_);
  EXPECT_THAT(Upload(alice_, id.Body()), IsJson("{}"));
  const std::string user = alice_.user_id;
  const HttpResponse own = Query(alice_, alice_);
  EXPECT_EQ(Canonical(At(own, "master_keys/" + user)),
            Canonical(id.master_json));
  EXPECT_EQ(Canonical(At(own, "self_signing_keys/" + user)),
            Canonical(id.self_json));
  EXPECT_EQ(Canonical(At(own, "user_signing_keys/" + user)),
            Canonical(id.user_json));
  // Others do not see the user-signing key.
  const HttpResponse others = Query(bob_, alice_);
  EXPECT_NE(At(others, "master_keys/" + user), "");
  EXPECT_NE(At(others, "self_signing_keys/" + user), "");
  EXPECT_EQ(At(others, "user_signing_keys"), "");
}

TEST_F(CrossSigningTest, TheSameKeysAgainNeedNoAuthenticationAndAreNoNews) {
  ShareRoom();
  const Identity id = NewIdentity(alice_);
  Upload(alice_, id.Body());
  const std::string since = TextAt(Sync(bob_), "next_batch");
  EXPECT_THAT(Upload(alice_, id.Body()), IsJson("{}"));
  EXPECT_THAT(Upload(alice_, "\"master_key\":" + id.master_json), IsJson("{}"));
  EXPECT_THAT(Changed(bob_, since), IsEmpty());
}

TEST_F(CrossSigningTest, ChangesNeedAuthentication) {
  const Identity first = NewIdentity(alice_);
  Upload(alice_, first.Body());
  const Identity second = NewIdentity(alice_);
  const HttpResponse challenge = Upload(alice_, second.Body());
  EXPECT_EQ(challenge.status, 401);
  EXPECT_THAT(challenge.body, HasSubstr("m.login.password"));
  EXPECT_EQ(Canonical(At(Query(bob_, alice_), "master_keys/" + alice_.user_id)),
            Canonical(first.master_json));
  EXPECT_THAT(Upload(alice_, second.Body() + "," +
                                 Auth(alice_, TextAt(challenge, "session"))),
              IsJson("{}"));
  EXPECT_EQ(Canonical(At(Query(bob_, alice_), "master_keys/" + alice_.user_id)),
            Canonical(second.master_json));
  // Also one more key under the same master key.
  const Pair other = NewPair();
  const std::string more = Sign(KeyJson(alice_.user_id, "self_signing", other),
                                alice_.user_id, second.master);
  EXPECT_EQ(Upload(alice_, "\"self_signing_key\":" + more).status, 401);
}

TEST_F(CrossSigningTest, ANewMasterKeyLeavesNothingOfTheOldOne) {
  const Identity first = NewIdentity(alice_);
  Upload(alice_, first.Body());
  const Identity second = NewIdentity(alice_);
  const std::string master = "\"master_key\":" + second.master_json;
  const HttpResponse challenge = Upload(alice_, master);
  EXPECT_THAT(
      Upload(alice_, master + "," + Auth(alice_, TextAt(challenge, "session"))),
      IsJson("{}"));
  const HttpResponse own = Query(alice_, alice_);
  EXPECT_EQ(At(own, "self_signing_keys"), "");
  EXPECT_EQ(At(own, "user_signing_keys"), "");
}

TEST_F(CrossSigningTest, KeysMustBeSignedByTheMasterKey) {
  Identity id = NewIdentity(alice_);
  EXPECT_THAT(Upload(alice_, "\"self_signing_key\":" + id.self_json),
              IsError(400, "M_MISSING_PARAM"));
  const Pair stranger = NewPair();
  for (const std::string_view usage : {"self_signing", "user_signing"}) {
    const std::string unsigned_key =
        KeyJson(alice_.user_id, usage, id.self_signing);
    for (const std::string& bad :
         {unsigned_key, Sign(unsigned_key, alice_.user_id, stranger),
          Sign(unsigned_key, bob_.user_id, id.master)}) {
      EXPECT_THAT(Upload(alice_, fmt::format(R"("master_key":{},"{}_key":{})",
                                             id.master_json, usage, bad)),
                  IsError(400, "M_INVALID_SIGNATURE"));
    }
  }
  EXPECT_EQ(At(Query(alice_, alice_), "master_keys"), "");
}

TEST_F(CrossSigningTest, MalformedKeys) {
  const Pair pair = NewPair();
  for (const std::string& key :
       {KeyJson(bob_.user_id, "master", pair),
        KeyJson(alice_.user_id, "self_signing", pair),
        KeyJson(alice_.user_id, "master",
                {pair.key, "ed25519:other", pair.pub}),
        KeyJson(alice_.user_id, "master", {pair.key, "ed25519:short", "short"}),
        fmt::format(R"({{"user_id":"{}","usage":["master"],"keys":{{}}}})",
                    alice_.user_id)}) {
    EXPECT_THAT(Upload(alice_, "\"master_key\":" + key),
                IsError(400, "M_INVALID_PARAM"))
        << key;
  }
  EXPECT_THAT(Upload(alice_, R"("master_key":"text")"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Upload(alice_, ""), IsError(400, "M_MISSING_PARAM"));
}

// "The public key of one of the keys is the same as one of the user's device
// IDs"; and no device may take such an id later.
TEST_F(CrossSigningTest, KeysAndDevicesHaveDifferentNames) {
  const Identity id = NewIdentity(alice_);
  const auto login = [&] {
    return server_.Call(
        HttpMethod::kPost, "/_matrix/client/v3/login",
        fmt::format(R"({{"type":"m.login.password","device_id":"{}",
            "identifier":{{"type":"m.id.user","user":"alice"}},
            "password":"{}"}})",
                    id.master.pub, alice_.password));
  };
  User device = alice_;
  device.device_id = id.master.pub;
  device.access_token = TextAt(login(), "access_token");
  EXPECT_THAT(Upload(alice_, id.Body()), IsError(403, "M_FORBIDDEN"));
  EXPECT_EQ(server_.Post(device, "/_matrix/client/v3/logout").status, 200);
  EXPECT_THAT(Upload(alice_, id.Body()), IsJson("{}"));
  EXPECT_THAT(login(), IsError(403, "M_FORBIDDEN"));
}

TEST_F(CrossSigningTest, NewKeysAreNewsToContacts) {
  ShareRoom();
  const std::string bob = TextAt(Sync(bob_), "next_batch");
  const std::string alice = TextAt(Sync(alice_), "next_batch");
  const Identity id = NewIdentity(alice_);
  Upload(alice_, fmt::format(R"("master_key":{},"self_signing_key":{})",
                             id.master_json, id.self_json));
  EXPECT_THAT(Changed(bob_, bob), ElementsAre(alice_.user_id));
  EXPECT_THAT(Changed(alice_, alice), ElementsAre(alice_.user_id));
}

TEST_F(CrossSigningTest, DevicesAreSignedByTheSelfSigningKey) {
  ShareRoom();
  const Identity id = NewIdentity(alice_);
  Upload(alice_, id.Body());
  const std::string keys = UploadDevice(alice_, NewPair(alice_.device_id));
  const std::string since = TextAt(Sync(bob_), "next_batch");
  const std::string signed_keys = Sign(keys, alice_.user_id, id.self_signing);
  EXPECT_THAT(Signatures(alice_, alice_.user_id, alice_.device_id, signed_keys),
              IsJson(R"({"failures":{}})"));
  EXPECT_THAT(Changed(bob_, since), ElementsAre(alice_.user_id));
  // Seen by everybody, beside the device's own signature.
  for (const User& asker : {alice_, bob_}) {
    const json::Document body = BodyOf(Query(asker, alice_));
    const json::Document expected = *json::Document::Parse(signed_keys);
    EXPECT_EQ(Canonical(body.root()["device_keys"][alice_.user_id]
                                   [alice_.device_id]["signatures"]
                                       .raw()),
              Canonical(expected.root()["signatures"].raw()));
  }
  // Again is no news.
  const std::string later = TextAt(Sync(bob_), "next_batch");
  Signatures(alice_, alice_.user_id, alice_.device_id, signed_keys);
  EXPECT_THAT(Changed(bob_, later), IsEmpty());
  // Other keys of the device have lost it.
  const Pair renewed = NewPair(alice_.device_id);
  UploadDevice(alice_, renewed);
  EXPECT_THAT(At(Query(bob_, alice_), "device_keys"),
              Not(HasSubstr(id.self_signing.id)));
}

TEST_F(CrossSigningTest, TheOwnMasterKeyIsSignedByDevices) {
  const Identity id = NewIdentity(alice_);
  Upload(alice_, id.Body());
  const Pair device = NewPair(alice_.device_id);
  UploadDevice(alice_, device);
  EXPECT_THAT(Signatures(alice_, alice_.user_id, id.master.pub,
                         Sign(id.master_json, alice_.user_id, device)),
              IsJson(R"({"failures":{}})"));
  EXPECT_THAT(At(Query(bob_, alice_), "master_keys/" + alice_.user_id),
              HasSubstr(device.id));
  const Pair nobody = NewPair("NODEVICE");
  EXPECT_EQ(FailureOf(Signatures(alice_, alice_.user_id, id.master.pub,
                                 Sign(id.master_json, alice_.user_id, nobody)),
                      alice_.user_id, id.master.pub),
            "M_INVALID_SIGNATURE");
}

// "Users will not be able to see signatures made by other users' user-signing
// keys."
TEST_F(CrossSigningTest, OthersAreSignedByTheUserSigningKeyForOneselfOnly) {
  const Identity alice = NewIdentity(alice_);
  const Identity bob = NewIdentity(bob_);
  Upload(alice_, alice.Body());
  Upload(bob_, bob.Body());
  const User phone = server_.Login(alice_);
  const User carol = server_.Register("carol");
  const std::string since = TextAt(Sync(phone), "next_batch");
  const std::string bobs = TextAt(Sync(bob_), "next_batch");
  EXPECT_THAT(
      Signatures(alice_, bob_.user_id, bob.master.pub,
                 Sign(bob.master_json, alice_.user_id, alice.user_signing)),
      IsJson(R"({"failures":{}})"));
  EXPECT_THAT(Changed(phone, since), ElementsAre(bob_.user_id));
  EXPECT_THAT(Changed(bob_, bobs), IsEmpty());
  EXPECT_THAT(At(Query(phone, bob_), "master_keys"),
              HasSubstr(alice.user_signing.id));
  EXPECT_THAT(At(Query(bob_, bob_), "master_keys"),
              Not(HasSubstr(alice.user_signing.id)));
  EXPECT_THAT(At(Query(carol, bob_), "master_keys"),
              Not(HasSubstr(alice.user_signing.id)));
}

TEST_F(CrossSigningTest, SignaturesFailOneByOne) {
  const Identity alice = NewIdentity(alice_);
  const Identity bob = NewIdentity(bob_);
  Upload(alice_, alice.Body());
  Upload(bob_, bob.Body());
  const std::string keys = UploadDevice(alice_, NewPair(alice_.device_id));
  const std::string good = Sign(keys, alice_.user_id, alice.self_signing);
  const std::string by_stranger =
      Sign(bob.master_json, alice_.user_id,
           {alice.master.key, alice.user_signing.id, alice.user_signing.pub});
  const HttpResponse response = server_.Post(
      alice_, kSign,
      fmt::format(R"({{"{}":{{"{}":{},"NODEVICE":{}}},"{}":{{"{}":{},"X":{}}},
                       "@far:far.example":{{"X":{}}}}})",
                  alice_.user_id, alice_.device_id, good, good, bob_.user_id,
                  bob.master.pub, by_stranger, bob.master_json, good));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(FailureOf(response, alice_.user_id, alice_.device_id), "(none)");
  EXPECT_EQ(FailureOf(response, alice_.user_id, "NODEVICE"), "M_NOT_FOUND");
  EXPECT_EQ(FailureOf(response, bob_.user_id, bob.master.pub),
            "M_INVALID_SIGNATURE");
  EXPECT_EQ(FailureOf(response, bob_.user_id, "X"), "M_NOT_FOUND");
  EXPECT_EQ(FailureOf(response, "@far:far.example", "X"), "M_NOT_FOUND");
  EXPECT_THAT(Query(bob_, alice_).body, HasSubstr(alice.self_signing.id));
}

// "The signed JSON object must match the key previously uploaded"
TEST_F(CrossSigningTest, SignaturesOfAnotherObjectAreRefused) {
  const Identity id = NewIdentity(alice_);
  Upload(alice_, id.Body());
  UploadDevice(alice_, NewPair(alice_.device_id));
  const std::string other =
      Sign(fmt::format(R"({{"user_id":"{}","device_id":"{}"}})", alice_.user_id,
                       alice_.device_id),
           alice_.user_id, id.self_signing);
  EXPECT_EQ(
      FailureOf(Signatures(alice_, alice_.user_id, alice_.device_id, other),
                alice_.user_id, alice_.device_id),
      "M_INVALID_SIGNATURE");
}

TEST_F(CrossSigningTest, MalformedSignatures) {
  for (const std::string_view body :
       {R"({"@a:b":[]})", R"({"@a:b":{"X":"text"}})"}) {
    EXPECT_THAT(server_.Post(alice_, kSign, std::string(body)),
                IsError(400, "M_BAD_JSON"));
  }
}

TEST_F(CrossSigningTest, KeysOutliveARestart) {
  const Identity id = NewIdentity(alice_);
  Upload(alice_, id.Body());
  server_.Restart();
  EXPECT_NE(At(Query(bob_, alice_), "master_keys/" + alice_.user_id), "");
}

// A client may upload its keys again at any time.
TEST_F(CrossSigningTest, ADeviceKeepsItsSignaturesWhenItComesAgain) {
  const Pair device = NewPair(alice_.device_id);
  const std::string keys = UploadDevice(alice_, device);
  const Identity identity = NewIdentity(alice_);
  EXPECT_THAT(Upload(alice_, identity.Body()), IsJson("{}"));
  EXPECT_THAT(Signatures(alice_, alice_.user_id, alice_.device_id,
                         Sign(keys, alice_.user_id, identity.self_signing)),
              IsJson(R"({"failures":{}})"));
  const HttpResponse before = Query(bob_, alice_);
  EXPECT_THAT(before.body, HasSubstr(identity.self_signing.id));
  EXPECT_THAT(before.body, HasSubstr(device.id));
  const std::string since = TextAt(Sync(alice_), "next_batch");
  const auto upload = [&](const std::string& json) {
    return server_
        .Post(alice_, "/_matrix/client/v3/keys/upload",
              fmt::format(R"({{"device_keys":{}}})", json))
        .status;
  };
  EXPECT_EQ(upload(keys), 200);
  EXPECT_EQ(Query(bob_, alice_).body, before.body);
  EXPECT_THAT(Changed(alice_, since), IsEmpty());
  // Other keys are not the ones that were signed.
  UploadDevice(alice_, NewPair(alice_.device_id));
  EXPECT_THAT(Changed(alice_, since), ElementsAre(alice_.user_id));
  const json::Document after = BodyOf(Query(bob_, alice_));
  EXPECT_EQ(after
                .root()["device_keys"][alice_.user_id][alice_.device_id]
                       ["signatures"][alice_.user_id]
                .size(),
            1u);
}

}  // namespace
}  // namespace matrixcore::api
