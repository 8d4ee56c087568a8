#include "faults/load.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/http/url.h"

namespace matrixcore {
namespace {

constexpr int kMostRepeats = 300;
constexpr std::string_view kTopic = "org.example.topic";
constexpr std::string_view kAlgorithm = "curve25519";

// What a client may repeat: a clear error that says nothing of what it asked.
bool IsFault(const HttpResponse& response) {
  return response.status == 500 || response.status == 503 ||
         response.status == 504;
}

std::string TextOf(json::Value value) {
  return std::string(value.StringOr(""));
}

}  // namespace

FaultyLoad::FaultyLoad(uint64_t seed, const FaultRates& rates,
                       Findings& findings)
    : findings_(findings) {
  FakeHomeserverOptions options;
  options.seed = seed;
  // Whose news come when others are told is not a matter of the seed.
  options.homeserver.presence = false;
  options.faults = {.seed = seed, .rates = rates, .repeats = 0};
  server_ = std::make_unique<FakeHomeserver>(std::move(options));
  const FaultInjector::Pause pause(server_->faults());
  SetUp(seed);
}

void FaultyLoad::SetUp(uint64_t seed) {
  for (size_t i = 0; i < kUsers; ++i) {
    Client& client = clients_.emplace_back();
    client.user = server_->Register(fmt::format("user{}", i));
    client.random = NewSeededRandom(seed * kUsers + i);
    const HttpResponse login = server_->Call(
        HttpMethod::kPost, "/_matrix/client/v3/login",
        fmt::format(R"({{"type":"m.login.password","user":"user{}",)"
                    R"("identifier":{{"type":"m.id.user","user":"user{}"}},)"
                    R"("password":"{}","refresh_token":true}})",
                    i, i, client.user.password));
    const auto body = json::Document::Parse(login.body);
    client.refresh_token = TextOf(body->root()["refresh_token"]);
  }
  const HttpResponse made = server_->Post(
      clients_[0].user, "/_matrix/client/v3/createRoom",
      fmt::format(R"({{"preset":"public_chat","power_level_content_override":)"
                  R"({{"events":{{"{}":0}}}}}})",
                  kTopic));
  room_ = TextOf(json::Document::Parse(made.body)->root()["room_id"]);
  for (Client& client : clients_) {
    server_->Post(client.user,
                  "/_matrix/client/v3/join/" + PercentEncode(room_));
  }
  server_->Settle();
}

std::string FaultyLoad::RoomPath(std::string_view rest) const {
  return fmt::format("/_matrix/client/v3/rooms/{}/{}", PercentEncode(room_),
                     rest);
}

FaultyLoad::Client& FaultyLoad::NextOf(const Client& client) {
  const auto index = static_cast<size_t>(&client - clients_.data());
  return clients_[(index + 1) % kUsers];
}

// --- Asking ---

void FaultyLoad::CheckClear(const HttpResponse& response,
                            std::string_view what) {
  const auto body = json::Document::Parse(response.body);
  findings_.Expect(body.ok() &&
                       TextOf(body->root()["errcode"]) == "M_UNKNOWN" &&
                       !TextOf(body->root()["error"]).empty() &&
                       response.body.find("injected") == std::string::npos,
                   fmt::format("{}: {} is not clear: {}", what, response.status,
                               response.body));
}

HttpResponse FaultyLoad::Ask(Client& client, HttpMethod method,
                             const std::string& target, const std::string& body,
                             std::string_view what) {
  for (int i = 0; i < kMostRepeats; ++i) {
    HttpResponse response =
        server_->Call(method, target, body, client.user.access_token);
    if (traced_) {
      server_->Settle();
      trace_ +=
          fmt::format("{} {} {}\n", client.user.user_id, what, response.status);
    }
    if (!IsFault(response)) {
      findings_.Expect(response.status == 200,
                       fmt::format("{} by {}: {} {}", what, client.user.user_id,
                                   response.status, response.body));
      if (response.status == 200 && method != HttpMethod::kGet) {
        ++acknowledged_;
      }
      return response;
    }
    CheckClear(response, what);
  }
  findings_.Add(fmt::format("{}: faults every time", what));
  return {};
}

json::Document FaultyLoad::AskJson(Client& client, HttpMethod method,
                                   const std::string& target,
                                   const std::string& body,
                                   std::string_view what) {
  auto parsed =
      json::Document::Parse(Ask(client, method, target, body, what).body);
  if (parsed.ok()) return std::move(*parsed);
  findings_.Add(fmt::format("{}: an answer that is not JSON", what));
  return *json::Document::Parse("{}");
}

// --- Steps ---

void FaultyLoad::Step(size_t user) {
  Client& client = clients_[user];
  switch (client.random->Below(10)) {
    case 0:
      return SetTopic(client);
    case 1:
      return SetAccountData(client);
    case 2:
      return UploadKeys(client);
    case 3:
      return ClaimKey(client);
    case 4:
      return SendToDevice(client);
    case 5:
      return Refresh(client);
    case 6:
      return Sync(client);
    case 7:
      return ReadBack(client);
    default:
      return Send(client);
  }
}

void FaultyLoad::Send(Client& client) {
  const std::string text =
      fmt::format("{} {}", client.user.user_id, ++client.next);
  const json::Document answer = AskJson(
      client, HttpMethod::kPut,
      RoomPath(fmt::format("send/m.room.message/m{}", client.next)),
      fmt::format(R"({{"msgtype":"m.text","body":"{}"}})", text), "send");
  client.messages[text] = TextOf(answer.root()["event_id"]);
}

void FaultyLoad::SetTopic(Client& client) {
  const std::string value = std::to_string(++client.next);
  Ask(client, HttpMethod::kPut,
      RoomPath(fmt::format("state/{}/{}", kTopic,
                           PercentEncode(client.user.user_id))),
      fmt::format(R"({{"value":"{}"}})", value), "state");
  client.topic = value;
}

void FaultyLoad::SetAccountData(Client& client) {
  const std::string value = std::to_string(++client.next);
  Ask(client, HttpMethod::kPut,
      fmt::format("/_matrix/client/v3/user/{}/account_data/org.example",
                  PercentEncode(client.user.user_id)),
      fmt::format(R"({{"value":"{}"}})", value), "account data");
  client.account_data = value;
}

void FaultyLoad::UploadKeys(Client& client) {
  // Between an upload whose answer was lost and its repetition others must not
  // claim: nobody could tell that the keys are not new.
  std::optional<FaultInjector::Pause> pause;
  if (!traced_) pause.emplace(server_->faults(), Fault::kCommitAnswerLost);
  std::string keys;
  for (int i = 0; i < 3; ++i) {
    const std::string id = fmt::format("{}:K{}", kAlgorithm, ++client.next);
    client.uploaded_keys.insert(id);
    keys += fmt::format(R"({}"{}":"key {}")", keys.empty() ? "" : ",", id,
                        client.next);
  }
  Ask(client, HttpMethod::kPost, "/_matrix/client/v3/keys/upload",
      fmt::format(R"({{"one_time_keys":{{{}}}}})", keys), "upload keys");
}

void FaultyLoad::ClaimKey(Client& client) {
  const User& other = NextOf(client).user;
  const json::Document answer =
      AskJson(client, HttpMethod::kPost, "/_matrix/client/v3/keys/claim",
              fmt::format(R"({{"one_time_keys":{{"{}":{{"{}":"{}"}}}}}})",
                          other.user_id, other.device_id, kAlgorithm),
              "claim");
  for (const auto& [id, key] :
       answer.root()["one_time_keys"][other.user_id][other.device_id]
           .members()) {
    client.claimed_keys.emplace_back(id);
  }
}

void FaultyLoad::SendToDevice(Client& client) {
  const User& other = NextOf(client).user;
  const std::string text = std::to_string(++client.next);
  Ask(client, HttpMethod::kPut,
      fmt::format("/_matrix/client/v3/sendToDevice/org.example/d{}", text),
      fmt::format(R"({{"messages":{{"{}":{{"{}":{{"value":"{}"}}}}}}}})",
                  other.user_id, other.device_id, text),
      "to device");
  client.sent_to_device.insert(text);
}

// With a device of its own, whose tokens nothing else uses.
void FaultyLoad::Refresh(Client& client) {
  const json::Document answer =
      AskJson(client, HttpMethod::kPost, "/_matrix/client/v3/refresh",
              fmt::format(R"({{"refresh_token":"{}"}})", client.refresh_token),
              "refresh");
  const std::string next = TextOf(answer.root()["refresh_token"]);
  if (!next.empty()) client.refresh_token = next;
}

void FaultyLoad::Sync(Client& client) {
  const json::Document answer = AskJson(
      client, HttpMethod::kGet,
      fmt::format("/_matrix/client/v3/sync?timeout=0&filter={}{}",
                  PercentEncode(R"({"room":{"timeline":{"limit":1000}}})"),
                  client.since.empty() ? "" : "&since=" + client.since),
      "", "sync");
  const json::Value root = answer.root();
  client.since = TextOf(root["next_batch"]);
  const json::Value timeline = root["rooms"]["join"][room_]["timeline"];
  findings_.Expect(!timeline["limited"].AsBool().value_or(false),
                   "a limited timeline");
  for (const json::Value event : timeline["events"]) {
    if (TextOf(event["type"]) == "m.room.message") {
      client.synced.push_back(TextOf(event["event_id"]));
    }
  }
  for (const json::Value event : root["to_device"]["events"]) {
    client.got_to_device.push_back(TextOf(event["content"]["value"]));
  }
}

// What was acknowledged is there, whenever it is asked for.
void FaultyLoad::ReadBack(Client& client) {
  if (client.messages.empty()) return;
  auto message = client.messages.begin();
  std::advance(message, client.random->Below(client.messages.size()));
  const json::Document answer =
      AskJson(client, HttpMethod::kGet,
              RoomPath("event/" + PercentEncode(message->second)), "", "event");
  findings_.Expect(
      TextOf(answer.root()["content"]["body"]) == message->first,
      message->first + " was acknowledged and is not what is read");
}

void FaultyLoad::Restart() { server_->Restart(); }

// --- The ledger ---

void FaultyLoad::Check() {
  server_->Settle();
  const FaultInjector::Pause pause(server_->faults());
  traced_ = false;
  for (Client& client : clients_) {
    Sync(client);
    CheckLatest(client, client.topic,
                RoomPath(fmt::format("state/{}/{}", kTopic,
                                     PercentEncode(client.user.user_id))),
                "state");
    CheckLatest(client, client.account_data,
                fmt::format("/_matrix/client/v3/user/{}/account_data/"
                            "org.example",
                            PercentEncode(client.user.user_id)),
                "account data");
    Refresh(client);
  }
  CheckMessages();
  CheckKeys();
  CheckToDevice();
}

void FaultyLoad::CheckLatest(Client& client, const std::string& acknowledged,
                             const std::string& target, std::string_view what) {
  if (acknowledged.empty()) return;
  const json::Document answer =
      AskJson(client, HttpMethod::kGet, target, "", what);
  const std::string value = TextOf(answer.root()["value"]);
  findings_.Expect(value == acknowledged,
                   fmt::format("the {} \"{}\" was acknowledged, there is "
                               "\"{}\"",
                               what, acknowledged, value));
}

void FaultyLoad::CheckMessages() {
  std::map<std::string, std::vector<std::string>> found;  // Body: event ids.
  std::string from;
  do {
    const json::Document page =
        AskJson(clients_[0], HttpMethod::kGet,
                RoomPath("messages?dir=f&limit=500" +
                         (from.empty() ? "" : "&from=" + from)),
                "", "messages");
    for (const json::Value event : page.root()["chunk"]) {
      if (TextOf(event["type"]) != "m.room.message") continue;
      found[TextOf(event["content"]["body"])].push_back(
          TextOf(event["event_id"]));
    }
    from = TextOf(page.root()["end"]);
  } while (!from.empty());
  size_t all = 0;
  for (const auto& [text, ids] : found) {
    all += ids.size();
    findings_.Expect(ids.size() == 1,
                     fmt::format("\"{}\" was sent once and is there {} times",
                                 text, ids.size()));
  }
  for (const Client& client : clients_) {
    for (const auto& [text, id] : client.messages) {
      const auto message = found.find(text);
      findings_.Expect(
          message != found.end() && message->second[0] == id,
          fmt::format("\"{}\" was acknowledged and is lost", text));
    }
    std::vector<std::string> synced = client.synced;
    std::sort(synced.begin(), synced.end());
    findings_.Expect(
        std::unique(synced.begin(), synced.end()) == synced.end() &&
            synced.size() == all,
        fmt::format("{} got {} messages by sync, of {}", client.user.user_id,
                    synced.size(), all));
  }
}

// No key is given to two, and none is invented.
void FaultyLoad::CheckKeys() {
  for (Client& client : clients_) {
    for (size_t before = SIZE_MAX; before != client.claimed_keys.size();) {
      before = client.claimed_keys.size();
      ClaimKey(client);
    }
    std::vector<std::string> claimed = client.claimed_keys;
    std::sort(claimed.begin(), claimed.end());
    findings_.Expect(
        std::unique(claimed.begin(), claimed.end()) == claimed.end(),
        "a one-time key was handed out twice");
    const std::set<std::string>& uploaded = NextOf(client).uploaded_keys;
    findings_.Expect(std::includes(uploaded.begin(), uploaded.end(),
                                   claimed.begin(), claimed.end()),
                     "a one-time key that nobody uploaded");
    // One went with each claim whose answer was lost, at most.
    const uint64_t lost = server_->faults().struck(Fault::kCommitAnswerLost);
    findings_.Expect(claimed.size() + lost >= uploaded.size(),
                     fmt::format("of {} one-time keys {} were claimed, {} "
                                 "answers were lost",
                                 uploaded.size(), claimed.size(), lost));
  }
}

void FaultyLoad::CheckToDevice() {
  for (const Client& client : clients_) {
    std::vector<std::string> got = NextOf(client).got_to_device;
    std::sort(got.begin(), got.end());
    findings_.Expect(std::unique(got.begin(), got.end()) == got.end(),
                     "a to-device message came twice");
    findings_.Expect(
        std::includes(got.begin(), got.end(), client.sent_to_device.begin(),
                      client.sent_to_device.end()),
        "an acknowledged to-device message is lost");
  }
}

}  // namespace matrixcore
