// Device lists against a model: users come and go in rooms, get and lose
// devices, change keys and sign each other's; clients follow as the
// specification says
// ("Tracking the device list for a user"), lose answers, come back with old
// tokens, start over, and the server restarts.
//
// Whenever a client has nothing left to do it knows of everybody with whom it
// shares an encrypted room exactly the keys that a query gives; and it was told
// of everybody with whom it shares none any more.
//
// MATRIXCORE_DEVICE_LIST_SEEDS=first-last runs other seeds.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/testing/client_keys.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using std::chrono::milliseconds;
using User = FakeHomeserver::User;

constexpr size_t kOperations = 120;
constexpr size_t kUsers = 4;
constexpr size_t kRooms = 3;

// Whatever a client wants to see of rooms, devices matter.
constexpr std::string_view kFilters[] = {
    "", R"({"room":{"rooms":[]}})",
    R"({"room":{"timeline":{"limit":1,"types":["m.room.message"]},)"
    R"("state":{"lazy_load_members":true}}})",
    R"({"room":{"state":{"not_types":["*"]},"timeline":{"not_types":["*"]}}})"};

// What a query says of one user, as text to compare.
std::string QueryOf(FakeHomeserver& server, const User& asker,
                    const std::string& user) {
  const Answer answer =
      server.Post(asker, "/_matrix/client/v3/keys/query",
                  fmt::format(R"({{"device_keys":{{"{}":[]}}}})", user));
  std::string all;
  for (const char* part : {"device_keys", "master_keys", "self_signing_keys",
                           "user_signing_keys"}) {
    all.append(answer[part][user].raw()).append("\n");
  }
  return all;
}

// --- The client ---

class Follower {
 public:
  // `filter`: of /sync, or "".
  Follower(FakeHomeserver& server, User user, std::string_view filter)
      : server_(server), user_(std::move(user)) {
    if (!filter.empty()) filter_ = "&filter=" + PercentEncode(filter);
  }

  const User& user() const { return user_; }

  // Starts to track those who are new; `neighbours` share an encrypted room.
  void Track(const std::set<std::string>& neighbours) {
    for (const std::string& user : neighbours) {
      if (state_.lists.try_emplace(user).second) state_.outdated.insert(user);
    }
  }
  bool Tracks(const std::string& user) const {
    return state_.lists.contains(user);
  }

  // "" or what is wrong.
  std::string Sync(bool lost) {
    std::string target = "/_matrix/client/v3/sync?timeout=0" + filter_;
    if (!state_.since.empty()) target += "&since=" + state_.since;
    const Answer answer = server_.Get(user_, target);
    if (!answer.ok()) return "sync: " + answer.text();
    if (lost) return "";
    if (state_.since.empty() && answer["device_lists"]) {
      return "device_lists in an initial sync";
    }
    Take(answer["device_lists"]);
    state_.since = answer.String("next_batch");
    return "";
  }

  // Begins anew with an initial sync, and learns from /keys/changes what it
  // missed.
  std::string StartOver() {
    if (state_.since.empty()) return "";
    const Answer initial =
        server_.Get(user_, "/_matrix/client/v3/sync?timeout=0");
    if (!initial.ok()) return "initial sync: " + initial.text();
    const std::string next = initial.String("next_batch");
    const Answer changes = server_.Get(
        user_, fmt::format("/_matrix/client/v3/keys/changes?from={}&to={}",
                           state_.since, next));
    if (!changes.ok()) return "changes: " + changes.text();
    Take(changes.root());
    state_.since = next;
    return "";
  }

  // What an application writes to disk, and finds there when it starts again.
  void Save() { saved_ = state_; }
  void Load() { state_ = saved_; }

  void QueryOutdated() {
    for (const std::string& user : state_.outdated) {
      state_.lists[user] = QueryOf(server_, user_, user);
    }
    state_.outdated.clear();
  }

