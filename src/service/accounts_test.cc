// What cannot be seen through the endpoints: races, failures of the store,
// cost.
#include "matrixcore/service/accounts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/store/store.h"
#include "service/manual_world.h"

namespace matrixcore {
namespace {

class AccountsTest : public testing::Test {
 protected:
  AccountsTest() {
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
        AccountService::Options{.server_name = "x",
                                .password_cost = {1, 8192},
                                .admin_users = {"@root:x"}},
        AccountService::Deps{*store_, clock_, *random_, executor_, timers_,
                             *log_, caches_, *unfinished_});
    EXPECT_TRUE(accounts_->Create({.user_id = "@a:x", .password = "pw"}).ok());
  }
  ~AccountsTest() override { store_->Close(); }

  TokenCheck::State Check(std::string_view token) {
    const auto check = accounts_->Authenticate(token, "1.2.3.4");
    EXPECT_TRUE(check.ok());
    return check->state;
  }
  std::vector<Row> Rows(const TableSpec& table) {
    return *(*store_->NewSnapshot())->Scan({.table = &table});
  }

  ManualClock clock_;
  ManualTimers timers_{clock_};
  ManualExecutor executor_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Store> store_;
  CacheBudget caches_{8 << 20};
  std::unique_ptr<UnfinishedWork> unfinished_;
  std::unique_ptr<AccountService> accounts_;
};

TEST_F(AccountsTest, TokensAndPasswordsAreStoredAsHashesOnly) {
  const auto session = accounts_->OpenSession(
      "@a:x",
      {.device_id = "", .initial_display_name = {}, .refreshable = true});
  ASSERT_TRUE(session.ok());
  for (const TableSpec* table :
       {&tables::kUsers, &tables::kAccessTokens, &tables::kRefreshTokens}) {
    for (const Row& row : Rows(*table)) {
      for (const Cell& cell : row) {
        const std::string text(std::string(CellText(cell)) +
                               std::string(CellBlob(cell)));
        EXPECT_EQ(text.find(session->access_token), std::string::npos);
        EXPECT_EQ(text.find(session->refresh_token), std::string::npos);
        EXPECT_NE(text, "pw");
      }
    }
  }
}

TEST_F(AccountsTest, AdminsAreThoseOfTheStoreAndOfTheOptions) {
  ASSERT_TRUE(accounts_->Create({.user_id = "@root:x"}).ok());
  ASSERT_TRUE(
      accounts_
          ->Create({.user_id = "@boss:x", .password = {}, .is_admin = true})
          .ok());
  const auto is_admin = [&](const char* user) {
    const auto session = accounts_->OpenSession(user, {});
    return accounts_->Authenticate(session->access_token, "")->session.is_admin;
  };
  EXPECT_TRUE(is_admin("@root:x"));
  EXPECT_TRUE(is_admin("@boss:x"));
  EXPECT_FALSE(is_admin("@a:x"));
}

TEST_F(AccountsTest, OneOfManyWinsAName) {
  std::atomic<int> made{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const Status status = accounts_->Create({.user_id = "@new:x"}).status();
      if (status.ok()) ++made;
      if (status.errcode() == "M_USER_IN_USE") ++taken;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(taken, 7);
}

TEST_F(AccountsTest, NoTokenOutlivesTheDeletionOfItsDevice) {
  for (int round = 0; round < 200; ++round) {
    const auto session = accounts_->OpenSession("@a:x", {});
    ASSERT_TRUE(session.ok());
    std::thread reader([&] {
      for (int i = 0; i < 5; ++i) Check(session->access_token);
    });
    ASSERT_TRUE(
        accounts_->DeleteDevices("@a:x", {&session->device_id, 1}).ok());
    EXPECT_EQ(Check(session->access_token), TokenCheck::State::kUnknown);
    reader.join();
    EXPECT_EQ(Check(session->access_token), TokenCheck::State::kUnknown);
  }
}

TEST_F(AccountsTest, RefreshingFromManyThreadsLeavesOneSuccessor) {
  const auto session = accounts_->OpenSession(
      "@a:x",
      {.device_id = "", .initial_display_name = {}, .refreshable = true});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [&] { EXPECT_TRUE(accounts_->Refresh(session->refresh_token).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  // The first pair and its one successor.
  EXPECT_EQ(Rows(tables::kRefreshTokens).size(), 2U);
  EXPECT_EQ(Rows(tables::kAccessTokens).size(), 2U);
}

TEST_F(AccountsTest, DeletingADeviceCallsTheHooksOnceForThoseThatExist) {
  std::vector<std::string> deleted;
  accounts_->OnDeviceDeleted(
      [&](WriteBatch&, const std::string& user, const std::string& device) {
        deleted.push_back(user + "/" + device);
      });
  const auto session = accounts_->OpenSession("@a:x", {});
  const std::vector<std::string> devices = {session->device_id, "NONE"};
  ASSERT_TRUE(accounts_->DeleteDevices("@a:x", devices).ok());
  EXPECT_EQ(deleted, (std::vector<std::string>{"@a:x/" + session->device_id}));
}

TEST_F(AccountsTest, ActivityReachesTheStoreOnceAMinute) {
  const auto session = accounts_->OpenSession("@a:x", {});
  Check(session->access_token);
  Check(session->access_token);
  EXPECT_TRUE(Rows(tables::kDeviceActivity).empty());
  EXPECT_EQ(timers_.pending(), 1U);
  timers_.Advance(seconds(60));
  executor_.RunAll();
  ASSERT_TRUE(store_->Commit({}).ok());  // What was queued is done.
  ASSERT_EQ(Rows(tables::kDeviceActivity).size(), 1U);
  EXPECT_EQ(CellText(Rows(
                tables::kDeviceActivity)[0][tables::DeviceActivity::kAddress]),
            "1.2.3.4");
  EXPECT_EQ(timers_.pending(), 0U);  // Nothing is polled while idle.
}

TEST_F(AccountsTest, ActivityOfADeletedDeviceIsDropped) {
  const auto session = accounts_->OpenSession("@a:x", {});
  const auto other = accounts_->OpenSession("@a:x", {});
  Check(session->access_token);
  Check(other->access_token);
  ASSERT_TRUE(accounts_->DeleteDevices("@a:x", {&session->device_id, 1}).ok());
  accounts_->FlushActivity();
  ASSERT_TRUE(store_->Commit({}).ok());
  ASSERT_EQ(Rows(tables::kDeviceActivity).size(), 1U);
  EXPECT_EQ(CellText(Rows(
                tables::kDeviceActivity)[0][tables::DeviceActivity::kDevice]),
            other->device_id);
}

TEST_F(AccountsTest, HashesOfAnOlderCostAreRenewedAtLogin) {
  const std::string before(
      CellText(Rows(tables::kUsers)[0][tables::Users::kPasswordHash]));
  AccountService dearer(
      {.server_name = "x", .password_cost = {2, 16384}, .admin_users = {}},
      {*store_, clock_, *random_, executor_, timers_, *log_, caches_,
       *unfinished_});
  EXPECT_TRUE(dearer.CheckPassword("@a:x", "pw").ok());
  const std::string after(
      CellText(Rows(tables::kUsers)[0][tables::Users::kPasswordHash]));
  EXPECT_NE(before, after);
  EXPECT_TRUE(dearer.CheckPassword("@a:x", "pw").ok());
  EXPECT_EQ(dearer.CheckPassword("@a:x", "no").errcode(), "M_FORBIDDEN");
}

}  // namespace
}  // namespace matrixcore
