// What a room costs as it ages: bytes on disk, reading the state at an event,
// appending; at 1,000, 10,000, 100,000 and 1,000,000 events in ONE room.
//
//   room-growth [--events N] [--dir DIR] [--members M] [--keep]
//
// One room on SQLite, as large as it is from the start (M members), so that its
// age is all that changes.  Events come through the RoomWriter: authorised,
// hashed, signed.  Of a hundred, 88 are messages of random members, some of
// them replies and reactions, 5 change memberships, 4 display names, 2 other
// state, and one redacts.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench_room.h"
#include "matrixcore/backends/sqlite.h"

namespace matrixcore {
namespace {

// Events of one commit while the room is filled.
constexpr int64_t kFillBatch = 100;

using WallClock = std::chrono::steady_clock;

double SecondsSince(WallClock::time_point start) {
  return std::chrono::duration<double>(WallClock::now() - start).count();
}

// Of all threads.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

// Events as people send them.
class Crowd {
 public:
  explicit Crowd(int members) : members_(static_cast<size_t>(members), true) {}

  static std::string Name(size_t n) {
    return fmt::format("@member{}:example.org", n);
  }
  size_t size() const { return members_.size(); }

  EventDraft Next() {
    const uint64_t dice = random_->Below(100);
    if (dice < 5) return ChangeMembership();
    const size_t n = Somebody();
    if (dice < 9) {
      return Draft(kTypeMember, Name(n), Name(n),
                   fmt::format(R"({{"displayname":"Member {} in {}",)"
                               R"("membership":"join"}})",
                               n, random_->Below(1'000'000)));
    }
    if (dice < 11) {
      return Draft(
          "org.example.note", kAlice, fmt::format("note{}", random_->Below(20)),
          fmt::format(R"({{"text":"{}"}})", random_->AlphaNumeric(60)));
    }
    if (dice < 12 && !last_id_.empty()) {
      EventDraft draft = Draft(kTypeRedaction, kAlice, std::nullopt,
                               fmt::format(R"({{"redacts":"{}"}})", last_id_));
      last_id_.clear();
      return draft;
    }
    if (dice < 22 && !last_id_.empty()) {
      return Draft("m.reaction", Name(n), std::nullopt,
                   fmt::format(R"({{"m.relates_to":{{"event_id":"{}","key":)"
                               R"("{}","rel_type":"m.annotation"}}}})",
                               last_id_, random_->AlphaNumeric(3)));
    }
    return Draft(kTypeMessage, Name(n), std::nullopt,
                 fmt::format(R"({{"body":"{}","msgtype":"m.text"}})",
                             random_->AlphaNumeric(20 + random_->Below(120))));
  }
  void Sent(const std::string& id) { last_id_ = id; }

 private:
  size_t Somebody() {
    for (;;) {
      const size_t n = random_->Below(members_.size());
      if (members_[n]) return n;
    }
  }
  EventDraft ChangeMembership() {
    const size_t n = random_->Below(members_.size());
    members_[n] = !members_[n];
    return Draft(
        kTypeMember, Name(n), Name(n),
        members_[n] ? R"({"membership":"join"})" : R"({"membership":"leave"})");
  }

  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::vector<bool> members_;
  std::string last_id_;
};

// A room floor on a database, with one room.
class Floor {
 public:
  explicit Floor(const std::string& path, int members)
      : path_(path),
        store_(Must(OpenSqliteStore(path, RoomSchema()))),
        crowd_(members) {
    room_.emplace(*store_);
    for (size_t n = 0; n < crowd_.size(); ++n) {
      Send({Draft(kTypeMember, Crowd::Name(n), Crowd::Name(n),
                  R"({"membership":"join"})")});
    }
    grown_ = Head();
  }
  ~Floor() {
    room_.reset();
    store_->Close();
  }

  void Send(std::vector<EventDraft> drafts) {
    crowd_.Sent(room_->Send(std::move(drafts)));
  }
  // So many events in one commit.
  void Append(int64_t count) {
    std::vector<EventDraft> drafts;
    for (int64_t i = 0; i < count; ++i) drafts.push_back(crowd_.Next());
    Send(std::move(drafts));
  }

