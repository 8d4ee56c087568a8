// Sync answers: made from snapshots of real stores, without HTTP.
//
//   sync_bench --benchmark_counters_tabular=true
//
// The number after the name is how many rooms the account is in.  Rooms have 20
// messages and three members.  The time is that of the thread that makes the
// answer.
//
// SlidingFirst is the first request of a connection of sliding sync, for the 20
// rooms at the top; `cold`: on a server that has just started, with nothing in
// its caches.  SlidingOneEvent is a request for all rooms after one event.
// Fanout/<members> is the time from a message in a room until all members, each
// of whom waits in a sync, have their answers; its CPU time is that of the
// whole process.
//
// Send/<members>/<rules> is a message in a room of so many members, of whom so
// many have push rules of their own; -1: nobody's notifications are counted.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/push_rules.h"
#include "matrixcore/service/sliding_tables.h"
#include "matrixcore/service/sync.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"

namespace matrixcore {
namespace {

constexpr std::string_view kUsers[] = {"@alice:x", "@bob:x", "@carol:x"};
// What Element X asks for, more or less.
std::string SlidingBody(int64_t last) {
  return fmt::format(
      R"({{"lists":{{"all":{{"ranges":[[0,{}]],"timeline_limit":1,)"
      R"("required_state":[["m.room.name",""],["m.room.encryption",""],)"
      R"(["m.room.member","$LAZY"],["m.room.member","$ME"],)"
      R"(["m.room.topic",""],["m.room.avatar",""],)"
      R"(["m.room.canonical_alias",""],["m.room.power_levels",""],)"
      R"(["m.room.create",""]],"filters":{{"not_room_types":["m.space"]}}}}}},)"
      R"("extensions":{{"account_data":{{"enabled":true}},)"
      R"("receipts":{{"enabled":true,"rooms":["*"]}},)"
      R"("typing":{{"enabled":true}},"e2ee":{{"enabled":true}},)"
      R"("to_device":{{"enabled":true}}}}}})",
      last);
}

std::string Slide(SyncService& sync, const std::string& body,
                  const std::string& pos) {
  const auto document = json::Document::ParseView(body);
  auto request = std::make_unique<SlidingRequest>(*ParseSlidingRequest(
      document->root(), SlidingForm::kSimplified,
      {.user_id = std::string(kUsers[0]), .device_id = "DEVICE"}));
  if (!pos.empty()) request->pos = pos;
  std::string answer;
  sync.SlidingSync(std::move(request), [&answer](Result<std::string> got) {
    if (got.ok()) answer = std::move(*got);
  });
  return answer;
}
std::string PosOf(const std::string& answer) {
  const auto document = json::Document::ParseView(answer);
  return std::string(document->root()["pos"].StringOr(""));
}

constexpr char kLazy[] =
    R"({"room":{"state":{"lazy_load_members":true},"timeline":{"limit":20}}})";

Schema SyncSchema() {
  Schema schema;
  schema.version = tables::kSchemaVersion;
  for (const auto& tables : {tables::RoomTables(), tables::AccountTables(),
                             tables::EphemeralTables(), tables::UnreadTables(),
                             tables::SlidingTables()}) {
    schema.tables.insert(schema.tables.end(), tables.begin(), tables.end());
  }
  return schema;
}

EventDraft Draft(std::string_view type, std::string_view sender,
                 std::optional<std::string> state_key, std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = sender;
  draft.state_key = std::move(state_key);
  draft.content = std::move(content);
  return draft;
}

class Server {
 public:
  Server(std::unique_ptr<Store> store_in, int64_t room_count,
         bool counted = true)
      : store(std::move(store_in)),
        activity(store->LastPosition()),
        notifier(*store, joined, *executor, *timers, *clock, *metrics),
        profiles(*store, budget),
        unread({profiles, joined, *clock, "x"}),
        writer({.server_name = "x"},
               {*store, *coordinator, *executor, *clock, *random, key, caches,
                activity, joined, notifier, *log, *metrics,
                counted ? &unread : nullptr}),
        ephemeral({*store, *clock, *timers, caches, activity, joined, writer,
                   notifier}),
        sync({}, {*store, *clock, caches, activity, notifier, ephemeral,
                  FilterLookup(), *log, *metrics}) {
    for (int64_t i = 0; i < room_count; ++i) MakeRoom(i);
  }
  ~Server() {
    notifier.Shutdown();
    writer.Drain();
    executor->Shutdown();
  }

