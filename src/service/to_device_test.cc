// The queue without HTTP, and what cannot be seen through /sync.
#include "matrixcore/service/to_device.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/backends/memory.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "service/manual_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kBot = "@bot:x";
constexpr int64_t kMaxQueueBytes = 100'000;

class ToDeviceTest : public testing::Test {
 protected:
  ToDeviceTest() {
    Schema schema;
    schema.version = tables::kSchemaVersion;
    schema.tables = tables::AccountTables();
    for (const TableSpec& table : tables::RoomTables()) {
      schema.tables.push_back(table);
    }
    store_ = NewMemoryStore(schema);
    unfinished_ = std::make_unique<UnfinishedWork>(
        UnfinishedWork::Deps{*store_, clock_, timers_, executor_, *log_});
    accounts_ = std::make_unique<AccountService>(
        AccountService::Options{.server_name = "x", .password_cost = {1, 8192}},
        AccountService::Deps{*store_, clock_, *random_, executor_, timers_,
                             *log_, caches_, *unfinished_});
    notifier_ = std::make_unique<Notifier>(*store_, joined_, executor_, timers_,
                                           clock_, *metrics_);
    service_ = std::make_unique<ToDeviceService>(
        ToDeviceService::Options{.max_queue_bytes = kMaxQueueBytes},
        ToDeviceService::Deps{*store_, clock_, *notifier_, "x"}, *accounts_);
    EXPECT_TRUE(accounts_->Create({.user_id = std::string(kBot)}).ok());
    for (const char* device : {"ONE", "TWO"}) {
      EXPECT_TRUE(accounts_
                      ->OpenSession(kBot, {.device_id = device,
                                           .initial_display_name = {},
                                           .refreshable = false})
                      .ok());
    }
  }
  ~ToDeviceTest() override {
    notifier_->Shutdown();
    store_->Close();
  }

  Status Deliver(std::string_view id, std::string messages) {
    const auto document = json::Document::Parse(std::move(messages));
    return service_->Deliver("@a:far", "m.t", id, document->root());
  }
  // To device ONE, with a number.
  Status DeliverNumber(int n) {
    return Deliver(fmt::to_string(n),
                   fmt::format(R"({{"{}":{{"ONE":{{"n":{}}}}}}})", kBot, n));
  }
  std::vector<std::string> Queue(std::string_view device, Position after = 0,
                                 size_t limit = 100) {
    std::vector<std::string> all;
    const auto messages = service_->Read(kBot, device, after, limit);
    EXPECT_TRUE(messages.ok());
    for (const ToDeviceMessage& message : *messages)
      all.push_back(message.json);
    return all;
  }

  ManualClock clock_;
  ManualTimers timers_{clock_};
  ManualExecutor executor_;
  JoinedUsers joined_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<Store> store_;
  CacheBudget caches_{8 << 20};
  std::unique_ptr<UnfinishedWork> unfinished_;
  std::unique_ptr<AccountService> accounts_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<ToDeviceService> service_;
};

TEST_F(ToDeviceTest, AQueueIsReadInOrderUntilItIsAcknowledged) {
  for (int n = 1; n <= 3; ++n) ASSERT_TRUE(DeliverNumber(n).ok());
  const auto first = service_->Read(kBot, "ONE", 0, 2);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ((*first)[0].json,
            R"({"content":{"n":1},"sender":"@a:far","type":"m.t"})");
  EXPECT_EQ(Queue("ONE").size(), 3u);  // Reading takes nothing away.
  ASSERT_TRUE(service_->Acknowledge(kBot, "ONE", (*first)[1].pos).ok());
  EXPECT_THAT(
      Queue("ONE"),
      ElementsAre(R"({"content":{"n":3},"sender":"@a:far","type":"m.t"})"));
  EXPECT_THAT(Queue("TWO"), IsEmpty());
}

TEST_F(ToDeviceTest, AcknowledgingALongQueue) {
  for (int n = 0; n < 1203; ++n) ASSERT_TRUE(DeliverNumber(n).ok());
  ASSERT_TRUE(service_->Acknowledge(kBot, "ONE", INT64_MAX).ok());
  EXPECT_THAT(Queue("ONE"), IsEmpty());
}

// Spec: server-server API, "Send-to-device messaging": message_id is unique.
TEST_F(ToDeviceTest, TheSameMessageOfAnotherServerCountsOnce) {
  ASSERT_TRUE(DeliverNumber(1).ok());
  ASSERT_TRUE(DeliverNumber(1).ok());
  EXPECT_EQ(Queue("ONE").size(), 1u);
}

TEST_F(ToDeviceTest, ANamedDeviceGetsItsOwnInsteadOfWhatAllGet) {
  ASSERT_TRUE(
      Deliver("a", fmt::format(R"({{"{}":{{"*":{{"n":0}},"TWO":{{"n":2}}}}}})",
                               kBot))
          .ok());
  EXPECT_THAT(
      Queue("ONE"),
      ElementsAre(R"({"content":{"n":0},"sender":"@a:far","type":"m.t"})"));
  EXPECT_THAT(
      Queue("TWO"),
      ElementsAre(R"({"content":{"n":2},"sender":"@a:far","type":"m.t"})"));
}

