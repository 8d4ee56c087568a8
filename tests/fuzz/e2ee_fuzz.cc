// What clients upload of keys, signatures, backups and to-device messages: any
// JSON is judged, never an internal failure, and what was accepted can be read.
// The first byte says what the rest is sent to.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/dehydrated_devices.h"
#include "matrixcore/service/key_backup.h"
#include "matrixcore/service/keys.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/to_device.h"
#include "matrixcore/testing/sim.h"

namespace mc = matrixcore;

namespace {

constexpr char kUser[] = "@a:x";

// Accepted, or refused with an errcode.
void Judged(const mc::Status& status) {
  MC_FUZZ_CHECK(status.ok() || !status.errcode().empty());
}
void Json(const mc::Result<std::string>& answer) {
  Judged(answer.status());
  if (answer.ok()) MC_FUZZ_CHECK(mc::json::Document::ParseView(*answer).ok());
}

class World {
 public:
  World() {
    mc::Schema schema;
    schema.version = mc::tables::kSchemaVersion;
    schema.tables = mc::tables::AccountTables();
    for (const mc::TableSpec& table : mc::tables::RoomTables()) {
      schema.tables.push_back(table);
    }
    store_ = mc::NewMemoryStore(schema);
    unfinished_ = std::make_unique<mc::UnfinishedWork>(
        mc::UnfinishedWork::Deps{*store_, time_, time_, executor_, *log_});
    accounts_ = std::make_unique<mc::AccountService>(
        mc::AccountService::Options{.server_name = "x"},
        mc::AccountService::Deps{*store_, time_, *random_, executor_, time_,
                                 *log_, caches_, *unfinished_});
    notifier_ = std::make_unique<mc::Notifier>(*store_, joined_, executor_,
                                               time_, time_, *metrics_);
    mc::WriteBatch batch;
    batch.PutRow(mc::tables::kUsers, {kUser,
                                      {},
                                      int64_t{0},
                                      int64_t{0},
                                      int64_t{0},
                                      {},
                                      int64_t{0},
                                      int64_t{0},
                                      int64_t{0}});
    batch.PutRow(mc::tables::kDevices, {kUser, "D", {}, int64_t{0}});
    MC_FUZZ_CHECK(store_->Commit(std::move(batch)).ok());
    session_.user_id = kUser;
    session_.device_id = "D";
  }
  ~World() { notifier_->Shutdown(); }

  void Send(uint8_t where, mc::json::Value body) {
    mc::KeyService keys({*store_, time_, *notifier_, "x"}, *accounts_);
    mc::CrossSigningService cross_signing({*store_, *notifier_, "x"},
                                          *accounts_);
    mc::DehydratedDeviceService dehydrated(*store_, *accounts_);
    switch (where % 8) {
      case 0:
        Judged(keys.Upload(session_, body).status());
        break;
      case 1:
        Json(keys.Query(kUser, body));
        break;
      case 2:
        Json(keys.Claim(body));
        break;
      case 3:
        Judged(cross_signing.UploadKeys(kUser, body, true).status());
        break;
      case 4:
        Judged(cross_signing.UploadSignatures(kUser, body).status());
        break;
      case 5:
        SendToDevice(body);
        break;
      case 6:
        Judged(dehydrated.Put(kUser, body).status());
        break;
      default:
        BackUp(body);
    }
    const auto query =
        mc::json::Document::Parse(R"({"device_keys":{"@a:x":[]}})");
    const auto answer = keys.Query(kUser, query->root());
    MC_FUZZ_CHECK(answer.ok());
    Json(answer);
  }

 private:
  void SendToDevice(mc::json::Value body) {
    mc::ToDeviceService to_device({}, {*store_, time_, *notifier_, "x"},
                                  *accounts_);
    Judged(to_device.Send(session_, "t", "1", body));
    const auto messages = to_device.Read(kUser, "D", 0, 10);
    MC_FUZZ_CHECK(messages.ok());
    for (const mc::ToDeviceMessage& message : *messages) Json(message.json);
  }

  void BackUp(mc::json::Value body) {
    mc::KeyBackupService backups({}, *store_, *accounts_);
    const auto data = mc::json::Document::Parse("{}");
    MC_FUZZ_CHECK(backups.Create(kUser, "m.a", data->root()).ok());
    std::optional<int64_t> current;
    const mc::KeyBackupService::Place place{.user_id = kUser, .version = "1"};
    const auto change = backups.Put(place, body, &current);
    Judged(change.status());
    Json(backups.GetKeys(place));
    const auto info = backups.Get(kUser, "1");
    MC_FUZZ_CHECK(info.ok() &&
                  info->count == (change.ok() ? change->count : 0));
  }

  mc::SimTime time_;
  mc::SimExecutor executor_;
  mc::JoinedUsers joined_;
  std::unique_ptr<mc::Random> random_ = mc::NewSeededRandom(1);
  std::unique_ptr<mc::Logger> log_ = mc::NewNullLogger();
  std::unique_ptr<mc::Metrics> metrics_ = mc::NewMetrics();
  std::unique_ptr<mc::Store> store_;
  mc::CacheBudget caches_{8 << 20};
  std::unique_ptr<mc::UnfinishedWork> unfinished_;
  std::unique_ptr<mc::AccountService> accounts_;
  std::unique_ptr<mc::Notifier> notifier_;
  mc::Session session_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto body = mc::json::Document::Parse(
      std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  if (!body.ok()) return 0;
  World().Send(data[0], body->root());
  return 0;
}
