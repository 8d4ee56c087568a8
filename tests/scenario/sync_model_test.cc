// Sync against a model: users do random things in rooms of the real server;
// clients with random filters sync now and then, and some answers get lost.  At
// the end every client must know exactly what the server knows: no event
// missing, none twice, none that it may not see, every state, count, receipt,
// marker and key right; and whoever paged through a room's history meanwhile
// must have had all of it.
//
// A failing seed prints the shortest run of its operations that fails; set
// MATRIXCORE_SYNC_SEEDS to "first-last" to run others.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "matrixcore/base/random.h"
#include "matrixcore/testing/client_keys.h"
#include "scenario/sliding_client.h"
#include "scenario/sync_client.h"

namespace matrixcore {
namespace {

constexpr size_t kOperations = 70;

// Someone who does random things, as any of the users.
class Actor {
 public:
  using User = FakeHomeserver::User;

  Actor(FakeHomeserver& server, const std::vector<User>& users, uint64_t seed)
      : server_(server),
        users_(users),
        random_(NewSeededRandom(seed)),
        prefix_(seed) {}

  size_t Pick(size_t bound) {
    return static_cast<size_t>(random_->Below(bound));
  }
  bool Chance(size_t percent) { return Pick(100) < percent; }
  template <typename T>
  const T& OneOf(const std::vector<T>& list) {
    return list[Pick(list.size())];
  }

  ClientStyle Style() {
    ClientStyle style;
    style.limit = 1 + Pick(6);
    const size_t kind = Pick(4);
    if (kind == 0) style.types = R"("types":["m.room.message"])";
    if (kind == 1) style.types = R"("not_types":["m.room.m*r"])";
    style.lazy = Chance(50);
    style.redundant = Chance(30);
    style.state_after = Chance(30);
    return style;
  }

  void CreateRoom() {
    const std::string encryption =
        Chance(50)
            ? fmt::format(R"(,{{"type":"m.room.encryption","content":{}}})",
                          kEncryption)
            : "";
    Post(OneOf(users_), "createRoom",
         fmt::format(R"({{"preset":"{}","initial_state":[{{)"
                     R"("type":"m.room.history_visibility",)"
                     R"("content":{{"history_visibility":"{}"}}}}{}]}})",
                     Chance(85) ? "public_chat" : "private_chat", Visibility(),
                     encryption));
  }
  // A device whose keys may come, be used up, and change.
  // Of a client, so that it stays.
  void KeepDevice(const User& device) {
    devices_.insert(devices_.begin(), {device, {}});
    ++kept_;
  }

  void DoSomething() { Chance(15) ? DoWithKeys() : DoInSomeRoom(); }

  void DoInSomeRoom() {
    const User& user = OneOf(users_);
    const std::string room = PercentEncode(OneOf(rooms));
    const std::string in = "rooms/" + room;
    const std::string target =
        fmt::format(R"({{"user_id":"{}"}})", OneOf(users_).user_id);
    const std::string event = events_.empty() ? "$none" : OneOf(events_);
    const std::string n = fmt::format("{}x{}", prefix_, ++counter_);
    switch (Pick(28)) {
      case 0:
        return Post(user, in + "/invite", target);
      case 1:
      case 2:
      case 3:
      case 4:
        return Post(user, in + "/join", "{}");
      case 5:
        return Post(user, in + "/leave", "{}");
      case 6:
        return Post(user, in + "/kick", target);
      case 7:
        return Post(user, in + "/ban", target);
      case 8:
      case 9:
        return Post(user, in + "/unban", target);
      case 10:
        return Post(user, in + "/forget", "{}");
      case 11:
        return Put(user, in + "/state/m.room.name/",
                   Chance(20) ? "{}" : fmt::format(R"({{"name":"n{}"}})", n));
      case 12:
        return Put(
            user, in + "/state/m.room.history_visibility/",
            fmt::format(R"({{"history_visibility":"{}"}})", Visibility()));
      case 13:
        return Put(user,
                   fmt::format("{}/redact/{}/t{}", in, PercentEncode(event), n),
                   "{}");
      case 14:
      case 15:
        return Post(
            user,
            fmt::format("{}/receipt/m.read{}/{}", in,
                        Chance(30) ? ".private" : "", PercentEncode(event)),
            "{}");
      case 16:
        return Post(user, in + "/read_markers",
                    fmt::format(R"({{"m.fully_read":"{}"}})", event));
      case 17:
        return Put(user,
                   fmt::format("user/{}/rooms/{}/account_data/t{}",
                               PercentEncode(user.user_id), room, Pick(3)),
                   fmt::format(R"({{"n":"{}"}})", n));
      case 18:
        return Put(user,
                   fmt::format("user/{}/account_data/t{}",
                               PercentEncode(user.user_id), Pick(3)),
                   fmt::format(R"({{"n":"{}"}})", n));
      case 19:
        return Put(
            user, fmt::format("{}/typing/{}", in, PercentEncode(user.user_id)),
            fmt::format(R"({{"typing":{},"timeout":20000}})", Chance(70)));
      case 20:
        return Put(
            user,
            fmt::format("profile/{}/displayname", PercentEncode(user.user_id)),
            fmt::format(R"({{"displayname":"d{}"}})", n));
      case 21:
        return SendToDevice(user, OneOf(users_), n);
      case 22:
        return Put(user, in + "/state/m.room.encryption/", kEncryption);
      default:
        return Put(user, fmt::format("{}/send/m.room.message/t{}", in, n),
                   fmt::format(R"({{"body":"b{}","msgtype":"m.text"}})", n));
    }
  }

