// How long a commit waits at the most while the log is moved into the file,
// with somebody reading an old snapshot all the time, and during a backup.
//
// Databases are made below the current directory, so that the disk measured is
// the one you stand on.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/store/store.h"

namespace matrixcore {
namespace {

using enum ColumnType;

enum Disturbance { kNothing, kLongReader, kBackup };

constexpr int64_t kCommits = 20'000;
constexpr int64_t kRowsOfCommit = 4;

const Schema& RowSchema() {
  static const Schema schema{
      {{.name = "rows",
        .columns = {{"id", kInt64}, {"pos", kInt64}, {"body", kText}},
        .indexes = {{"pos", {1}}}}},
      1};
  return schema;
}

WriteBatch Rows(int64_t from) {
  WriteBatch batch;
  const PositionRef position = batch.NewPosition();
  for (int64_t i = 0; i < kRowsOfCommit; ++i) {
    // Spread over a table of a million rows: pages are seldom written twice.
    const int64_t id = (from * kRowsOfCommit + i) * 7919 % 1'000'000;
    batch.PutRow(RowSchema().tables[0], {id, position, std::string(1000, 'x')});
  }
  return batch;
}

// Copies the database over and over until it is stopped.
void BackUpAgainAndAgain(const std::string& directory,
                         const std::atomic<bool>& stop) {
  while (!stop) {
    const std::string copy = directory + "/copy.db";
    std::filesystem::remove(copy);
    if (!BackUpSqlite(directory + "/store.db", copy).ok()) return;
  }
}

void BM_LongestCommit(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  const std::string directory = fmt::format("stall_bench_{}", getpid());
  std::filesystem::remove_all(directory);
  std::filesystem::create_directory(directory);
  auto store = OpenSqliteStore(directory + "/store.db", RowSchema(), {});
  if (!store.ok()) return state.SkipWithError("cannot open the store");
  std::atomic<bool> stop{false};
  std::thread backup;
  std::unique_ptr<Snapshot> reader;
  if (state.range(0) == kBackup) {
    backup = std::thread([&] { BackUpAgainAndAgain(directory, stop); });
  } else if (state.range(0) == kLongReader) {
    reader = (*store)->NewSnapshot().value();
  }
  std::vector<double> waits;
  for (auto _ : state) {
    for (int64_t i = 0; i < kCommits; ++i) {
      const auto start = Clock::now();
      if (!(*store)->Commit(Rows(i)).ok()) state.SkipWithError("no commit");
      waits.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - start)
              .count());
    }
  }
  stop = true;
  if (backup.joinable()) backup.join();
  std::sort(waits.begin(), waits.end());
  state.counters["median_ms"] = waits[waits.size() / 2];
  state.counters["p99.9_ms"] = waits[waits.size() * 999 / 1000];
  state.counters["longest_ms"] = waits.back();
  state.counters["log_MiB"] = static_cast<double>(std::filesystem::file_size(
                                  directory + "/store.db-wal")) /
                              (1 << 20);
  reader = nullptr;
  (*store)->Close();
  std::filesystem::remove_all(directory);
}
BENCHMARK(BM_LongestCommit)
    ->ArgName("disturbance")
    ->Arg(kNothing)
    ->Arg(kLongReader)
    ->Arg(kBackup)
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace matrixcore
