// Requests about big rooms, through the whole server on SQLite but without
// sockets.
//
//   messages_bench --benchmark_counters_tabular=true
//
// The room of the pages has 100,000 messages of 20 people; in its last tenth
// every fourth message was edited, answered in a thread or referred to.  The
// room of the joins has 10,000 local members.  Times are those that a client
// would see: `max_ms` is the longest of them.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/event/types.h"
#include "matrixcore/http/url.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {
namespace {

constexpr int kMessages = 100'000;
constexpr int kPeople = 20;
constexpr int kMembers = 10'000;

class Deaf : public RoomListener {
 public:
  void OnCommit(const RoomCommit&) override {}
};

std::string Person(int i) {
  return i == 0 ? "@alice:x" : fmt::format("@user{}:x", i);
}

EventDraft Draft(std::string_view type, std::string sender,
                 std::optional<std::string> state_key, std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = std::move(sender);
  draft.state_key = std::move(state_key);
  draft.content = std::move(content);
  return draft;
}

EventDraft Member(int person) {
  return Draft(kTypeMember, Person(person), Person(person),
               fmt::format(R"({{"displayname":"User {}","membership":"join"}})",
                           person));
}

// Everything that a server needs, and a server on it.
class World {
 public:
  World() {
    directory_ = std::filesystem::temp_directory_path() /
                 fmt::format("messages_bench_{}", getpid());
    std::filesystem::create_directory(directory_);
    SqliteOptions options;
    options.readers = 8;
    store_ = OpenSqliteStore((directory_ / "bench.db").string(), MatrixSchema(),
                             options)
                 .value();
    search_ =
        OpenSqliteSearchIndex((directory_ / "search.db").string()).value();
    FillRooms();
    server_ = Homeserver::Create(Options(), {.store = *store_,
                                             .cache = *cache_,
                                             .blobs = *blobs_,
                                             .search = *search_,
                                             .coordinator = *coordinator_,
                                             .bus = *bus_,
                                             .clock = *clock_,
                                             .random = *random_,
                                             .interactive = *interactive_,
                                             .background = *background_,
                                             .rooms = *rooms_,
                                             .timers = *timers_,
                                             .signing_key = key_,
                                             .log = *log_,
                                             .metrics = *metrics_,
                                             .caches = caches_})
                  .value();
    alice_ = Register("alice");
    // Each brings the index forward: nothing of that is left for later.
    for (int i = 0; i < kMessages / 2000 + 20; ++i) Search("nothing");
  }
  ~World() {
    server_->Shutdown();
    interactive_->Shutdown();
    background_->Shutdown();
    rooms_->Shutdown();
    server_.reset();
    search_->Close();
    store_->Close();
    std::filesystem::remove_all(directory_);
  }

  HttpResponse Call(HttpMethod method, std::string target, std::string body,
                    const std::string& token) {
    HttpRequest request;
    request.method = method;
    request.target = std::move(target);
    request.body = std::move(body);
    request.remote_address = "127.0.0.1";
    if (!token.empty()) request.headers.Add("Authorization", "Bearer " + token);
    std::promise<HttpResponse> promise;
    std::future<HttpResponse> future = promise.get_future();
    server_->Handle(std::move(request),
                    Responder([&promise](HttpResponse response) {
                      promise.set_value(std::move(response));
                    }));
    HttpResponse response = future.get();
    if (response.status != 200) {
      fmt::print(stderr, "{}: {}\n", response.status, response.body);
      std::abort();
    }
    return response;
  }
  HttpResponse Messages(std::string_view query) {
    return Call(HttpMethod::kGet,
                fmt::format("/_matrix/client/v3/rooms/{}/messages?{}",
                            PercentEncode(talk_), query),
                "", alice_);
  }
  HttpResponse Search(std::string_view term) {
    return Call(HttpMethod::kPost, "/_matrix/client/v3/search",
                fmt::format(R"({{"search_categories":{{"room_events":{{)"
                            R"("search_term":"{}","order_by":"recent"}}}}}})",
                            term),
                alice_);
  }
  // The access token.
  std::string Register(std::string_view name) {
    const HttpResponse response =
        Call(HttpMethod::kPost, "/_matrix/client/v3/register",
             fmt::format(R"({{"username":"{}","password":"p",)"
                         R"("auth":{{"type":"m.login.dummy"}}}})",
                         name),
             "");
    const auto body = json::Document::Parse(response.body);
    return std::string(body->root()["access_token"].StringOr(""));
  }

