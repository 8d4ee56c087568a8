#include "matrixcore/event/signing.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/canonical.h"
#include "vectors/vectors.h"

namespace matrixcore {
namespace {

const RoomVersionRules& Version(std::string_view id) {
  return *FindRoomVersion(id);
}

SigningKey Key(uint8_t fill, const char* version) {
  Ed25519Seed seed;
  seed.fill(fill);
  return SigningKey::FromSeed(seed, version);
}

SigningKey SpecKey(const json::Document& vectors) {
  const std::optional<std::string> bytes =
      Base64Decode(vectors.root()["seed_base64"].StringOr(""));
  Ed25519Seed seed{};
  EXPECT_TRUE(bytes.has_value() && bytes->size() == seed.size());
  if (bytes.has_value()) std::copy(bytes->begin(), bytes->end(), seed.begin());
  return SigningKey::FromSeed(seed, "1");
}

// The keys of a small world.
class Keys {
 public:
  void Add(const std::string& server, const SigningKey& key) {
    keys_[server + " " + key.key_id()] = key.public_key();
  }
  KeyLookup Lookup() {
    return [this](std::string_view server, std::string_view key_id,
                  int64_t valid_at) -> std::optional<Ed25519PublicKey> {
      last_valid_at = valid_at;
      const auto found =
          keys_.find(std::string(server) + " " + std::string(key_id));
      if (found == keys_.end()) return std::nullopt;
      return found->second;
    };
  }
  int64_t last_valid_at = -1;