  std::vector<std::string> rooms;
  std::vector<std::string> log;
  // What to-device messages said, by the user whose devices they were for.
  std::map<std::string, std::vector<std::string>> to_device;

 private:
  static constexpr char kEncryption[] =
      R"({"algorithm":"m.megolm.v1.aes-sha2"})";
  struct Device {
    User user;
    std::optional<ClientKey> key;
  };

  void DoWithKeys() {
    const size_t number = Pick(devices_.size());
    Device& device = devices_[number];
    const std::string n = fmt::format("{}x{}", prefix_, ++counter_);
    switch (Pick(6)) {
      case 0:
        return LogIn();
      case 1:
        if (number < kept_) return UploadKeys(device);
        Post(device.user, "logout", "{}");
        devices_.erase(devices_.begin() + static_cast<ptrdiff_t>(number));
        return;
      case 2:
        return UploadKeys(device);
      case 3:
        return Post(OneOf(users_), "keys/claim",
                    fmt::format(R"({{"one_time_keys":{{"{}":{{"{}":)"
                                R"("signed_curve25519"}}}}}})",
                                device.user.user_id, device.user.device_id));
      default:
        return UploadOneTimeKey(device, n, Chance(30));
    }
  }
  // A device of no client.
  void LogIn() {
    devices_.push_back({server_.Login(OneOf(users_)), {}});
    log.push_back(fmt::format("{} logs in as {}", devices_.back().user.user_id,
                              devices_.back().user.device_id));
    UploadKeys(devices_.back());
  }
  void UploadKeys(Device& device) {
    device.key.emplace(*random_, device.user.device_id);
    Post(device.user, "keys/upload",
         fmt::format(R"({{"device_keys":{}}})",
                     DeviceKeysJson(device.user.user_id, device.user.device_id,
                                    *device.key)));
  }
  void UploadOneTimeKey(Device& device, const std::string& id, bool fallback) {
    if (!device.key) UploadKeys(device);
    const std::string key = fmt::format(
        R"({{{}"key":"{}"}})", fallback ? R"("fallback":true,)" : "", id);
    Post(device.user, "keys/upload",
         fmt::format(R"({{"{}":{{"signed_curve25519:{}":{}}}}})",
                     fallback ? "fallback_keys" : "one_time_keys", id,
                     device.key->Sign(key, device.user.user_id)));
  }

