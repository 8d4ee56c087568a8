// Sends through the RoomWriter: parse, authorise, hash, sign, insert, commit.
//
//   room_bench --benchmark_counters_tabular=true
//
// BM_Sends<store>/rooms/waiting keeps `waiting` requests under way, spread over
// `rooms` rooms, and reports items (sends) a second and the CPU time of the
// whole process for one send.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>

#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/event/types.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

constexpr std::string_view kAlice = "@alice:example.org";

EventDraft Draft(std::string_view type, std::optional<std::string> state_key,
                 std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = kAlice;
  draft.state_key = std::move(state_key);
  draft.content = std::move(content);
  return draft;
}

class Deaf : public RoomListener {
 public:
  void OnCommit(const RoomCommit&) override {}
};

// A room floor on a store, with some rooms.
class Floor {
 public:
  Floor(std::unique_ptr<Store> store_in, int rooms)
      : store(std::move(store_in)),
        clock(NewSystemClock()),
        random(NewSystemRandom()),
        key(SigningKey::Generate(*random, "bench")),
        coordinator(NewMemoryCoordinator(*clock)),
        executor(NewThreadPool("rooms", 1, 1000)),
        caches(budget),
        activity(store->LastPosition()),
        log(NewNullLogger()),
        metrics(NewMetrics()),
        writer({.server_name = "example.org"},
               {*store, *coordinator, *executor, *clock, *random, key, caches,
                activity, joined, listener, *log, *metrics}) {
    for (int i = 0; i < rooms; ++i) {
      CreateRoomRequest request;
      request.rules = FindRoomVersion("12");
      request.creator = kAlice;
      request.drafts = {
          Draft(kTypeCreate, "",
                fmt::format(R"({{"n":{},"room_version":"12"}})", i)),
          Draft(kTypeMember, std::string(kAlice), R"({"membership":"join"})"),
          Draft(kTypePowerLevels, "", R"({"users":{}})")};
      room_ids.push_back(writer.CreateAndWait(std::move(request))->room_id);
    }
  }
  ~Floor() {
    writer.Drain();
    executor->Shutdown();
    store->Close();
  }

  void Send(int i, UniqueFunction<void(Result<RoomRequest::Answer>)> done) {
    RoomRequest request;
    request.room_id = room_ids[static_cast<size_t>(i) % room_ids.size()];
    request.user_id = kAlice;
    request.txn = TransactionKey{"DEVICE", "send", fmt::format("t{}", i)};
    request.prepare = [](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(Draft(
          kTypeMessage, std::nullopt,
          R"({"body":"The quick brown fox jumps over the lazy dog.","msgtype":"m.text"})"));
      return change;
    };
    request.done = std::move(done);
    writer.Send(std::move(request));
  }

  std::unique_ptr<Store> store;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Random> random;
  SigningKey key;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<Executor> executor;
  CacheBudget budget{64 << 20};
  RoomCaches caches;
  RoomActivity activity;
  JoinedUsers joined;
  Deaf listener;
  std::unique_ptr<Logger> log;
  std::unique_ptr<Metrics> metrics;
  RoomWriter writer;
  std::vector<std::string> room_ids;
};

Schema RoomSchema() {
  Schema schema;
  schema.version = tables::kSchemaVersion;
  schema.tables = tables::RoomTables();
  return schema;
}

void RunSends(benchmark::State& state, std::unique_ptr<Store> store) {
  Floor floor(std::move(store), static_cast<int>(state.range(0)));
  const auto waiting = static_cast<int>(state.range(1));
  std::mutex mutex;
  std::condition_variable changed;
  int under_way = 0;
  int sent = 0;
  bool failed = false;
  for (auto _ : state) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return under_way < waiting; });
      ++under_way;
    }
    floor.Send(sent++, [&](const Result<RoomRequest::Answer>& answer) {
      const std::lock_guard lock(mutex);
      failed = failed || !answer.ok();
      --under_way;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return under_way == 0; });
  if (failed) state.SkipWithError("a send failed");
  state.SetItemsProcessed(sent);
}

void BM_SendsMemory(benchmark::State& state) {
  RunSends(state, NewMemoryStore(RoomSchema()));
}

void BM_SendsSqlite(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() /
                      fmt::format("room_bench_{}", static_cast<void*>(&state));
  std::filesystem::create_directory(folder);
  {
    auto store = OpenSqliteStore((folder / "bench.db").string(), RoomSchema());
    if (store.ok()) {
      RunSends(state, std::move(*store));
    } else {
      state.SkipWithError(store.status().message().c_str());
    }
  }
  std::filesystem::remove_all(folder);
}

void Shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rooms", "waiting"})
      ->Args({1, 1})
      ->Args({1, 50})
      ->Args({50, 50})
      ->MeasureProcessCPUTime()
      ->UseRealTime();
}
BENCHMARK(BM_SendsMemory)->Apply(Shapes);
BENCHMARK(BM_SendsSqlite)->Apply(Shapes);

}  // namespace
}  // namespace matrixcore
