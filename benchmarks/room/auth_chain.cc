// What a large room costs that is resolved, or asked for auth chains, for the
// first time after a restart.
//
//   auth-chain [--events N] [--members M] [--dir DIR] [--old]
//
// One room on SQLite with N state events: M members, who then change their
// display names, so that chains are as long as those of busy rooms.  Each
// figure is the median of some runs, each with empty caches and a store that
// was just opened; the system's file cache is as it is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench_room.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/stored_graph.h"

namespace matrixcore {
namespace {

constexpr int kRuns = 5;

// Makes the room; gives its id.
std::string Fill(Store& store, int events, int members) {
  BenchRoom room(store);
  for (int done = 4; done < events;) {
    std::vector<EventDraft> drafts;
    for (; drafts.size() < 100 && done < events; ++done) {
      const int n = done < members ? done
                                   : static_cast<int>(room.random().Below(
                                         static_cast<uint64_t>(members)));
      const std::string user =
          fmt::format("@member{}:example.org", std::max(n, 4));
      drafts.push_back(Draft(
          kTypeMember, user, user,
          fmt::format(R"({{"displayname":"Name {}","membership":"join"}})",
                      room.random().Below(1'000'000))));
    }
    room.Send(std::move(drafts));
  }
  return room.id();
}

struct Run {
  RoomReader& reader;
  RoomHead head;
};

double Seconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

void Measure(const std::string& path, const std::string& room,
             std::string_view name, const std::function<void(Run&)>& what) {
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    const std::unique_ptr<Store> store =
        Must(OpenSqliteStore(path, RoomSchema()));
    {
      RoomCaches caches({.event_bytes = 0, .state_bytes = size_t{8} << 20});
      const auto snapshot = Must(store->NewSnapshot());
      RoomReader reader(*snapshot, caches);
      Run run{reader, *Must(reader.Head(room))};
      times.push_back(Seconds([&] { what(run); }));
    }
    store->Close();
  }
  std::sort(times.begin(), times.end());
  fmt::print("{:<48} {:>9.1f} ms\n", name, 1e3 * times[kRuns / 2]);
  std::fflush(stdout);
}

void ChainOfState(Run& run) {
  const StateMapPtr state = Must(run.reader.State(run.head, run.head.state));
  const auto chain =
      Must(StoredAuthChain(run.reader, run.head, state->events()));
  if (chain.size() < state->size()) Fail("a chain is too short");
}

void ChainOfLast(Run& run) {
  const auto chain =
      Must(StoredAuthChain(run.reader, run.head, {run.head.last_idx}));
  if (chain.size() < 4) Fail("a chain is too short");
}

void Resolve(Run& run, StateSnap back) {
  const StateSnap states[] = {run.head.state, run.head.state - back};
  if (Must(ResolveStored(run.reader, run.head, states)).empty()) {
    Fail("a resolution lost all");
  }
}

int Bench(int events, int members, const std::string& directory, bool old) {
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/chain.db";
  std::string room;
  {
    const std::unique_ptr<Store> store =
        Must(OpenSqliteStore(path, RoomSchema()));
    room = Fill(*store, events, members);
    if (old) {
      const auto snapshot = Must(store->NewSnapshot());
      for (const Row& row :
           Must(snapshot->Scan({.table = &tables::kAuthEdges}))) {
        WriteBatch batch;
        batch.DeleteRow(tables::kAuthEdges,
                        {CellInt(row[tables::AuthEdges::kRoom]),
                         CellInt(row[tables::AuthEdges::kIdx])});
        store->CommitAsync(std::move(batch), [](Result<CommitInfo>) {});
      }
    }
    store->Close();
  }
  fmt::print("{} state events, {} members{}\n", events, members,
             old ? ", without stored edges" : "");
  Measure(path, room, "auth chain of the newest event", ChainOfLast);
  Measure(path, room, "auth chains of the current state", ChainOfState);
  Measure(path, room, "first resolution, 100 changes apart",
          [](Run& run) { Resolve(run, 100); });
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace matrixcore

int main(int argc, char** argv) {
  int events = 50'000;
  int members = 10'000;
  std::string directory = "auth-chain.data";
  bool old = false;
  CLI::App app("What the first auth chain and resolution of a room cost");
  app.add_option("--events", events, "State events of the room")
      ->capture_default_str()
      ->check(CLI::Range(1000, 10'000'000));
  app.add_option("--members", members, "Users in the room")
      ->capture_default_str()
      ->check(CLI::Range(10, 1'000'000));
  app.add_option("--dir", directory, "Where to make the database")
      ->capture_default_str();
  app.add_flag("--old", old, "As a room of before schema version 3");
  CLI11_PARSE(app, argc, argv);
  return matrixcore::Bench(events, members, directory, old);
}
