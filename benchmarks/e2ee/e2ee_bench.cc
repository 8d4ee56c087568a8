// The server's part in end-to-end encryption: claims, key queries, to-device
// messages, backups; over SQLite as it is shipped, without HTTP.
//
//   e2ee_bench --benchmark_counters_tabular=true
//
// Claims and messages are also counted by a second of processor time
// (per_cpu_second): that of all threads together, the store's included.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/key_backup.h"
#include "matrixcore/service/keys.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/to_device.h"
#include "matrixcore/testing/client_keys.h"

namespace matrixcore {
namespace {

constexpr int kUsers = 1000;
constexpr int kDevices = 5;  // Of a user.
constexpr size_t kRowsOfBatch = 20'000;

std::string UserId(int n) { return fmt::format("@user{}:x", n); }
std::string DeviceId(int n) { return fmt::format("DEVICE{}", n); }

[[noreturn]] void Die(const Status& status) {
  fmt::print(stderr, "e2ee_bench: {}\n", status.ToString());
  std::exit(1);
}
template <typename T>
T OrDie(Result<T> result) {
  if (!result.ok()) Die(result.status());
  return std::move(*result);
}

// Commits many rows in batches of a moderate size.
class Filler {
 public:
  explicit Filler(Store& store) : store_(store) {}
  ~Filler() { Flush(); }
  void Put(const TableSpec& table, BatchRow row) {
    batch_.PutRow(table, std::move(row));
    if (batch_.operations().size() >= kRowsOfBatch) Flush();
  }
  PositionRef NewPosition() { return batch_.NewPosition(); }

 private:
  void Flush() { OrDie(store_.Commit(std::exchange(batch_, WriteBatch()))); }
  Store& store_;
  WriteBatch batch_;
};

double ProcessCpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

// Every user has a cross-signing identity and devices with keys.
class World {
 public:
  World() {
    char name[] = "/tmp/e2ee_bench_XXXXXX";
    if (::mkdtemp(name) == nullptr) std::exit(1);
    directory_ = name;
    Schema schema;
    schema.version = tables::kSchemaVersion;
    for (const auto& tables : {tables::RoomTables(), tables::AccountTables()}) {
      schema.tables.insert(schema.tables.end(), tables.begin(), tables.end());
    }
    store = OrDie(OpenSqliteStore(directory_ + "/store.db", schema));
    unfinished = std::make_unique<UnfinishedWork>(
        UnfinishedWork::Deps{*store, *clock, *timers, *executor, *log});
    accounts = std::make_unique<AccountService>(
        AccountService::Options{.server_name = "x"},
        AccountService::Deps{*store, *clock, *random, *executor, *timers, *log,
                             caches, *unfinished});
    notifier = std::make_unique<Notifier>(*store, joined, *executor, *timers,
                                          *clock, *metrics);
    keys = std::make_unique<KeyService>(
        KeyService::Deps{*store, *clock, *notifier, "x"}, *accounts);
    to_device = std::make_unique<ToDeviceService>(
        ToDeviceService::Options{},
        ToDeviceService::Deps{*store, *clock, *notifier, "x"}, *accounts);
    backups = std::make_unique<KeyBackupService>(KeyBackupService::Options{},
                                                 *store, *accounts);
    Filler rows(*store);
    for (int user = 0; user < kUsers; ++user) AddUser(rows, UserId(user));
  }
  ~World() {
    notifier->Shutdown();
    executor->Shutdown();
    store->Close();
    std::filesystem::remove_all(directory_);
  }

  // One-time keys for the first `users` users, `count` for each device.
  void AddOneTimeKeys(int users, int count) {
    Filler rows(*store);
    for (int user = 0; user < users; ++user) {
      for (int device = 0; device < kDevices; ++device) {
        for (int key = 0; key < count; ++key) {
          rows.Put(
              tables::kOneTimeKeys,
              {UserId(user), DeviceId(device), kAlgorithm, rows.NewPosition(),
               int64_t{0}, fmt::format("{}:{}", kAlgorithm, ++last_key_),
               fmt::format(R"({{"key":"{:043}","signatures":{{"{}":)"
                           R"({{"ed25519:{}":"{:086}"}}}}}})",
                           last_key_, UserId(user), DeviceId(device), 0)});
        }
        rows.Put(tables::kOneTimeKeyCounts,
                 {UserId(user), DeviceId(device), kAlgorithm, int64_t{count},
                  int64_t{count}});
      }
    }
  }