  void MakeRoom(int64_t number, int64_t more_members = 0) {
    CreateRoomRequest request;
    request.rules = FindRoomVersion("12");
    request.creator = kUsers[0];
    request.drafts.push_back(
        Draft(kTypeCreate, kUsers[0], "",
              fmt::format(R"({{"n":{},"room_version":"12"}})", number)));
    request.drafts.push_back(Member(kUsers[0]));
    request.drafts.push_back(
        Draft(kTypePowerLevels, kUsers[0], "", R"({"users":{}})"));
    request.drafts.push_back(
        Draft(kTypeJoinRules, kUsers[0], "", R"({"join_rule":"public"})"));
    request.drafts.push_back(
        Draft(kTypeName, kUsers[0], "",
              fmt::format(R"({{"name":"Room {}"}})", number)));
    request.drafts.push_back(Member(kUsers[1]));
    request.drafts.push_back(Member(kUsers[2]));
    for (int64_t i = 0; i < more_members; ++i) {
      request.drafts.push_back(Member(fmt::format("@user{}:x", i)));
    }
    for (int i = 0; i < 20; ++i) {
      request.drafts.push_back(Message(kUsers[i % 3]));
    }
    rooms.push_back(writer.CreateAndWait(std::move(request))->room_id);
  }

  void Say(int64_t room) {
    RoomRequest request;
    request.room_id = rooms[static_cast<size_t>(room) % rooms.size()];
    request.user_id = kUsers[1];
    request.prepare = [](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(Message(kUsers[1]));
      return change;
    };
    if (!writer.SendAndWait(std::move(request)).ok()) std::abort();
  }

  std::string Sync(const std::optional<StreamToken>& since) {
    SyncRequest request;
    request.session = {.user_id = std::string(kUsers[0]),
                       .device_id = "DEVICE"};
    request.since = since;
    request.filter = kLazy;
    std::string body;
    sync.Sync(std::move(request), [&body](Result<std::string> answer) {
      if (answer.ok()) body = std::move(*answer);
    });
    return body;
  }
  static StreamToken Next(const std::string& body) {
    const auto document = json::Document::ParseView(body);
    return *StreamToken::Parse(document->root()["next_batch"].StringOr(""));
  }

  std::unique_ptr<Store> store;
  std::unique_ptr<Clock> clock = NewSystemClock();
  std::unique_ptr<Timers> timers = NewThreadTimers(*clock);
  std::unique_ptr<Random> random = NewSystemRandom();
  SigningKey key = SigningKey::Generate(*random, "bench");
  std::unique_ptr<Coordinator> coordinator = NewMemoryCoordinator(*clock);
  std::unique_ptr<Executor> executor = NewThreadPool("rooms", 1, 1000);
  std::unique_ptr<Logger> log = NewNullLogger();
  std::unique_ptr<Metrics> metrics = NewMetrics();
  CacheBudget budget{64 << 20};
  RoomCaches caches{budget};
  RoomActivity activity;
  JoinedUsers joined;
  Notifier notifier;
  PushProfiles profiles;
  UnreadTracker unread;
  RoomWriter writer;
  EphemeralService ephemeral;
  SyncService sync;
  std::vector<std::string> rooms;