TEST_F(ToDeviceTest, OtherServersAreTheHooksBusinessInTheSameBatch) {
  std::vector<std::string> seen;
  service_->OnRemote([&](WriteBatch& batch, const ToDeviceService::Remote& to) {
    EXPECT_FALSE(batch.empty());
    seen.push_back(
        fmt::format("{} {} {} {}", to.server, to.sender, to.type, to.messages));
    return OkStatus();
  });
  const auto document = json::Document::Parse(
      R"({"@p:far":{"D":{"n":1}},"@q:near":{"*":{}},"@r:far":{"E":{}},
          "@bot:x":{"ONE":{}}})");
  Session session;
  session.user_id = kBot;
  session.device_id = "TWO";
  ASSERT_TRUE(service_->Send(session, "m.t", "1", document->root()).ok());
  EXPECT_THAT(
      seen, ElementsAre(
                R"(far @bot:x m.t {"@p:far":{"D":{"n":1}},"@r:far":{"E":{}}})",
                R"(near @bot:x m.t {"@q:near":{"*":{}}})"));
  EXPECT_EQ(Queue("ONE").size(), 1u);
  // Once only, like the rest of the transaction.
  ASSERT_TRUE(service_->Send(session, "m.t", "1", document->root()).ok());
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(ToDeviceTest, WhatTheHookRefusesIsNotSentAtAll) {
  service_->OnRemote([](WriteBatch&, const ToDeviceService::Remote&) {
    return Status(StatusCode::kResourceExhausted, "too many");
  });
  EXPECT_FALSE(Deliver("a", R"({"@p:far":{"D":{}},"@bot:x":{"ONE":{}}})").ok());
  EXPECT_THAT(Queue("ONE"), IsEmpty());
}

TEST_F(ToDeviceTest, AQueueGoesWithItsDevice) {
  ASSERT_TRUE(DeliverNumber(1).ok());
  const std::string device = "ONE";
  ASSERT_TRUE(accounts_->DeleteDevices(kBot, {&device, 1}).ok());
  EXPECT_THAT(Queue("ONE"), IsEmpty());
  ASSERT_TRUE(DeliverNumber(2).ok());  // Nobody is there.
  EXPECT_THAT(Queue("ONE"), IsEmpty());
}

TEST_F(ToDeviceTest, ThereAreLimits) {
  const std::string big(ToDeviceService::kMaxMessageBytes, 'x');
  EXPECT_EQ(
      Deliver("a", fmt::format(R"({{"{}":{{"ONE":{{"n":"{}"}}}}}})", kBot, big))
          .errcode(),
      "M_TOO_LARGE");
  EXPECT_THAT(Queue("ONE"), IsEmpty());
}

TEST_F(ToDeviceTest, AFullQueueTakesNoMoreAndHoldsUpNobodyElse) {
  const std::string half(40'000, 'x');
  const auto deliver = [&](std::string_view id, std::string_view device) {
    return Deliver(id, fmt::format(R"({{"{}":{{"{}":{{"n":"{}"}}}}}})", kBot,
                                   device, half));
  };
  ASSERT_TRUE(deliver("1", "ONE").ok());
  ASSERT_TRUE(deliver("2", "ONE").ok());
  EXPECT_EQ(deliver("3", "ONE").errcode(), "M_LIMIT_EXCEEDED");
  ASSERT_TRUE(deliver("4", "*").ok());
  EXPECT_EQ(Queue("ONE").size(), 2u);
  EXPECT_EQ(Queue("TWO").size(), 1u);
  // What was refused may come again, once there is room.
  const auto messages = service_->Read(kBot, "ONE", 0, 1);
  ASSERT_TRUE(service_->Acknowledge(kBot, "ONE", messages->back().pos).ok());
  EXPECT_TRUE(deliver("3", "ONE").ok());
  EXPECT_EQ(deliver("5", "ONE").errcode(), "M_LIMIT_EXCEEDED");
}

// Two syncs with the same token remove the same messages.
TEST_F(ToDeviceTest, WhatIsRemovedTwiceMakesRoomOnce) {
  for (int n = 0; n < 3; ++n) ASSERT_TRUE(DeliverNumber(n).ok());
  const auto snapshot = store_->NewSnapshot();
  WriteBatch first, second;
  for (WriteBatch* batch : {&first, &second}) {
    EXPECT_EQ(*ToDeviceService::AddRemoval(**snapshot, *batch, kBot, "ONE",
                                           INT64_MAX, 2),
              2u);
  }
  EXPECT_TRUE(store_->Commit(std::move(first)).ok());
  EXPECT_EQ(store_->Commit(std::move(second)).status().code(),
            StatusCode::kAborted);
  const auto size = (*store_->NewSnapshot())
                        ->Get(tables::kToDeviceSizes,
                              {std::string(kBot), std::string("ONE")});
  EXPECT_EQ(CellInt((**size)[tables::ToDeviceSizes::kBytes]),
            static_cast<int64_t>(Queue("ONE")[0].size()));
}

// As the header has it: without HTTP, and without asking again and again.
TEST_F(ToDeviceTest, AReaderIsWokenByTheNextMessage) {
  std::vector<std::string> read;
  Position after = 0;
  std::function<void()> look = [&] {
    const uint64_t seen = notifier_->Version();
    const auto messages = service_->Read(kBot, "ONE", after, 100);
    ASSERT_TRUE(messages.ok());
    for (const ToDeviceMessage& message : *messages) {
      read.push_back(message.json);
      after = message.pos;
    }
    notifier_->Park(std::string(kBot), Notifier::Hears::kEverything, seen,
                    MonotonicTime::Never(), [&](Notifier::Wake wake) {
                      if (wake == Notifier::Wake::kPublished) look();
                    });
  };
  look();
  ASSERT_TRUE(DeliverNumber(1).ok());
  executor_.RunAll();
  EXPECT_EQ(read.size(), 1u);
  ASSERT_TRUE(DeliverNumber(2).ok());
  ASSERT_TRUE(DeliverNumber(3).ok());
  executor_.RunAll();
  EXPECT_EQ(read.size(), 3u);
  notifier_->Shutdown();
  executor_.RunAll();
}

}  // namespace
}  // namespace matrixcore