  Session SessionOf(int user, int device) {
    Session session;
    session.user_id = UserId(user);
    session.device_id = DeviceId(device);
    return session;
  }

  static constexpr char kAlgorithm[] = "signed_curve25519";

  std::unique_ptr<Store> store;
  const std::unique_ptr<Clock> clock = NewSystemClock();
  const std::unique_ptr<Random> random = NewSeededRandom(1);
  const std::unique_ptr<Executor> executor = NewThreadPool("bench", 1, 1000);
  const std::unique_ptr<Timers> timers = NewThreadTimers(*clock);
  const std::unique_ptr<Logger> log = NewNullLogger();
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  JoinedUsers joined;
  CacheBudget caches{64 << 20};
  std::unique_ptr<UnfinishedWork> unfinished;
  std::unique_ptr<AccountService> accounts;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<KeyService> keys;
  std::unique_ptr<ToDeviceService> to_device;
  std::unique_ptr<KeyBackupService> backups;

 private:
  void AddUser(Filler& rows, const std::string& user) {
    rows.Put(tables::kUsers, {user,
                              {},
                              int64_t{0},
                              int64_t{0},
                              int64_t{0},
                              {},
                              int64_t{0},
                              int64_t{0},
                              int64_t{0}});
    const ClientIdentity identity(*random);
    for (const auto& [usage, key, json] :
         {std::tuple("master", &identity.master, identity.MasterJson(user)),
          std::tuple("self_signing", &identity.self_signing,
                     identity.SelfSigningJson(user)),
          std::tuple("user_signing", &identity.user_signing,
                     identity.UserSigningJson(user))}) {
      rows.Put(tables::kCrossSigningKeys,
               {user, std::string(usage), key->public_key(), json});
    }
    for (int n = 0; n < kDevices; ++n) {
      const std::string device = DeviceId(n);
      const ClientKey key(*random, device);
      rows.Put(tables::kDevices, {user, device, "A device", int64_t{0}});
      rows.Put(tables::kDeviceKeys,
               {user, device,
                identity.self_signing.Sign(DeviceKeysJson(user, device, key),
                                           user)});
    }
    rows.Put(tables::kDeviceListChanges, {user, rows.NewPosition()});
  }