  void SendToDevice(const User& user, const User& target,
                    const std::string& n) {
    Put(user, fmt::format("sendToDevice/org.example/t{}", n),
        fmt::format(R"({{"messages":{{"{}":{{"*":{{"n":"{}"}}}}}}}})",
                    target.user_id, n));
    to_device[target.user_id].push_back(n);
  }
  std::string Visibility() {
    return OneOf(std::vector<std::string>{"shared", "joined", "invited",
                                          "world_readable"});
  }
  void Do(HttpMethod method, const User& user, std::string_view path,
          std::string body) {
    const Answer answer =
        server_.Call(method, fmt::format("/_matrix/client/v3/{}", path), body,
                     user.access_token);
    log.push_back(fmt::format("{} {} {} -> {}", user.user_id, path, body,
                              answer.Outcome()));
    if (const auto id = answer["event_id"].AsString())
      events_.emplace_back(*id);
    if (path != "createRoom") return;
    if (const auto id = answer["room_id"].AsString()) rooms.emplace_back(*id);
  }
  void Put(const User& user, std::string_view path, std::string body) {
    Do(HttpMethod::kPut, user, path, std::move(body));
  }
  void Post(const User& user, std::string_view path, std::string body) {
    Do(HttpMethod::kPost, user, path, std::move(body));
  }

  FakeHomeserver& server_;
  const std::vector<User>& users_;
  std::unique_ptr<Random> random_;
  const uint64_t prefix_;
  std::vector<std::string> events_;
  std::vector<Device> devices_;
  size_t kept_ = 0;  // The first ones belong to clients.
  size_t counter_ = 0;
};

class World {
 public:
  explicit World(uint64_t seed) : actor_(server_, users_, seed) {
    for (const char* name : {"alice", "bob", "carol"}) {
      users_.push_back(server_.Register(name));
    }
    const size_t clients = 3 + actor_.Pick(3);
    for (size_t i = 0; i < clients; ++i) {
      // Devices of their own: lazy-loading and connections are by device.
      AddClient(server_.Login(users_[i % users_.size()]));
      actor_.log.push_back(fmt::format("client {} of {}: {}", i,
                                       clients_[i]->user().user_id,
                                       clients_[i]->Describe()));
    }
  }

  // Everything one after the other; "" or what is wrong in the end.
  std::string Run(size_t operations) {
    for (size_t i = 0; i < operations; ++i) {
      if (std::string wrong = Step(); !wrong.empty()) return wrong;
    }
    return Finish();
  }