  RoomHead Head() {
    const auto snapshot = Must(store_->NewSnapshot());
    return *Must(RoomReader(*snapshot, room_->caches()).Head(room_->id()));
  }

  // A random event since the members have joined: all states from there on are
  // of a size.
  EventIdx RandomEvent(const RoomHead& head) {
    const EventIdx first = grown_.last_idx;
    return static_cast<EventIdx>(first + 1 +
                                 room_->random().Below(head.last_idx - first));
  }
  // Seconds to read the state before an event, in full.  `cold`: with caches
  // that are empty, SQLite's too: a commit makes a reader forget its pages.
  double ReadState(const RoomHead& head, EventIdx idx, bool cold) {
    CacheBudget empty(size_t{64} << 20);
    RoomCaches none(empty);
    if (cold) {
      WriteBatch batch;
      batch.PutRow(tables::kRoomCounters, {"benchmark", int64_t{idx}});
      Must(store_->Commit(std::move(batch)));
    }
    const auto start = WallClock::now();
    const auto snapshot = Must(store_->NewSnapshot());
    RoomReader reader(*snapshot, cold ? none : room_->caches());
    const auto events = Must(reader.StoredEvents(head, {&idx, 1}));
    const StateMapPtr state = Must(reader.State(head, events[0].before));
    size_t keys = 0;
    state->ForEach([&keys](StateKeyNum, EventIdx) { ++keys; });
    const double seconds = SecondsSince(start);
    if (keys != state->size()) Fail("a state is not of its size");
    return seconds;
  }

  Store& store() { return *store_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  std::unique_ptr<Store> store_;
  Crowd crowd_;
  std::optional<BenchRoom> room_;
  RoomHead grown_;  // When all had joined.
};

// --- What the file holds ---

struct Disk {
  int64_t all = 0;
  int64_t states = 0;  // Snapshots and names of keys.
};

Disk ReadDisk(const std::string& path) {
  const auto trees = MeasureSqlite(path);
  if (!trees.ok()) Fail(trees.status().ToString());
  Disk disk;
  for (const SqliteTreeInfo& tree : *trees) {
    const auto bytes = static_cast<int64_t>(tree.bytes);
    disk.all += bytes;
    if (tree.table.starts_with("state_")) disk.states += bytes;
  }
  return disk;
}

// --- Measuring ---

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename Run>
double MedianOf(int times, Run run) {
  std::vector<double> values;
  for (int i = 0; i < times; ++i) values.push_back(run());
  return Median(std::move(values));
}

double Timed(const std::function<void()>& run) {
  const auto start = WallClock::now();
  run();
  return SecondsSince(start);
}

struct Line {
  int64_t events = 0;
  double disk_per_event = 0;  // Bytes, of the events since the last line.
  double disk_per_change = 0;
  double cold_us = 0;
  double warm_us = 0;
  double append_one_us = 0;
  double append_one_cpu_us = 0;
  double append_many_us = 0;  // Of one event.
  double append_many_cpu_us = 0;
};

// What was there at the line before.
struct Before {
  Disk disk;
  RoomHead head;
};

Line Measure(Floor& floor, Before& before) {
  Line line;
  const RoomHead head = floor.Head();
  line.events = head.last_idx;
  const Disk disk = ReadDisk(floor.path());
  const auto per = [](int64_t bytes, int64_t count) {
    return count == 0 ? 0
                      : static_cast<double>(bytes) / static_cast<double>(count);
  };
  line.disk_per_event =
      per(disk.all - before.disk.all, head.last_idx - before.head.last_idx);
  line.disk_per_change = per(disk.states - before.disk.states,
                             head.last_snap - before.head.last_snap);
  before = {disk, head};

  line.cold_us = 1e6 * MedianOf(300, [&] {
                   return floor.ReadState(head, floor.RandomEvent(head), true);
                 });
  line.warm_us = 1e6 * MedianOf(300, [&] {
                   const EventIdx idx = floor.RandomEvent(head);
                   floor.ReadState(head, idx, false);
                   return floor.ReadState(head, idx, false);
                 });

  constexpr int kSingle = 200;
  double cpu = CpuSeconds();
  line.append_one_us =
      1e6 * MedianOf(kSingle, [&] { return Timed([&] { floor.Append(1); }); });
  line.append_one_cpu_us = 1e6 * (CpuSeconds() - cpu) / kSingle;
  constexpr int kBatches = 20;
  cpu = CpuSeconds();
  line.append_many_us = 1e6 / kFillBatch * MedianOf(kBatches, [&] {
                          return Timed([&] { floor.Append(kFillBatch); });
                        });
  line.append_many_cpu_us =
      1e6 * (CpuSeconds() - cpu) / (kBatches * kFillBatch);
  return line;
}

void Fill(Floor& floor, int64_t from, int64_t to) {
  const auto start = WallClock::now();
  auto shown = start;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  for (int64_t have = from; have < to;) {
    const int64_t count = std::min(kFillBatch, to - have);
    floor.Append(count);
    have += count;
    if (SecondsSince(shown) < (terminal ? 1 : 30)) continue;
    shown = WallClock::now();
    fmt::print(stderr, "{}room-growth: {} of {} events, {:.0f} a second{}",
               terminal ? "\r" : "", have, to,
               static_cast<double>(have - from) / SecondsSince(start),
               terminal ? "" : "\n");
  }
  if (terminal) fmt::print(stderr, "\r{:60}\r", "");
}

std::string Machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.starts_with("model name")) {
      return fmt::format("{} x {}", std::thread::hardware_concurrency(),
                         line.substr(line.find(':') + 2));
    }
  }
  return fmt::format("{} processors", std::thread::hardware_concurrency());
}