  std::string directory_;
  int64_t last_key_ = 0;
};

// Made by the first benchmark that needs it.
World& TheWorld() {
  static World world;
  return world;
}

// --- Claims ---

constexpr int kClaimedUsers = 200;
constexpr int kKeysOfDevice = 100;

double cpu_before = 0;

// Each thread claims keys of devices that it goes through in an order of its
// own; state.range(0) of them in a request.
void Claim(benchmark::State& state) {
  World& world = TheWorld();
  if (state.thread_index() == 0) {
    world.AddOneTimeKeys(kClaimedUsers, kKeysOfDevice);
    cpu_before = ProcessCpuSeconds();
  }
  const int64_t in_request = state.range(0);
  uint64_t next = static_cast<uint64_t>(state.thread_index()) * 7919;
  int64_t given = 0;
  for (auto _ : state) {
    std::map<int, std::string> users;
    for (int64_t i = 0; i < in_request; ++i, ++next) {
      const int user = static_cast<int>(next % kClaimedUsers);
      const int device = static_cast<int>(next / kClaimedUsers % kDevices);
      std::string& devices = users[user];
      devices += fmt::format(R"({}"{}":"{}")", devices.empty() ? "" : ",",
                             DeviceId(device), World::kAlgorithm);
    }
    std::string body = R"({"one_time_keys":{)";
    for (const auto& [user, devices] : users) {
      body += fmt::format(R"("{}":{{{}}},)", UserId(user), devices);
    }
    body.back() = '}';
    body += "}";
    const auto document = json::Document::Parse(std::move(body));
    const std::string answer = OrDie(world.keys->Claim(document->root()));
    for (size_t at = 0; (at = answer.find("\"key\"", at)) != std::string::npos;
         ++at) {
      ++given;
    }
  }
  state.SetItemsProcessed(given);
  // Of the last thread to come: all have done their work but for a moment.
  state.counters["per_cpu_second"] = benchmark::Counter(
      static_cast<double>(given) / (ProcessCpuSeconds() - cpu_before));
  state.counters["given"] = static_cast<double>(given);
}
BENCHMARK(Claim)->Arg(1)->Iterations(3000)->UseRealTime();
BENCHMARK(Claim)->Arg(1)->Threads(8)->Iterations(3000)->UseRealTime();
BENCHMARK(Claim)->Arg(1)->Threads(64)->Iterations(1000)->UseRealTime();
BENCHMARK(Claim)->Arg(100)->Iterations(300)->UseRealTime();
BENCHMARK(Claim)->Arg(100)->Threads(8)->Iterations(60)->UseRealTime();

// --- Queries ---

// All devices of state.range(0) users.
void Query(benchmark::State& state) {
  World& world = TheWorld();
  std::string body = R"({"device_keys":{)";
  for (int user = 0; user < state.range(0); ++user) {
    body += fmt::format(R"("{}":[],)", UserId(user));
  }
  body.back() = '}';
  body += "}";
  const auto document = json::Document::Parse(std::move(body));
  size_t bytes = 0;
  for (auto _ : state) {
    bytes = OrDie(world.keys->Query(UserId(0), document->root())).size();
  }
  state.counters["answer_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(Query)->Arg(1)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);

// --- To-device messages ---

// One room key to one device of each of state.range(0) users.
void SendToDevice(benchmark::State& state) {
  World& world = TheWorld();
  std::string body = "{";
  for (int user = 0; user < state.range(0); ++user) {
    body += fmt::format(
        R"("{}":{{"{}":{{"algorithm":"m.olm","ciphertext":"{}"}}}},)",
        UserId(user), DeviceId(0), std::string(1000, 'x'));
  }
  body.back() = '}';
  const auto document = json::Document::Parse(std::move(body));
  const Session session = world.SessionOf(0, 1);
  static int64_t transactions = 0;
  const double cpu = ProcessCpuSeconds();
  for (auto _ : state) {
    const Status sent =
        world.to_device->Send(session, "m.room.encrypted",
                              fmt::to_string(++transactions), document->root());
    if (!sent.ok()) Die(sent);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["per_cpu_second"] =
      static_cast<double>(state.items_processed()) /
      (ProcessCpuSeconds() - cpu);
  for (int user = 0; user < state.range(0); ++user) {
    (void)world.to_device->Acknowledge(UserId(user), DeviceId(0), INT64_MAX);
  }
}
BENCHMARK(SendToDevice)
    ->Arg(1)
    ->Arg(100)
    ->Arg(1000)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

// A page of a queue that holds state.range(0) messages, read as a sync does.
void ReadQueue(benchmark::State& state) {
  World& world = TheWorld();
  const std::string user = UserId(kUsers - 1);
  {
    Filler rows(*world.store);
    const std::string event = fmt::format(
        R"({{"content":{{"ciphertext":"{}"}},"sender":"@a:x","type":"m.t"}})",
        std::string(1000, 'x'));
    for (int64_t n = 0; n < state.range(0); ++n) {
      rows.Put(tables::kToDevice,
               {user, DeviceId(0), rows.NewPosition(), event});
    }
  }
  for (auto _ : state) {
    const auto snapshot = OrDie(world.store->NewSnapshot());
    benchmark::DoNotOptimize(OrDie(ToDeviceService::Read(
        *snapshot, user, DeviceId(0), 0, ToDeviceService::kMaxInAnswer)));
  }
  (void)world.to_device->Acknowledge(user, DeviceId(0), INT64_MAX);
}
BENCHMARK(ReadQueue)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// --- Backups ---

constexpr int64_t kRooms = 100;

std::string BackupKey(int64_t first_index) {
  return fmt::format(
      R"({{"first_message_index":{},"forwarded_count":0,"is_verified":true,)"
      R"("session_data":{{"ciphertext":"{}","ephemeral":"{:043}","mac":"{:011}"}}}})",
      first_index, std::string(600, 'c'), 0, 0);
}

// A user whose backup has so many keys.
struct Backup {
  std::string user;
  std::string version;
};
Backup MakeBackup(World& world, int64_t size) {
  Backup backup{fmt::format("@backup{}:x", size), ""};
  const auto auth_data = json::Document::Parse("{}");
  backup.version = fmt::to_string(
      OrDie(world.backups->Create(backup.user, "m.a", auth_data->root())));
  Filler rows(*world.store);
  const std::string json = BackupKey(5);
  for (int64_t n = 0; n < size; ++n) {
    rows.Put(tables::kBackedUpKeys,
             {backup.user, int64_t{1}, fmt::format("!room{:03}:x", n % kRooms),
              fmt::format("session{:09}", n / kRooms), int64_t{5}, int64_t{0},
              int64_t{1}, json});
  }
  rows.Put(tables::kKeyBackups, {backup.user, int64_t{1}, "m.a", "{}", size,
                                 int64_t{1}, int64_t{0}});
  return backup;
}
const Backup& BackupOf(World& world, int64_t size) {
  static std::map<int64_t, Backup> backups;
  const auto known = backups.find(size);
  if (known != backups.end()) return known->second;
  return backups.emplace(size, MakeBackup(world, size)).first->second;
}

void BackupPut(benchmark::State& state) {
  World& world = TheWorld();
  const Backup& backup = BackupOf(world, state.range(0));
  const auto key = json::Document::Parse(BackupKey(1));
  static int64_t session = 0;
  for (auto _ : state) {
    const std::string id = fmt::format("new{}", ++session);
    std::optional<int64_t> current;
    OrDie(world.backups->Put({.user_id = backup.user,
                              .version = backup.version,
                              .room_id = "!room007:x",
                              .session_id = id},
                             key->root(), &current));
  }
}
BENCHMARK(BackupPut)->Arg(1000)->Arg(1'000'000)->UseRealTime()->Unit(
    benchmark::kMicrosecond);

void BackupGet(benchmark::State& state) {
  World& world = TheWorld();
  const Backup& backup = BackupOf(world, state.range(0));
  int64_t n = 0;
  for (auto _ : state) {
    n = (n + 7919) % state.range(0);
    const std::string room = fmt::format("!room{:03}:x", n % kRooms);
    const std::string session = fmt::format("session{:09}", n / kRooms);
    benchmark::DoNotOptimize(
        OrDie(world.backups->GetKeys({.user_id = backup.user,
                                      .version = backup.version,
                                      .room_id = room,
                                      .session_id = session})));
  }
}
BENCHMARK(BackupGet)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

void BackupEtag(benchmark::State& state) {
  World& world = TheWorld();
  const Backup& backup = BackupOf(world, state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        OrDie(world.backups->Get(backup.user, std::nullopt)));
  }
}
BENCHMARK(BackupEtag)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

// All keys of one room.
void BackupGetRoom(benchmark::State& state) {
  World& world = TheWorld();
  const Backup& backup = BackupOf(world, state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        OrDie(world.backups->GetKeys({.user_id = backup.user,
                                      .version = backup.version,
                                      .room_id = "!room050:x"})));
  }
}
BENCHMARK(BackupGetRoom)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// The whole backup goes; and how long somebody else's write takes meanwhile is
// the time of one page of it.
void BackupDelete(benchmark::State& state) {
  World& world = TheWorld();
  const Backup& backup = BackupOf(world, state.range(0));
  for (auto _ : state) {
    const Status done = world.backups->Delete(backup.user, backup.version);
    if (!done.ok()) Die(done);
  }
}
BENCHMARK(BackupDelete)
    ->Arg(1'000'000)
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace matrixcore