  // Writers and clients at the same time.
  std::string RunAtOnce(uint64_t seed, size_t operations) {
    at_once_ = true;
    for (int i = 0; i < 3; ++i) {
      actor_.CreateRoom();
      server_.Advance(milliseconds(1));
    }
    std::atomic<int> writing{3};
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        Actor writer(server_, users_, seed * 10 + i);
        writer.rooms = actor_.rooms;
        writer.KeepDevice(clients_[i % clients_.size()]->user());
        for (size_t n = 0; n < operations; ++n) writer.DoSomething();
        {
          const std::lock_guard lock(mutex);
          for (const auto& [user, sent] : writer.to_device) {
            std::vector<std::string>& all = actor_.to_device[user];
            all.insert(all.end(), sent.begin(), sent.end());
          }
        }
        --writing;
      });
    }
    std::vector<std::string> wrongs(clients_.size());
    for (size_t i = 0; i < clients_.size(); ++i) {
      threads.emplace_back([&, i] {
        for (bool more = true; more && wrongs[i].empty();) {
          more = writing.load() > 0;
          wrongs[i] = clients_[i]->Sync();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& wrong : wrongs) {
      if (!wrong.empty()) return wrong;
    }
    return Finish();
  }

  const std::vector<std::string>& log() const { return actor_.log; }

 private:
  std::vector<std::string> Everybody() const {
    std::vector<std::string> ids;
    for (const FakeHomeserver::User& user : users_) ids.push_back(user.user_id);
    return ids;
  }

  void AddClient(FakeHomeserver::User user) {
    actor_.KeepDevice(user);
    ClientStyle style = actor_.Style();
    if (actor_.Chance(50)) {
      clients_.push_back(std::make_unique<SyncClient>(server_, std::move(user),
                                                      style, Everybody()));
      return;
    }
    style.types.clear();
    const bool simplified = actor_.Chance(50);
    clients_.push_back(std::make_unique<SlidingClient>(
        server_, std::move(user), style, Everybody(), simplified,
        actor_.Pick(1'000'000)));
  }

  std::string Step() {
    server_.Advance(milliseconds(1));
    if (actor_.Chance(10)) Page();
    if (actor_.Chance(40)) {
      const size_t i = actor_.Pick(clients_.size());
      const bool lost = actor_.Chance(20);
      actor_.log.push_back(
          fmt::format("client {} syncs{}", i, lost ? ", lost" : ""));
      return clients_[i]->Sync(lost);
    }
    if (actor_.Chance(1)) {
      actor_.log.push_back("restart");
      server_.Restart();
    } else if (actor_.Chance(3)) {
      actor_.log.push_back("time passes");
      server_.Advance(seconds(static_cast<int64_t>(actor_.Pick(30))));
    } else if (actor_.rooms.empty() ||
               (actor_.rooms.size() < 3 && actor_.Chance(10))) {
      actor_.CreateRoom();
    } else {
      actor_.DoSomething();
    }
    return "";
  }

  // Someone reads on in a room's history, or begins to.
  void Page() {
    if (!pagers_.empty() && (pagers_.size() >= 4 || actor_.Chance(60))) {
      pagers_[actor_.Pick(pagers_.size())].Read(1 + actor_.Pick(4));
      return;
    }
    const SyncClient& client = *clients_[actor_.Pick(clients_.size())];
    if (client.since().empty() || actor_.rooms.empty()) return;
    pagers_.emplace_back(server_, client, actor_.OneOf(actor_.rooms),
                         actor_.Chance(60) ? client.since() : "");
    actor_.log.push_back(pagers_.back().Describe());
  }

  std::string Finish() {
    server_.Advance(seconds(60));  // Nobody types any more.
    for (const std::unique_ptr<SyncClient>& each : clients_) {
      SyncClient& client = *each;
      client.LookAtEverything();
      for (int i = 0; i < 3; ++i) {
        if (std::string wrong = client.Sync(); !wrong.empty()) return wrong;
      }
      // To-device messages come in small portions.
      for (int i = 0; i < 200 && !client.quiet(); ++i) {
        if (std::string wrong = client.Sync(); !wrong.empty()) return wrong;
      }
      if (!client.quiet()) return client.user().user_id + " never gets quiet";
      std::string wrong = Compare(client);
      if (wrong.empty()) wrong = CompareKeys(client);
      if (wrong.empty()) wrong = CompareCount(client);
      if (!wrong.empty()) {
        return fmt::format("{} ({}): {}", client.user().user_id,
                           client.Describe(), wrong);
      }
    }
    for (Pager& pager : pagers_) {
      if (std::string wrong = pager.Finish(); !wrong.empty()) return wrong;
    }
    return "";
  }

  // --- The server's truth ---

  std::string Compare(SyncClient& client) {
    // A client that starts from nothing and asks for everything.
    SyncClient fresh(server_, client.user(), {.limit = 100});
    if (std::string wrong = fresh.Sync(); !wrong.empty()) return wrong;
    std::set<std::string> rooms;
    for (const auto& [id, view] : fresh.rooms()) rooms.insert(id);
    for (const auto& [id, view] : client.rooms()) rooms.insert(id);
    for (const std::string& id : rooms) {
      const auto mine = client.rooms().find(id);
      const auto truth = fresh.rooms().find(id);
      const std::string is =
          mine == client.rooms().end() ? "" : mine->second.section;
      const std::string should =
          truth == fresh.rooms().end() ? "" : truth->second.section;
      if (is != should && !(is == "leave" && should.empty())) {
        return fmt::format("{} is in '{}' instead of '{}'", id, is, should);
      }
      std::string wrong;
      if (is == "join") {
        wrong = CompareJoined(client, id, mine->second, truth->second);
      }
      if (is == "leave") wrong = CompareTimeline(client, id, mine->second);
      if (!wrong.empty()) return fmt::format("{}: {}", id, wrong);
    }
    if (client.account_data() != fresh.account_data()) return "account data";
    // Those of several writers at once have no certain order.
    std::vector<std::string> got = client.to_device();
    std::vector<std::string> sent = actor_.to_device[client.user().user_id];
    if (at_once_) {
      std::sort(got.begin(), got.end());
      std::sort(sent.begin(), sent.end());
    }
    if (got != sent) {
      return fmt::format("to-device messages {} instead of {}",
                         fmt::join(got, " "), fmt::join(sent, " "));
    }
    return "";
  }

  // With whoever shares an encrypted room with the client, its keys are right.
  std::string CompareKeys(SyncClient& client) {
    std::set<std::string> neighbours = {client.user().user_id};
    for (const auto& [id, view] : client.rooms()) {
      if (view.section != "join" ||
          !view.state.contains({"m.room.encryption", ""})) {
        continue;
      }
      const Answer members =
          server_.Get(client.user(),
                      fmt::format("/_matrix/client/v3/rooms/{}/joined_members",
                                  PercentEncode(id)));
      for (const auto [user, member] : members["joined"].members()) {
        neighbours.emplace(user);
      }
    }
    for (const std::string& user : neighbours) {
      const auto known = client.keys().find(user);
      const std::string truth = client.QueryKeys(user);
      if (known == client.keys().end() || known->second != truth) {
        return fmt::format("the keys of {} are {} instead of {}", user,
                           known == client.keys().end() ? "" : known->second,
                           truth);
      }
    }
    SyncClient fresh(server_, client.user(), {});
    if (std::string wrong = fresh.Sync(); !wrong.empty()) return wrong;
    if (client.key_counts() == fresh.key_counts()) return "";
    return fmt::format("keys are counted as {} instead of {}",
                       client.key_counts(), fresh.key_counts());
  }

  // A list of all rooms counts those that the client has, but for what was
  // forgotten; what is left and not forgotten is in the archive.
  std::string CompareCount(SyncClient& client) {
    if (!client.count()) return "";
    const Answer answer = server_.Get(
        client.user(), "/_matrix/client/v3/sync?timeout=0&filter=" +
                           PercentEncode(R"({"room":{"include_leave":true}})"));
    int64_t rooms = 0;
    for (const auto& [id, view] : client.rooms()) {
      if (view.section != "leave" || answer["rooms"]["leave"][id]) ++rooms;
    }
    if (*client.count() == rooms) return "";
    return fmt::format("a list of {} rooms instead of {}", *client.count(),
                       rooms);
  }

  std::string CompareJoined(SyncClient& client, const std::string& id,
                            const RoomView& mine, const RoomView& truth) {
    if (std::string wrong = CompareTimeline(client, id, mine); !wrong.empty()) {
      return wrong;
    }
    if (std::string wrong = CompareState(client, id, mine); !wrong.empty()) {
      return wrong;
    }
    if (std::string wrong = CompareReceipts(client, mine, truth);
        !wrong.empty()) {
      return wrong;
    }
    if (!mine.unread.empty() && mine.unread != truth.unread) {
      return fmt::format("unread {} instead of {}", mine.unread, truth.unread);
    }
    if (mine.account_data != truth.account_data) return "account data";
    if (mine.typing != "[]") return "someone types for ever";
    if (mine.joined != truth.joined || mine.invited != truth.invited) {
      return fmt::format("counts {}+{} instead of {}+{}", mine.joined,
                         mine.invited, truth.joined, truth.invited);
    }
    if (!truth.heroes.empty() && mine.heroes != truth.heroes) {
      return fmt::format("heroes {} instead of {}", mine.heroes, truth.heroes);
    }
    return "";
  }

  // Of rooms with very many a client of sliding sync has only those of events
  // that it was sent, and its own.
  std::string CompareReceipts(SyncClient& client, const RoomView& mine,
                              const RoomView& truth) {
    for (const auto& [key, event] : truth.receipts) {
      const auto it = mine.receipts.find(key);
      if (it == mine.receipts.end() ? mine.delivered.contains(event) ||
                                          key.ends_with(client.user().user_id)
                                    : it->second != event) {
        return fmt::format("receipt '{}' is not at {}", key, event);
      }
    }
    for (const auto& [key, event] : mine.receipts) {
      if (!truth.receipts.contains(key)) return "a receipt of nobody";
    }
    return "";
  }

  std::string CompareTimeline(SyncClient& client, const std::string& id,
                              const RoomView& mine) {
    if (!mine.whole) return "";
    std::string wrong;
    std::vector<std::string> truth = client.Messages(
        id, "", false, [](const std::string&) { return false; }, &wrong);
    // A forgotten room has no history.
    if (!wrong.empty()) return mine.section == "leave" ? "" : wrong;
    const std::set<std::string> visible(truth.begin(), truth.end());
    std::vector<std::string> seen;
    for (const std::string& event : mine.timeline) {
      if (visible.contains(event)) {
        seen.push_back(event);
      } else if (!mine.state_events.contains(event)) {
        return event + " must not be seen";
      }
    }
    // What a world-readable room says after one left it is not for sync.
    // Without a filter the own leave is where it ended.
    if (mine.section == "leave") {
      const auto last =
          seen.empty() ? truth.end()
                       : std::find(truth.begin(), truth.end(), seen.back());
      if (last != truth.end()) {
        truth.erase(last + 1, truth.end());
      } else if (!client.style().types.empty()) {
        truth.clear();
      }
    }
    if (seen != truth) {
      return fmt::format("timeline {} instead of {}", fmt::join(seen, " "),
                         fmt::join(truth, " "));
    }
    return "";
  }

  std::string CompareState(SyncClient& client, const std::string& id,
                           const RoomView& mine) {
    const Answer answer = server_.Get(
        client.user(),
        fmt::format("/_matrix/client/v3/rooms/{}/state", PercentEncode(id)));
    std::map<StateId, std::string> truth;
    std::string name;
    for (const json::Value event : answer.root()) {
      if (event["type"].StringOr("") == "m.room.name") {
        name = event["content"]["name"].StringOr("");
      }
      truth[{std::string(event["type"].StringOr("")),
             std::string(event["state_key"].StringOr(""))}] =
          event["event_id"].StringOr("");
    }
    for (const auto& [key, event] : truth) {
      const auto it = mine.state.find(key);
      if (it == mine.state.end()) {
        if (client.style().lazy && key.first == "m.room.member") continue;
        return fmt::format("no {} '{}'", key.first, key.second);
      }
      if (it->second != event) {
        return fmt::format("{} '{}' is {} instead of {}", key.first, key.second,
                           it->second, event);
      }
    }
    if (mine.state.size() > truth.size()) return "state that is not there";
    if (client.tells_names() && mine.name != name) {
      return fmt::format("name '{}' instead of '{}'", mine.name, name);
    }
    return "";
  }

  FakeHomeserver server_;
  std::vector<FakeHomeserver::User> users_;
  Actor actor_;
  bool at_once_ = false;
  std::vector<std::unique_ptr<SyncClient>> clients_;
  std::deque<Pager> pagers_;
};

// The shortest run of a failing seed that fails.
std::string Shrink(uint64_t seed) {
  for (size_t operations = 1; operations <= kOperations; ++operations) {
    World world(seed);
    const std::string wrong = world.Run(operations);
    if (wrong.empty()) continue;
    return fmt::format("seed {}, {} operations: {}\n  {}", seed, operations,
                       wrong, fmt::join(world.log(), "\n  "));
  }
  return fmt::format("seed {} does not fail again", seed);
}

// "first-last" or one number.
std::pair<uint64_t, uint64_t> Seeds(uint64_t last) {
  const char* range = std::getenv("MATRIXCORE_SYNC_SEEDS");
  if (range == nullptr) return {1, last};
  char* rest = nullptr;
  const uint64_t first = std::strtoull(range, &rest, 10);
  return {first, *rest == '-' ? std::strtoull(rest + 1, nullptr, 10) : first};
}

// Worlds are independent of each other, so all cores share the seeds.
TEST(SyncModelTest, EveryClientKnowsWhatTheServerKnows) {
  const auto [first, last] = Seeds(200);
  std::atomic<uint64_t> next{first};
  std::atomic<uint64_t> failed{0};
  const auto run = [&next, &failed, end = last] {
    for (uint64_t seed = next++; seed <= end && failed == 0; seed = next++) {
      World world(seed);
      if (!world.Run(kOperations).empty()) failed = seed;
    }
  };
  std::vector<std::thread> threads;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < cores; ++i) threads.emplace_back(run);
  for (std::thread& thread : threads) thread.join();
  if (failed != 0) FAIL() << Shrink(failed);
}

// The same while writers and clients race each other; which way they race is up
// to the scheduler.
TEST(SyncModelTest, ClientsThatRaceWithWritersMissNothing) {
  const auto [first, last] = Seeds(20);
  for (uint64_t seed = first; seed <= last; ++seed) {
    World world(seed);
    EXPECT_EQ(world.RunAtOnce(seed, 60), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace matrixcore
