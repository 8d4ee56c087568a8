// What a store costs.  The table is that of events: 1 KB rows with a unique
// index of event ids and an index of positions; see docs/writing-a-backend.md
// for figures.
//
// Databases are made below the current directory, so that the disk measured is
// the one you stand on.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/random.h"
#include "matrixcore/store/store.h"

namespace matrixcore {
namespace {

using enum ColumnType;

const Schema& EventSchema() {
  static const Schema schema{
      {{.name = "events",
        .columns = {{"room", kInt64},
                    {"idx", kInt64},
                    {"pos", kInt64},
                    {"event_id", kText},
                    {"type", kText},
                    {"sender", kText},
                    {"state_key", kText, true},
                    {"flags", kInt64},
                    {"json", kText}},
        .key_columns = 2,
        .indexes = {{"event_id", {3}, true}, {"pos", {0, 2}}},
        .large_rows = true},
       {.name = "rooms",
        .columns = {{"nid", kInt64},
                    {"room_id", kText},
                    {"generation", kInt64},
                    {"extremities", kText}},
        .indexes = {{"room_id", {1}, true}}}},
      1};
  return schema;
}
const TableSpec& Events() { return EventSchema().tables[0]; }
const TableSpec& Rooms() { return EventSchema().tables[1]; }

constexpr int64_t kRooms = 50;

enum Backend { kMemory, kSqliteFull, kSqliteNormal };

// A store in a directory of its own, with a source of events.
class World {
 public:
  explicit World(int64_t backend) {
    if (backend == kMemory) {
      store_ = NewMemoryStore(EventSchema());
      return;
    }
    directory_ = fmt::format("bench_{}", getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    SqliteOptions options;
    if (backend == kSqliteNormal) {
      options.synchronous = SqliteOptions::Synchronous::kNormal;
    }
    auto opened =
        OpenSqliteStore(directory_ + "/store.db", EventSchema(), options);
    if (!opened.ok()) {
      fmt::print(stderr, "{}\n", opened.status().ToString());
      abort();
    }
    store_ = *std::move(opened);
  }
  ~World() {
    store_ = nullptr;
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Store& store() { return *store_; }
  int64_t last(int64_t room) const { return last_[static_cast<size_t>(room)]; }

  // The next event of some room, as a room's writer would commit it.
  WriteBatch Event() {
    const auto room = static_cast<int64_t>(random_->Below(kRooms));
    const int64_t idx = ++last_[static_cast<size_t>(room)];
    const std::string event_id = "$" + random_->AlphaNumeric(43);
    WriteBatch batch;
    if (idx > 1) {
      batch.Require(WriteBatch::ColumnEquals{&Rooms(), {room}, 2, idx - 1});
    }
    const PositionRef position = batch.NewPosition();
    batch.InsertRow(Events(), {room,
                               idx,
                               position,
                               event_id,
                               "m.room.message",
                               "@someone:example.org",
                               {},
                               int64_t{0},
                               json_});
    batch.PutRow(Rooms(), {room, fmt::format("!room{}:example.org", room), idx,
                           event_id});
    return batch;
  }

  // Commits `count` events that queue together, and waits for all.
  void Commit(int64_t count) {
    std::latch all(count);
    for (int64_t i = 0; i < count; ++i) {
      store_->CommitAsync(Event(), [&all](const Result<CommitInfo>& result) {
        if (!result.ok()) abort();
        all.count_down();
      });
    }
    all.wait();
  }

  int64_t SomeRoom() { return static_cast<int64_t>(random_->Below(kRooms)); }
  Row SomeKey() {
    const int64_t room = SomeRoom();
    return {room, 1 + static_cast<int64_t>(
                          random_->Below(static_cast<uint64_t>(last(room))))};
  }

 private:
  const std::unique_ptr<Random> random_ = NewSeededRandom(1);
  const std::string json_ = std::string(800, 'j');
  std::vector<int64_t> last_ = std::vector<int64_t>(kRooms, 0);
  std::string directory_;
  std::unique_ptr<Store> store_;
};

void CommitEvents(benchmark::State& state) {
  World world(state.range(0));
  const int64_t group = state.range(1);
  for (auto _ : state) world.Commit(group);
  state.SetItemsProcessed(state.iterations() * group);
}
BENCHMARK(CommitEvents)
    ->ArgNames({"backend", "group"})
    ->ArgsProduct({{kMemory, kSqliteFull, kSqliteNormal}, {1, 10, 100}})
    ->MeasureProcessCPUTime()
    ->UseRealTime();

constexpr int64_t kStored = 20'000;

void Fill(World& world) {
  for (int64_t i = 0; i < kStored / 500; ++i) world.Commit(500);
}

// Both kinds of reading: with the reader's pages still good, and just after a
// commit, when SQLite has thrown them away.
template <typename Read>
void Reading(benchmark::State& state, Read read) {
  World world(state.range(0));
  Fill(world);
  const bool after_commit = state.range(1) != 0;
  for (auto _ : state) {
    if (after_commit) {
      state.PauseTiming();
      world.Commit(1);
      state.ResumeTiming();
    }
    read(world);
  }
}
// A commit takes long against what is measured, so the repetitions are few.
#define MC_READING(Name)                            \
  BENCHMARK(Name)                                   \
      ->ArgNames({"backend", "after_commit"})       \
      ->ArgsProduct({{kMemory, kSqliteFull}, {0}}); \
  BENCHMARK(Name)                                   \
      ->ArgNames({"backend", "after_commit"})       \
      ->ArgsProduct({{kMemory, kSqliteFull}, {1}})  \
      ->Iterations(2000)

std::unique_ptr<Snapshot> NewSnapshot(World& world) {
  return std::move(world.store().NewSnapshot()).value();
}

void SnapshotAlone(benchmark::State& state) {
  Reading(state, [](World& world) {
    benchmark::DoNotOptimize(NewSnapshot(world)->position());
  });
}
MC_READING(SnapshotAlone);

void SnapshotAndGet(benchmark::State& state) {
  Reading(state, [](World& world) {
    benchmark::DoNotOptimize(
        NewSnapshot(world)->Get(Events(), world.SomeKey()));
  });
}
MC_READING(SnapshotAndGet);

void SnapshotAndGetSmallRow(benchmark::State& state) {
  Reading(state, [](World& world) {
    benchmark::DoNotOptimize(
        NewSnapshot(world)->Get(Rooms(), {world.SomeRoom()}));
  });
}
MC_READING(SnapshotAndGetSmallRow);

void GetOneOfMany(benchmark::State& state) {
  World world(state.range(0));
  Fill(world);
  const auto snapshot = NewSnapshot(world);
  for (auto _ : state) {
    benchmark::DoNotOptimize(snapshot->Get(Events(), world.SomeKey()));
  }
}
BENCHMARK(GetOneOfMany)->ArgName("backend")->Arg(kMemory)->Arg(kSqliteFull);

void GetMany100(benchmark::State& state) {
  Reading(state, [](World& world) {
    std::vector<Row> keys;
    for (int i = 0; i < 100; ++i) keys.push_back(world.SomeKey());
    benchmark::DoNotOptimize(NewSnapshot(world)->GetMany(Events(), keys));
  });
}
MC_READING(GetMany100);

void ScanNewest100(benchmark::State& state) {
  Reading(state, [](World& world) {
    benchmark::DoNotOptimize(
        NewSnapshot(world)->Scan({.table = &Events(),
                                  .index = 1,
                                  .prefix = {world.SomeRoom()},
                                  .descending = true,
                                  .limit = 100}));
  });
}
MC_READING(ScanNewest100);

void ScanByKey100(benchmark::State& state) {
  Reading(state, [](World& world) {
    const Row key = world.SomeKey();
    benchmark::DoNotOptimize(NewSnapshot(world)->Scan({.table = &Events(),
                                                       .prefix = {key[0]},
                                                       .from = {{key[1], true}},
                                                       .limit = 100}));
  });
}
MC_READING(ScanByKey100);

void OpenEmpty(benchmark::State& state) {
  for (auto _ : state) {
    const World world(state.range(0));
  }
}
BENCHMARK(OpenEmpty)
    ->ArgName("backend")
    ->Arg(kMemory)
    ->Arg(kSqliteFull)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace matrixcore