  // Compares everything that is not known to be outdated with the truth.
  std::string Compare(const std::set<std::string>& neighbours) {
    for (const std::string& user : neighbours) {
      const auto list = state_.lists.find(user);
      if (list == state_.lists.end() || state_.outdated.contains(user))
        continue;
      if (const std::string truth = QueryOf(server_, user_, user);
          list->second != truth) {
        return fmt::format("the keys of {} are\n{}instead of\n{}", user,
                           list->second, truth);
      }
    }
    for (const auto& [user, list] : state_.lists) {
      if (!neighbours.contains(user) && user != user_.user_id) {
        return fmt::format("nobody told that {} has left", user);
      }
    }
    return "";
  }
  const std::set<std::string>& told_left() const { return told_left_; }

 private:
  struct State {
    std::string since;
    std::map<std::string, std::string> lists;  // Of those who are tracked.
    std::set<std::string> outdated;
  };

  void Take(json::Value lists) {
    told_left_.clear();
    for (const json::Value user : lists["changed"]) {
      const std::string id(user.StringOr(""));
      if (state_.lists.contains(id)) state_.outdated.insert(id);
    }
    for (const json::Value user : lists["left"]) {
      const std::string id(user.StringOr(""));
      told_left_.insert(id);
      state_.lists.erase(id);
      state_.outdated.erase(id);
    }
  }

  FakeHomeserver& server_;
  const User user_;
  std::string filter_;
  State state_;
  State saved_;
  std::set<std::string> told_left_;
};

// --- The world ---

struct Room {
  std::string id;
  bool encrypted = false;
  std::set<std::string> members;
};

struct Person {
  std::string user_id;
  User owner;  // The device that follows.
  std::vector<User> others;
  std::optional<ClientIdentity> identity;
  std::map<std::string, std::string> device_keys;
};

class World {
 public:
  explicit World(uint64_t seed) : random_(NewSeededRandom(seed)) {
    for (size_t i = 0; i < kUsers; ++i) {
      Person person;
      person.owner = server_.Register(fmt::format("u{}", i));
      person.user_id = person.owner.user_id;
      people_.push_back(std::move(person));
    }
    for (const Person& person : people_) {
      followers_.emplace_back(server_, person.owner, kFilters[Pick(4)]);
    }
  }

  std::string Run(size_t operations) {
    for (size_t i = 0; i < operations; ++i) {
      server_.Advance(milliseconds(1));
      const std::string wrong = Chance(35) ? Follow() : Act();
      if (!wrong.empty()) return wrong;
    }
    for (Follower& follower : followers_) {
      if (std::string wrong = Settle(follower); !wrong.empty()) return wrong;
    }
    return "";
  }

  const std::vector<std::string>& log() const { return log_; }

 private:
  size_t Pick(size_t bound) {
    return static_cast<size_t>(random_->Below(bound));
  }
  bool Chance(size_t percent) { return Pick(100) < percent; }

  std::set<std::string> NeighboursOf(const std::string& user) const {
    std::set<std::string> neighbours;
    for (const Room& room : rooms_) {
      if (!room.encrypted || !room.members.contains(user)) continue;
      neighbours.insert(room.members.begin(), room.members.end());
    }
    return neighbours;
  }

  // --- What clients do ---

  std::string Follow() {
    Follower& follower = followers_[Pick(followers_.size())];
    const std::string& user = follower.user().user_id;
    switch (Pick(12)) {
      case 0:
        log_.push_back(user + " syncs, lost");
        return follower.Sync(true);
      case 1:
        log_.push_back(user + " starts over");
        return follower.StartOver();
      case 2:
        log_.push_back(user + " saves");
        follower.Save();
        return "";
      case 3:
        log_.push_back(user + " loads");
        follower.Load();
        return "";
      case 4:
      case 5:
        log_.push_back(user + " syncs");
        return follower.Sync(false);
      default:
        log_.push_back(user + " syncs and queries");
        return Settle(follower);
    }
  }