void Print(const Line& line) {
  fmt::print(
      "| {:>9} | {:>8.0f} | {:>8.0f} | {:>8.0f} | {:>8.0f} | {:>8.0f} | "
      "{:>8.0f} | {:>8.0f} | {:>8.0f} |\n",
      line.events, line.disk_per_event, line.disk_per_change, line.cold_us,
      line.warm_us, line.append_one_us, line.append_one_cpu_us,
      line.append_many_us, line.append_many_cpu_us);
  std::fflush(stdout);
}

int Run(int64_t most, int members, const std::string& directory, bool keep) {
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/growth.db";
  if (std::filesystem::exists(path)) {
    Fail(fmt::format("{} exists; remove it or name another --dir", path));
  }
  fmt::print("machine: {}; {} members\n\n", Machine(), members);
  fmt::print(
      "Times in microseconds, the median.  CPU: of all threads.\n\n"
      "|    events | B/event  | B/change | cold     | warm     | one      | "
      "one, CPU | batched  | b., CPU  |\n"
      "|----------:|---------:|---------:|---------:|---------:|---------:|"
      "---------:|---------:|---------:|\n");
  {
    Floor floor(path, members);
    Before before{ReadDisk(path), floor.Head()};
    for (int64_t events = 1000; events <= most; events *= 10) {
      Fill(floor, floor.Head().last_idx, events);
      Print(Measure(floor, before));
    }
  }
  if (!keep) std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace matrixcore

int main(int argc, char** argv) {
  int64_t events = 1'000'000;
  int members = 500;
  std::string directory = "room-growth.data";
  bool keep = false;
  CLI::App app("What a room costs as it ages");
  app.add_option("--events", events, "How large the room becomes")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1000}, int64_t{100'000'000}));
  app.add_option("--members", members, "Users in the room")
      ->capture_default_str()
      ->check(CLI::Range(2, 100'000));
  app.add_option("--dir", directory,
                 "Where to make the database: on the disk to be measured")
      ->capture_default_str();
  app.add_flag("--keep", keep, "Leave the database there");
  CLI11_PARSE(app, argc, argv);
  return matrixcore::Run(events, members, directory, keep);
}
