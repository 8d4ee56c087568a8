// Keys, signatures, backups and to-device messages for a program that has its
// own HTTP layer, or none, and its own store: here the one in memory.
//
// See docs/e2ee.md for what each call guarantees.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/executor.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/key_backup.h"
#include "matrixcore/service/keys.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/to_device.h"
#include "matrixcore/testing/client_keys.h"

namespace {

namespace mc = matrixcore;

void Check(const mc::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", status.ToString());
  std::exit(1);
}
template <typename T>
T Check(mc::Result<T> result) {
  Check(result.status());
  return std::move(*result);
}

mc::json::Document Json(std::string text) {
  return Check(mc::json::Document::Parse(std::move(text)));
}

// What the services need, from the ground up.
struct Parts {
  Parts() {
    mc::Schema schema;
    schema.version = mc::tables::kSchemaVersion;
    schema.tables = mc::tables::AccountTables();
    for (const mc::TableSpec& table : mc::tables::RoomTables()) {
      schema.tables.push_back(table);
    }
    store = mc::NewMemoryStore(schema);
    unfinished = std::make_unique<mc::UnfinishedWork>(
        mc::UnfinishedWork::Deps{*store, *clock, *timers, *executor, *log});
    accounts = std::make_unique<mc::AccountService>(
        mc::AccountService::Options{.server_name = "example.org"},
        mc::AccountService::Deps{*store, *clock, *random, *executor, *timers,
                                 *log, caches, *unfinished});
    notifier = std::make_unique<mc::Notifier>(*store, joined, *executor,
                                              *timers, *clock, *metrics);
  }
  ~Parts() {
    notifier->Shutdown();
    executor->Shutdown();
    store->Close();
  }

  // A user with one device.
  mc::Session NewSession(const std::string& user_id) {
    Check(accounts->Create({.user_id = user_id}).status());
    const mc::NewSession opened = Check(accounts->OpenSession(user_id, {}));
    mc::Session session;
    session.user_id = user_id;
    session.device_id = opened.device_id;
    return session;
  }

  const std::unique_ptr<mc::Clock> clock = mc::NewSystemClock();
  const std::unique_ptr<mc::Random> random = mc::NewSystemRandom();
  const std::unique_ptr<mc::Executor> executor =
      mc::NewThreadPool("example", 1, 100);
  const std::unique_ptr<mc::Timers> timers = mc::NewThreadTimers(*clock);
  const std::unique_ptr<mc::Logger> log = mc::NewNullLogger();
  const std::unique_ptr<mc::Metrics> metrics = mc::NewMetrics();
  mc::JoinedUsers joined;
  std::unique_ptr<mc::Store> store;
  mc::CacheBudget caches{8 << 20};
  std::unique_ptr<mc::UnfinishedWork> unfinished;
  std::unique_ptr<mc::AccountService> accounts;
  std::unique_ptr<mc::Notifier> notifier;
};

}  // namespace

int main() {
  Parts parts;
  mc::KeyService keys(
      {*parts.store, *parts.clock, *parts.notifier, "example.org"},
      *parts.accounts);
  mc::CrossSigningService cross_signing(
      {*parts.store, *parts.notifier, "example.org"}, *parts.accounts);
  mc::KeyBackupService backups({}, *parts.store, *parts.accounts);
  mc::ToDeviceService to_device(
      {}, {*parts.store, *parts.clock, *parts.notifier, "example.org"},
      *parts.accounts);

  const mc::Session alice = parts.NewSession("@alice:example.org");
  const mc::Session bob = parts.NewSession("@bob:example.org");

  // What Alice's client would send.
  const mc::ClientKey device(*parts.random, alice.device_id);
  const mc::ClientIdentity identity(*parts.random);
  Check(keys.Upload(
      alice, Json(fmt::format(R"({{"device_keys":{},"one_time_keys":)"
                              R"({{"signed_curve25519:A":{{"key":"a"}}}}}})",
                              mc::DeviceKeysJson(alice.user_id, alice.device_id,
                                                 device)))
                 .root()));
  Check(cross_signing.UploadKeys(
      alice.user_id,
      Json("{" + identity.UploadMembers(alice.user_id) + "}").root(), false));

  // Bob asks for her keys, takes a one-time key, and writes to her device.
  fmt::print(
      "{}\n",
      Check(keys.Query(
          bob.user_id,
          Json(fmt::format(R"({{"device_keys":{{"{}":[]}}}})", alice.user_id))
              .root())));
  fmt::print("{}\n",
             Check(keys.Claim(Json(fmt::format(R"({{"one_time_keys":{{"{}":)"
                                               R"({{"{}":"signed_curve25519"}})"
                                               R"(}}}})",
                                               alice.user_id, alice.device_id))
                                  .root())));
  Check(to_device.Send(
      bob, "m.room.encrypted", "1",
      Json(fmt::format(R"({{"{}":{{"*":{{"ciphertext":"..."}}}}}})",
                       alice.user_id))
          .root()));
  for (const mc::ToDeviceMessage& message :
       Check(to_device.Read(alice.user_id, alice.device_id, 0, 100))) {
    fmt::print("{}\n", message.json);
    Check(to_device.Acknowledge(alice.user_id, alice.device_id, message.pos));
  }

  // Alice backs up what she has got.
  const std::string version = fmt::to_string(Check(
      backups.Create(alice.user_id, "m.megolm_backup.v1.curve25519-aes-sha2",
                     Json(R"({"public_key":"abc"})").root())));
  std::optional<int64_t> current;
  Check(backups.Put({.user_id = alice.user_id,
                     .version = version,
                     .room_id = "!room:example.org",
                     .session_id = "session"},
                    Json(R"({"first_message_index":0,"forwarded_count":0,
                             "is_verified":true,"session_data":{}})")
                        .root(),
                    &current));
  fmt::print("{} key in the backup\n",
             Check(backups.Get(alice.user_id, version)).count);
  return 0;
}