  const std::string& talk() const { return talk_; }
  const std::string& crowd() const { return crowd_; }
  Position first() const { return first_; }
  Position last() const { return last_; }

 private:
  static HomeserverOptions Options() {
    HomeserverOptions options;
    options.server_name = "x";
    options.rate_limits.enabled = false;
    options.password_cost = {.passes = 1, .memory_bytes = 8192};
    options.registration.min_password_length = 1;
    return options;
  }

  // Straight through the room floor, many events a commit.
  void FillRooms() {
    CacheBudget budget(64 << 20);
    RoomCaches caches(budget);
    RoomActivity activity(store_->LastPosition());
    JoinedUsers joined;
    Deaf listener;
    RoomWriter writer({.server_name = "x"},
                      {*store_, *coordinator_, *rooms_, *clock_, *random_, key_,
                       caches, activity, joined, listener, *log_, *metrics_});
    talk_ = MakeRoom(writer, 1);
    crowd_ = MakeRoom(writer, 2);
    std::vector<EventDraft> drafts;
    for (int i = 1; i < kPeople; ++i) drafts.push_back(Member(i));
    Send(writer, talk_, std::exchange(drafts, {}));
    for (int i = 1; i < kMembers; ++i) {
      drafts.push_back(Member(i));
      if (drafts.size() == 500 || i + 1 == kMembers) {
        Send(writer, crowd_, std::exchange(drafts, {}));
      }
    }
    first_ = store_->LastPosition();
    std::vector<std::string> ids;
    for (int i = 0; i < kMessages; ++i) {
      drafts.push_back(Message(i, ids));
      if (drafts.size() == 200) {
        ids = Send(writer, talk_, std::exchange(drafts, {}));
      }
    }
    last_ = store_->LastPosition();
    writer.Drain();
  }

  static EventDraft Message(int i, const std::vector<std::string>& ids) {
    const std::string body = fmt::format(
        "message number {} says something of the usual length to everybody", i);
    std::string relation;
    std::string sender = Person(i % kPeople);
    if (i > kMessages - kMessages / 10 && i % 4 == 0 && !ids.empty()) {
      // Of a message 200 before this one, by the same person.
      const std::string& target = ids[static_cast<size_t>(i % 200)];
      const std::string_view types[] = {"m.replace", "m.thread", "m.reference"};
      relation =
          fmt::format(R"(,"m.new_content":{{"body":"{}","msgtype":"m.text"}},)"
                      R"("m.relates_to":{{"event_id":"{}","rel_type":"{}"}})",
                      body, target, types[i / 4 % 3]);
    }
    return Draft(
        kTypeMessage, std::move(sender), std::nullopt,
        fmt::format(R"({{"body":"{}"{},"msgtype":"m.text"}})", body, relation));
  }

  std::string MakeRoom(RoomWriter& writer, int number) {
    CreateRoomRequest request;
    request.rules = FindRoomVersion("12");
    request.creator = Person(0);
    request.drafts = {
        Draft(kTypeCreate, Person(0), "",
              fmt::format(R"({{"n":{},"room_version":"12"}})", number)),
        Member(0), Draft(kTypePowerLevels, Person(0), "", R"({"users":{}})"),
        Draft(kTypeJoinRules, Person(0), "", R"({"join_rule":"public"})")};
    return writer.CreateAndWait(std::move(request))->room_id;
  }

  static std::vector<std::string> Send(RoomWriter& writer,
                                       const std::string& room,
                                       std::vector<EventDraft> drafts) {
    RoomRequest request;
    request.room_id = room;
    request.user_id = Person(0);
    request.prepare =
        [drafts = std::move(drafts)](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts = drafts;
      return change;
    };
    auto sent = writer.SendAndWait(std::move(request));
    if (!sent.ok()) {
      fmt::print(stderr, "{}\n", sent.status().ToString());
      std::abort();
    }
    return std::move(sent->event_ids);
  }