  // Syncs, checks, tracks whom it should, and asks for what it has to.
  std::string Settle(Follower& follower) {
    const std::string user = follower.user().user_id;
    const std::set<std::string> neighbours = NeighboursOf(user);
    if (std::string wrong = follower.Sync(false); !wrong.empty()) return wrong;
    for (const std::string& left : follower.told_left()) {
      if (neighbours.contains(left)) {
        return fmt::format("{} was told that {} left", user, left);
      }
    }
    if (std::string wrong = follower.Compare(neighbours); !wrong.empty()) {
      return fmt::format("{}: {}", user, wrong);
    }
    follower.Track(neighbours);
    follower.QueryOutdated();
    return "";
  }

  // --- What happens ---

  std::string Act() {
    const size_t who = Pick(people_.size());
    Person& person = people_[who];
    if (rooms_.empty() || (rooms_.size() < kRooms && Chance(15))) {
      CreateRoom(person);
      return "";
    }
    Room& room = rooms_[Pick(rooms_.size())];
    const std::string target = people_[Pick(people_.size())].user_id;
    switch (Pick(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
        if (Do(person, room, "join", "")) room.members.insert(person.user_id);
        break;
      case 4:
      case 5:
        if (Do(person, room, "leave", "")) room.members.erase(person.user_id);
        break;
      case 6:
        if (Do(person, room, "kick", target)) room.members.erase(target);
        break;
      case 7:
        if (Do(person, room, "ban", target)) room.members.erase(target);
        break;
      case 8:
        Do(person, room, "unban", target);
        break;
      case 9:
        Do(person, room, "invite", target);
        break;
      case 10:
        Do(person, room, "forget", "");
        break;
      case 11:
        Encrypt(person, room);
        break;
      case 12:
      case 13:
        AddDevice(person);
        break;
      case 14:
        RemoveDevice(person);
        break;
      case 15:
        UploadKeys(person, person.owner);
        break;
      case 16:
        ResetIdentity(person);
        break;
      case 17:
        SignDevice(person);
        break;
      case 18:
        SignOther(person);
        break;
      default:
        if (Chance(30)) {
          log_.emplace_back("restart");
          server_.Restart();
        } else {
          Rename(person);
        }
    }
    return "";
  }

  Answer Call(HttpMethod method, const User& user, const std::string& path,
              std::string body) {
    Answer answer = server_.Call(method, "/_matrix/client/v3/" + path,
                                 std::move(body), user.access_token);
    log_.push_back(
        fmt::format("{} {} {}", user.user_id, path, answer.Outcome()));
    return answer;
  }
  Answer Post(const User& user, const std::string& path, std::string body) {
    return Call(HttpMethod::kPost, user, path, std::move(body));
  }

  void CreateRoom(Person& person) {
    Room room;
    room.encrypted = Chance(50);
    const Answer answer = Post(
        person.owner, "createRoom",
        fmt::format(R"({{"preset":"public_chat","initial_state":[{}]}})",
                    room.encrypted ? R"({"type":"m.room.encryption","content":)"
                                     R"({"algorithm":"m.megolm.v1.aes-sha2"}})"
                                   : ""));
    room.id = answer.String("room_id");
    room.members.insert(person.user_id);
    rooms_.push_back(std::move(room));
  }

  bool Do(Person& person, Room& room, const std::string& what,
          const std::string& target) {
    return Post(person.owner,
                fmt::format("rooms/{}/{}", PercentEncode(room.id), what),
                target.empty() ? "{}"
                               : fmt::format(R"({{"user_id":"{}"}})", target))
        .ok();
  }

  void Encrypt(Person& person, Room& room) {
    const Answer answer = Call(HttpMethod::kPut, person.owner,
                               fmt::format("rooms/{}/state/m.room.encryption/",
                                           PercentEncode(room.id)),
                               R"({"algorithm":"m.megolm.v1.aes-sha2"})");
    room.encrypted = room.encrypted || answer.ok();
  }

  void UploadKeys(Person& person, const User& device) {
    const ClientKey key(*random_, device.device_id);
    std::string keys = DeviceKeysJson(person.user_id, device.device_id, key);
    if (Post(device, "keys/upload",
             fmt::format(R"({{"device_keys":{}}})", keys))
            .ok()) {
      person.device_keys[device.device_id] = std::move(keys);
    }
  }

  void AddDevice(Person& person) {
    if (person.others.size() == 3) return;
    person.others.push_back(server_.Login(person.owner));
    log_.push_back(person.user_id + " logs in");
    if (Chance(80)) UploadKeys(person, person.others.back());
  }

  void RemoveDevice(Person& person) {
    if (person.others.empty()) return;
    const User device = person.others.back();
    person.others.pop_back();
    person.device_keys.erase(device.device_id);
    Post(device, "logout", "{}");
  }

  void Rename(Person& person) {
    Call(HttpMethod::kPut, person.owner, "devices/" + person.owner.device_id,
         fmt::format(R"({{"display_name":"n{}"}})", Pick(1000)));
  }

  void ResetIdentity(Person& person) {
    ClientIdentity identity(*random_);
    const std::string members = identity.UploadMembers(person.user_id);
    const std::string path = "keys/device_signing/upload";
    const Answer first = Post(person.owner, path, "{" + members + "}");
    if (first.status() == 401) {
      const Answer second =
          Post(person.owner, path,
               fmt::format(
                   R"({{{},"auth":{{"type":"m.login.password","password":"{}",)"
                   R"("session":"{}","identifier":{{"type":"m.id.user",)"
                   R"("user":"{}"}}}}}})",
                   members, person.owner.password, first.String("session"),
                   person.user_id));
      if (!second.ok()) return;
    } else if (!first.ok()) {
      return;
    }
    person.identity.emplace(std::move(identity));
  }

  void Sign(Person& person, const std::string& user, const std::string& key,
            const std::string& object) {
    Post(person.owner, "keys/signatures/upload",
         fmt::format(R"({{"{}":{{"{}":{}}}}})", user, key, object));
  }
  void SignDevice(Person& person) {
    if (!person.identity || person.device_keys.empty()) return;
    const auto& [device, keys] = *person.device_keys.begin();
    Sign(person, person.user_id, device,
         person.identity->self_signing.Sign(keys, person.user_id));
  }
  void SignOther(Person& person) {
    const Person& other = people_[Pick(people_.size())];
    if (!person.identity || !other.identity || &other == &person) return;
    Sign(person, other.user_id, other.identity->master.public_key(),
         person.identity->user_signing.Sign(
             other.identity->MasterJson(other.user_id), person.user_id));
  }

  std::unique_ptr<Random> random_;
  FakeHomeserver server_;
  std::vector<Person> people_;
  std::vector<Follower> followers_;
  std::vector<Room> rooms_;
  std::vector<std::string> log_;
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
  const char* range = std::getenv("MATRIXCORE_DEVICE_LIST_SEEDS");
  if (range == nullptr) return {1, last};
  char* rest = nullptr;
  const uint64_t first = std::strtoull(range, &rest, 10);
  return {first, *rest == '-' ? std::strtoull(rest + 1, nullptr, 10) : first};
}

TEST(DeviceListsModelTest, NobodyHoldsAStaleListOfANeighbour) {
  const auto [first, last] = Seeds(100);
  for (uint64_t seed = first; seed <= last; ++seed) {
    World world(seed);
    if (const std::string wrong = world.Run(kOperations); !wrong.empty()) {
      FAIL() << wrong << "\n" << Shrink(seed);
    }
  }
}

}  // namespace
}  // namespace matrixcore