 private:
  static EventDraft Member(std::string_view user) {
    return Draft(
        kTypeMember, user, std::string(user),
        fmt::format(R"({{"displayname":"{}","membership":"join"}})", user));
  }
  static EventDraft Message(std::string_view user) {
    return Draft(kTypeMessage, user, std::nullopt,
                 R"({"body":"The quick brown fox jumps over the lazy dog.",)"
                 R"("msgtype":"m.text"})");
  }
};

// Where SQLite files of this process go; removed with it.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("sync_bench_{}", ::getpid())) {
    std::filesystem::create_directory(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<Store> OpenStore(bool sqlite, const Folder& folder) {
  if (!sqlite) return NewMemoryStore(SyncSchema());
  SqliteOptions options;
  options.synchronous = SqliteOptions::Synchronous::kNormal;
  auto store =
      OpenSqliteStore((folder.path() / "db").string(), SyncSchema(), options);
  if (!store.ok()) std::abort();
  return std::move(*store);
}

void InitialSync(benchmark::State& state, bool sqlite) {
  const Folder folder;
  Server server(OpenStore(sqlite, folder), state.range(0));
  size_t bytes = 0;
  for (auto _ : state) bytes = server.Sync(std::nullopt).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}

void OneEvent(benchmark::State& state, bool sqlite) {
  const Folder folder;
  Server server(OpenStore(sqlite, folder), state.range(0));
  StreamToken since = Server::Next(server.Sync(std::nullopt));
  int64_t room = 0;
  for (auto _ : state) {
    state.PauseTiming();
    server.Say(++room);
    state.ResumeTiming();
    const std::string body = server.Sync(since);
    state.PauseTiming();
    since = Server::Next(body);
    if (body.find("quick brown fox") == std::string::npos) {
      state.SkipWithError("the event is missing");
    }
    state.ResumeTiming();
  }
}

void SlidingFirst(benchmark::State& state, bool sqlite, bool cold) {
  const Folder folder;
  Server server(OpenStore(sqlite, folder), state.range(0));
  const std::string body = SlidingBody(19);
  Slide(server.sync, body, "");
  size_t bytes = 0;
  for (auto _ : state) {
    if (!cold) {
      bytes = Slide(server.sync, body, "").size();
      continue;
    }
    state.PauseTiming();
    {
      CacheBudget budget{64 << 20};
      RoomCaches caches{budget};
      const RoomActivity activity(server.store->LastPosition());
      SyncService fresh(
          {}, {*server.store, *server.clock, caches, activity, server.notifier,
               server.ephemeral, FilterLookup(), *server.log, *server.metrics});
      state.ResumeTiming();
      bytes = Slide(fresh, body, "").size();
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

void SlidingOneEvent(benchmark::State& state, bool sqlite) {
  const Folder folder;
  Server server(OpenStore(sqlite, folder), state.range(0));
  const std::string body = SlidingBody(state.range(0));
  std::string pos = PosOf(Slide(server.sync, body, ""));
  int64_t room = 0;
  for (auto _ : state) {
    state.PauseTiming();
    server.Say(++room);
    state.ResumeTiming();
    const std::string answer = Slide(server.sync, body, pos);
    state.PauseTiming();
    pos = PosOf(answer);
    if (answer.find("quick brown fox") == std::string::npos) {
      state.SkipWithError("the event is missing");
    }
    state.ResumeTiming();
  }
}

void Fanout(benchmark::State& state, bool sqlite) {
  const Folder folder;
  const int64_t members = state.range(0);
  Server server(OpenStore(sqlite, folder), 0);
  server.MakeRoom(0, members - 3);
  std::atomic<int64_t> waiting{0};
  for (auto _ : state) {
    state.PauseTiming();
    const StreamToken now = {server.store->LastPosition(), 0};
    waiting = members - 3;
    for (int64_t i = 0; i < members - 3; ++i) {
      SyncRequest request;
      request.session = {.user_id = fmt::format("@user{}:x", i),
                         .device_id = "DEVICE"};
      request.since = now;
      request.timeout = seconds(100);
      request.filter = kLazy;
      server.sync.Sync(std::move(request), [&](const Result<std::string>&) {
        if (--waiting == 0) waiting.notify_all();
      });
    }
    state.ResumeTiming();
    server.Say(0);
    for (int64_t left = waiting; left > 0; left = waiting) waiting.wait(left);
  }
}

void NothingNew(benchmark::State& state, bool sqlite) {
  const Folder folder;
  Server server(OpenStore(sqlite, folder), state.range(0));
  const StreamToken since = Server::Next(server.Sync(std::nullopt));
  for (auto _ : state) benchmark::DoNotOptimize(server.Sync(since));
}

void Send(benchmark::State& state, bool sqlite) {
  const Folder folder;
  const int64_t members = state.range(0);
  const int64_t profiled = state.range(1);
  Server server(OpenStore(sqlite, folder), 0, profiled >= 0);
  PushRuleService rules(*server.store, server.notifier, &server.profiles);
  const auto rule = json::Document::Parse(R"({"actions":[],"pattern":"cake"})");
  for (int64_t i = 0; i < profiled; ++i) {
    const std::string user = fmt::format("@user{}:x", i);
    if (!rules.Put(user, {"content", "cake"}, rule->root(), {}).ok()) {
      std::abort();
    }
  }
  server.MakeRoom(0, std::max<int64_t>(0, members - 3));
  for (auto _ : state) server.Say(0);
}

// Resident bytes of this process.
int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0;
  long resident = 0;
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) {
    resident = 0;
  }
  if (file != nullptr) std::fclose(file);
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Memory for each of 10,000 users that wait, each in a room of their own of the
// notifier's; and the time to wake one of them.
void Parked(benchmark::State& state) {
  const Folder folder;
  Server server(OpenStore(false, folder), 1);
  const StreamToken now = {server.store->LastPosition(), 0};
  constexpr int kWaiting = 10'000;
  const auto park = [&](int user) {
    SyncRequest request;
    request.session = {.user_id = fmt::format("@user{}:example.org", user),
                       .device_id = "ABCDEFGHIJ"};
    request.since = now;
    request.timeout = seconds(100);
    request.filter = kLazy;
    server.sync.Sync(std::move(request), [](const Result<std::string>&) {});
  };
  const int64_t before = ResidentBytes();
  for (int i = 0; i < kWaiting; ++i) park(i);
  state.counters["bytes_each"] =
      static_cast<double>(ResidentBytes() - before) / kWaiting;
  int user = 0;
  for (auto _ : state) {
    const std::string id =
        fmt::format("@user{}:example.org", user++ % kWaiting);
    server.notifier.PublishUsers({&id, 1});
  }
}

BENCHMARK_CAPTURE(InitialSync, memory, false)
    ->Arg(1)
    ->Arg(100)
    ->Arg(1000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(InitialSync, sqlite, true)
    ->Arg(1)
    ->Arg(100)
    ->Arg(1000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(OneEvent, memory, false)
    ->Arg(5)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2000);
BENCHMARK_CAPTURE(OneEvent, sqlite, true)
    ->Arg(5)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2000);
BENCHMARK_CAPTURE(SlidingFirst, sqlite, true, false)
    ->Arg(20)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(SlidingFirst, sqlite_cold, true, true)
    ->Arg(20)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(20);
BENCHMARK_CAPTURE(SlidingOneEvent, sqlite, true)
    ->Arg(5)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2000);
BENCHMARK_CAPTURE(Fanout, sqlite, true)
    ->Arg(1000)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(NothingNew, memory, false)
    ->Arg(5)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(NothingNew, sqlite, true)
    ->Arg(5)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
void Members(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"members", "rules"});
  for (const int64_t members : {3, 50, 1000}) {
    bench->Args({members, -1})->Args({members, 0});
  }
  bench->Args({50, 10})->Args({1000, 100})->Args({1000, 900});
  bench->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMicrosecond);
}
BENCHMARK_CAPTURE(Send, memory, false)->Apply(Members);
BENCHMARK_CAPTURE(Send, sqlite, true)->Apply(Members);
BENCHMARK(Parked);

}  // namespace
}  // namespace matrixcore