  std::filesystem::path directory_;
  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<Random> random_ = NewSystemRandom();
  SigningKey key_ = SigningKey::Generate(*random_, "bench");
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<Timers> timers_ = NewThreadTimers(*clock_);
  CacheBudget caches_{64 << 20};
  std::unique_ptr<Cache> cache_ = NewMemoryCache(*clock_, caches_);
  std::unique_ptr<BlobStore> blobs_ = NewMemoryBlobStore();
  std::unique_ptr<Coordinator> coordinator_ = NewMemoryCoordinator(*clock_);
  std::unique_ptr<Bus> bus_ = NewMemoryBus();
  std::unique_ptr<Executor> interactive_ = NewThreadPool("requests", 2, 1000);
  std::unique_ptr<Executor> background_ = NewThreadPool("slow", 1, 1000);
  std::unique_ptr<Executor> rooms_ = NewThreadPool("rooms", 1, 1000);
  std::unique_ptr<Store> store_;
  std::unique_ptr<SearchIndex> search_;
  std::unique_ptr<Homeserver> server_;
  std::string alice_, talk_, crowd_;
  Position first_ = 0;
  Position last_ = 0;
};

World& TheWorld() {
  static World world;
  return world;
}

// Times each iteration and reports the longest.
class Longest {
 public:
  explicit Longest(benchmark::State& state) : state_(state) {}
  ~Longest() { state_.counters["max_ms"] = max_ * 1000; }
  template <typename Work>
  void Run(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took =
        std::chrono::steady_clock::now() - begin;
    max_ = std::max(max_, took.count());
    state_.SetIterationTime(took.count());
  }

 private:
  benchmark::State& state_;
  double max_ = 0;
};

void BM_NewestPage(benchmark::State& state) {
  World& world = TheWorld();
  Longest longest(state);
  for (auto _ : state) {
    longest.Run([&] { world.Messages("dir=b&limit=100"); });
  }
}
BENCHMARK(BM_NewestPage)
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

// Anywhere in the room: mostly not in the caches.
void PagesBetween(benchmark::State& state, double begin, double end,
                  std::string_view more) {
  World& world = TheWorld();
  std::minstd_rand random(1);
  const auto length = static_cast<double>(world.last() - world.first());
  std::uniform_int_distribution<Position> places(
      world.first() + static_cast<Position>(begin * length) + 200,
      world.first() + static_cast<Position>(end * length));
  Longest longest(state);
  for (auto _ : state) {
    const std::string query =
        fmt::format("dir=b&limit=100&from=s{}{}", places(random), more);
    longest.Run([&] { world.Messages(query); });
  }
}

void BM_AnyPage(benchmark::State& state) { PagesBetween(state, 0, 0.9, ""); }
BENCHMARK(BM_AnyPage)
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_AnyPageLazily(benchmark::State& state) {
  PagesBetween(state, 0, 0.9, "&filter=%7B%22lazy_load_members%22%3Atrue%7D");
}
BENCHMARK(BM_AnyPageLazily)
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_PageWithRelations(benchmark::State& state) {
  PagesBetween(state, 0.9, 1, "");
}
BENCHMARK(BM_PageWithRelations)
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void BM_Join(benchmark::State& state) {
  World& world = TheWorld();
  static int joiner = 0;
  const std::string target =
      "/_matrix/client/v3/join/" + PercentEncode(world.crowd());
  Longest longest(state);
  for (auto _ : state) {
    const std::string token = world.Register(fmt::format("joiner{}", ++joiner));
    longest.Run([&] { world.Call(HttpMethod::kPost, target, "{}", token); });
  }
}
BENCHMARK(BM_Join)
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Iterations(100)
    ->Unit(benchmark::kMillisecond);

void BM_Search(benchmark::State& state, std::string_view term) {
  World& world = TheWorld();
  Longest longest(state);
  for (auto _ : state) longest.Run([&] { world.Search(term); });
}
BENCHMARK_CAPTURE(BM_Search, OneMatch, "number 4711")
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Search, EveryMessageMatches, "message usual")
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Search, AShortWord, "of")
    ->UseManualTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace matrixcore