 private:
  std::map<std::string, Ed25519PublicKey> keys_;
};

EventPtr Build(const RoomVersionRules& rules, EventDraft draft,
               const SigningKey& key, const std::string& server = "a.example") {
  EventPlace place;
  place.room_id = "!r:a.example";
  place.now = {1234};
  Result<EventPtr> event = BuildEvent(draft, place, server, key, rules, "e1");
  EXPECT_TRUE(event.ok()) << event.status().message();
  return event.ok() ? *event : nullptr;
}

EventDraft Message() {
  return {.type = "m.room.message",
          .sender = "@alice:a.example",
          .content = R"({"body":"hello"})"};
}

TEST(SigningTest, SpecJsonVectors) {
  const json::Document vectors = vectors::ReadJson("spec/signing.json");
  const SigningKey key = SpecKey(vectors);
  const std::string server(vectors.root()["server_name"].StringOr(""));
  size_t count = 0;
  for (const json::Value vector : vectors.root()["json_signing"]) {
    json::Object object = json::Object::From(vector["input"]);
    ASSERT_TRUE(SignJson(&object, server, key).ok());
    EXPECT_EQ(object.ToJson(), *json::Canonical(vector["signed"]));
    EXPECT_TRUE(
        VerifyJson(vector["signed"], server, key.key_id(), key.public_key()));
    EXPECT_FALSE(
        VerifyJson(vector["input"], server, key.key_id(), key.public_key()));
    ++count;
  }
  EXPECT_EQ(count, 2u);
}

TEST(SigningTest, SpecEventVectors) {
  const json::Document vectors = vectors::ReadJson("spec/signing.json");
  const SigningKey key = SpecKey(vectors);
  const std::string server(vectors.root()["server_name"].StringOr(""));
  size_t count = 0;
  for (const json::Value vector : vectors.root()["event_signing_room_v1"]) {
    json::Object event = json::Object::From(vector["input"]);
    event.SetRaw(
        "hashes",
        "{\"sha256\":\"" + Base64Encode(ContentHash(vector["input"])) + "\"}");
    Result<json::Document> hashed = json::Document::Parse(event.ToJson());
    ASSERT_TRUE(hashed.ok());
    Result<std::string> redacted = RedactJson(hashed->root(), Version("1"));
    ASSERT_TRUE(redacted.ok());
    Result<json::Document> stripped = json::Document::Parse(*redacted);
    ASSERT_TRUE(stripped.ok());
    json::Object to_sign = json::Object::From(stripped->root());
    ASSERT_TRUE(SignJson(&to_sign, server, key).ok());
    event.SetRaw("signatures", std::string(to_sign.Get("signatures")));
    EXPECT_EQ(*json::Canonical(event.ToJson()),
              *json::Canonical(vector["signed"]));
    ++count;
  }
  EXPECT_EQ(count, 2u);
}

TEST(SigningTest, PolicyServerVectors) {
  const json::Document vectors =
      vectors::ReadJson("tuwunel/signature_vectors.json");
  const std::string via(vectors.root()["via"].StringOr(""));
  const auto key =
      ParseEd25519PublicKey(vectors.root()["public_key"].StringOr(""));
  ASSERT_TRUE(key.has_value());
  size_t count = 0;
  for (const json::Value vector : vectors.root()["vectors"]) {
    const auto signature =
        ParseEd25519Signature(vector["signature"].StringOr(""));
    ASSERT_TRUE(signature.has_value());
    Result<EventPtr> event =
        Event::FromTrusted(vector["pdu"].raw(),
                           Version(vector["room_version"].StringOr("")), "$x");
    ASSERT_TRUE(event.ok());
    EXPECT_FALSE(
        VerifyEventSignature(**event, via, "ed25519:policy_server", *key));
    Result<EventPtr> with =
        AddEventSignature(**event, via, "ed25519:policy_server", *signature);
    ASSERT_TRUE(with.ok());
    EXPECT_TRUE(
        VerifyEventSignature(**with, via, "ed25519:policy_server", *key));
    ++count;
  }
  EXPECT_EQ(count, 2u);
}

TEST(SigningTest, SignJsonReplacesItsOwnAndKeepsOtherSignatures) {
  json::Object object;
  object.SetInt("a", 1);
  object.SetRaw(
      "signatures",
      R"({"me":{"ed25519:1":"old","ed25519:2":"keep"},"you":{"k":"s"}})");
  object.SetRaw("unsigned", R"({"age":1.5})");
  const SigningKey key = Key(1, "1");
  ASSERT_TRUE(SignJson(&object, "me", key).ok());
  Result<json::Document> signed_json = json::Document::Parse(object.ToJson());
  ASSERT_TRUE(signed_json.ok());
  const json::Value root = signed_json->root();
  EXPECT_TRUE(VerifyJson(root, "me", "ed25519:1", key.public_key()));
  EXPECT_EQ(root["signatures"]["me"]["ed25519:2"].AsString(), "keep");
  EXPECT_EQ(root["signatures"]["you"]["k"].AsString(), "s");
  EXPECT_EQ(root["unsigned"]["age"].raw(), "1.5");
}

TEST(SigningTest, SignJsonRefusesWhatIsNotCanonical) {
  json::Object object;
  object.SetRaw("a", "1.5");
  EXPECT_EQ(SignJson(&object, "me", Key(1, "1")).code(),
            StatusCode::kInvalidArgument);
}

TEST(SigningTest, VerifyJsonRefusesBadSignatures) {
  json::Object object;
  object.SetInt("a", 1);
  const SigningKey key = Key(1, "1");
  ASSERT_TRUE(SignJson(&object, "me", key).ok());
  const auto verify = [](const json::Object& o, const char* entity,
                         const char* key_id,
                         const Ed25519PublicKey& public_key) {
    Result<json::Document> document = json::Document::Parse(o.ToJson());
    return VerifyJson(document->root(), entity, key_id, public_key);
  };
  EXPECT_TRUE(verify(object, "me", "ed25519:1", key.public_key()));
  EXPECT_FALSE(verify(object, "you", "ed25519:1", key.public_key()));
  EXPECT_FALSE(verify(object, "me", "ed25519:2", key.public_key()));
  EXPECT_FALSE(verify(object, "me", "ed25519:1", Key(2, "1").public_key()));
  object.SetInt("a", 2);
  EXPECT_FALSE(verify(object, "me", "ed25519:1", key.public_key()));
  object.SetRaw("signatures", R"({"me":{"ed25519:1":"AAAA"}})");
  EXPECT_FALSE(verify(object, "me", "ed25519:1", key.public_key()));
}

TEST(SigningTest, GoodEventIsGoodInEveryVersion) {
  const SigningKey key = Key(1, "a");
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    Keys keys;
    keys.Add("a.example", key);
    const EventPtr event = Build(*rules, Message(), key);
    EXPECT_EQ(CheckIntegrity(*event, keys.Lookup()), EventIntegrity::kGood)
        << rules->id;
    // From version 5 on a key must have been valid when the event was sent.
    EXPECT_EQ(keys.last_valid_at, rules->enforce_key_validity ? 1234 : 0);
    EXPECT_EQ(CheckIntegrity(*event, Keys().Lookup()),
              EventIntegrity::kBadSignature);
  }
}

TEST(SigningTest, ChangedContentMeansRedact) {
  const SigningKey key = Key(1, "a");
  Keys keys;
  keys.Add("a.example", key);
  const EventPtr event = Build(Version("11"), Message(), key);
  std::string json = event->json();
  json.replace(json.find("hello"), 5, "HELLO");
  Result<EventPtr> changed = Event::Parse(json, Version("11"));
  ASSERT_TRUE(changed.ok());
  // The id covers only what survives redaction.
  EXPECT_EQ((*changed)->event_id(), event->event_id());
  EXPECT_EQ(CheckIntegrity(**changed, keys.Lookup()), EventIntegrity::kRedact);
  // So does the signature of the redacted form; its hash can no longer match.
  Result<EventPtr> redacted = RedactEvent(*event);
  ASSERT_TRUE(redacted.ok());
  EXPECT_EQ(CheckIntegrity(**redacted, keys.Lookup()), EventIntegrity::kRedact);
}

TEST(SigningTest, ChangedEssentialsMeanBadSignature) {
  const SigningKey key = Key(1, "a");
  Keys keys;
  keys.Add("a.example", key);
  const EventPtr event = Build(Version("11"), Message(), key);
  std::string json = event->json();
  json.replace(json.find("@alice"), 6, "@clive");
  Result<EventPtr> changed = Event::Parse(json, Version("11"));
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(CheckIntegrity(**changed, keys.Lookup()),
            EventIntegrity::kBadSignature);
}

TEST(SigningTest, UnknownKeysAreSkippedAndKnownOnesMustAllBeRight) {
  const SigningKey good = Key(1, "good");
  const SigningKey other = Key(2, "other");
  const EventPtr event = Build(Version("11"), Message(), good);
  Result<EventPtr> both = SignEvent(*event, "a.example", other);
  ASSERT_TRUE(both.ok());
  Keys keys;
  keys.Add("a.example", good);
  EXPECT_EQ(CheckIntegrity(**both, keys.Lookup()), EventIntegrity::kGood);
  keys.Add("a.example", other);
  EXPECT_EQ(CheckIntegrity(**both, keys.Lookup()), EventIntegrity::kGood);
  Ed25519Signature wrong{};
  Result<EventPtr> broken =
      AddEventSignature(*event, "a.example", other.key_id(), wrong);
  ASSERT_TRUE(broken.ok());
  EXPECT_EQ(CheckIntegrity(**broken, keys.Lookup()),
            EventIntegrity::kBadSignature);
}

TEST(SigningTest, VersionsOneAndTwoNeedTheEventIdsServerToo) {
  const SigningKey a = Key(1, "a");
  const SigningKey b = Key(2, "b");
  EventDraft draft = Message();
  draft.sender = "@bob:b.example";  // The id will be of a.example.
  const EventPtr event = Build(Version("2"), draft, a);
  EXPECT_EQ(RequiredSigners(*event),
            (std::vector<std::string>{"b.example", "a.example"}));
  EXPECT_EQ(RequiredSigners(*Build(Version("3"), draft, a)),
            std::vector<std::string>{"b.example"});
  Keys keys;
  keys.Add("a.example", a);
  keys.Add("b.example", b);
  EXPECT_EQ(CheckIntegrity(*event, keys.Lookup()),
            EventIntegrity::kBadSignature);
  Result<EventPtr> both = SignEvent(*event, "b.example", b);
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(CheckIntegrity(**both, keys.Lookup()), EventIntegrity::kGood);
}

TEST(SigningTest, RestrictedJoinsNeedTheAuthorisersServer) {
  EventDraft draft{
      .type = "m.room.member",
      .sender = "@bob:b.example",
      .state_key = "@bob:b.example",
      .content =
          R"({"join_authorised_via_users_server":"@al:a.example","membership":"join"})"};
  const SigningKey key = Key(1, "b");
  EXPECT_EQ(RequiredSigners(*Build(Version("7"), draft, key)),
            std::vector<std::string>{"b.example"});
  EXPECT_EQ(RequiredSigners(*Build(Version("8"), draft, key)),
            (std::vector<std::string>{"b.example", "a.example"}));
}

TEST(SigningTest, ThirdPartyInvitesNeedNoSignatureOfTheSender) {
  EventDraft draft{
      .type = "m.room.member",
      .sender = "@al:a.example",
      .state_key = "@bob:b.example",
      .content =
          R"({"membership":"invite","third_party_invite":{"signed":{}}})"};
  const SigningKey key = Key(1, "b");
  EXPECT_EQ(RequiredSigners(*Build(Version("11"), draft, key)),
            std::vector<std::string>{});
  draft.content = R"({"membership":"invite"})";
  EXPECT_EQ(RequiredSigners(*Build(Version("11"), draft, key)),
            std::vector<std::string>{"a.example"});
}

TEST(SigningTest, ReferenceHashIgnoresWhatIsNotCoveredAndRelaxesNumbers) {
  const auto hash = [](const char* text) {
    Result<json::Document> document = json::Document::Parse(text);
    Result<Sha256Digest> digest =
        ReferenceHash(document->root(), Version("11"));
    EXPECT_TRUE(digest.ok());
    return *digest;
  };
  EXPECT_EQ(hash(R"({"content":{},"type":"t"})"),
            hash(R"({"content":{"x":1.5},"type":"t","unsigned":{},
                     "signatures":{"a":{}},"event_id":"$x"})"));
  EXPECT_NE(hash(R"({"content":{},"depth":1,"type":"t"})"),
            hash(R"({"content":{},"depth":1.5,"type":"t"})"));
}

// Such an event is rejected later; its id still covers the room_id.
TEST(SigningTest, CreateOfVersionTwelveWithRoomIdKeepsItInTheHash) {
  const auto id = [](const char* text) {
    const json::Document document = *json::Document::Parse(text);
    return *ComputeEventId(document.root(), Version("12"));
  };
  EXPECT_NE(id(R"({"content":{},"state_key":"","type":"m.room.create"})"),
            id(R"({"content":{},"room_id":"!x","state_key":"",
                   "type":"m.room.create"})"));
}

TEST(SigningTest, EventIdsByVersion) {
  Result<json::Document> document = json::Document::Parse(
      R"({"content":{},"event_id":"$own:id","type":"t","depth":13})");
  ASSERT_TRUE(document.ok());
  const auto id = [&](const char* version) {
    return *ComputeEventId(document->root(), Version(version));
  };
  EXPECT_EQ(id("2"), "$own:id");
  // The same hash in two alphabets.
  std::string standard = id("3");
  std::string url_safe = id("4");
  EXPECT_EQ(standard.size(), 44u);
  EXPECT_NE(standard, url_safe);
  for (char& c : standard) c = c == '+' ? '-' : c == '/' ? '_' : c;
  EXPECT_EQ(standard, url_safe);
  Result<json::Document> nameless = json::Document::Parse("{}");
  EXPECT_FALSE(ComputeEventId(nameless->root(), Version("1")).ok());
}

TEST(SigningTest, AddedSignatureKeepsCanonicalOrderAndId) {
  const EventPtr event = Build(Version("11"), Message(), Key(1, "a"));
  Result<EventPtr> more = SignEvent(*event, "b.example", Key(2, "b"));
  ASSERT_TRUE(more.ok());
  EXPECT_EQ((*more)->event_id(), event->event_id());
  EXPECT_EQ(*json::Canonical((*more)->json()), (*more)->json());
  // An event that had none.
  Result<EventPtr> bare = Event::FromTrusted(
      R"({"content":{},"sender":"@a:b","type":"t"})", Version("11"), "$x");
  ASSERT_TRUE(bare.ok());
  Result<EventPtr> first = SignEvent(**bare, "b", Key(2, "b"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*json::Canonical((*first)->json()), (*first)->json());
}

}  // namespace
}  // namespace matrixcore
