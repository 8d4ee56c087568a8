// A whole service floor over the memory store, for its tests: users send events
// by name, sync, and read answers by path.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/filters.h"
#include "matrixcore/service/history.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/service/push_rules.h"
#include "matrixcore/service/sliding_tables.h"
#include "matrixcore/service/sync.h"
#include "matrixcore/service/thread_subscriptions.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"
#include "service/manual_world.h"

namespace matrixcore {

inline constexpr char kAlice[] = "@alice:x";
inline constexpr char kBob[] = "@bob:x";
inline constexpr char kCarol[] = "@carol:x";

// A sync answer (or any JSON), read by path.
class Answer {
 public:
  Answer() = default;
  explicit Answer(std::string body) {
    Result<json::Document> parsed = json::Document::Parse(std::move(body));
    EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
    if (parsed.ok()) {
      document_ = std::make_shared<json::Document>(std::move(*parsed));
    }
  }

  // Keys contain dots, so a path is a list.
  json::Value At(std::initializer_list<std::string_view> path) const {
    json::Value value =
        document_ == nullptr ? json::Value() : document_->root();
    for (const std::string_view key : path) value = value[key];
    return value;
  }
  std::string Raw(std::initializer_list<std::string_view> path) const {
    return std::string(At(path).raw());
  }
  std::string next() const {
    return std::string(At({"next_batch"}).StringOr(""));
  }
  bool Has(std::string_view section, std::string_view room) const {
    return bool{At({"rooms", section, room})};
  }
  // What each event of a list is: the body of a message, "type" of a state
  // event, "user=membership" of a member.
  static std::vector<std::string> Names(json::Value events) {
    std::vector<std::string> names;
    for (const json::Value event : events) {
      const std::string_view type = event["type"].StringOr("");
      if (type == kTypeMember) {
        names.push_back(
            fmt::format("{}={}", event["state_key"].StringOr("?"),
                        event["content"]["membership"].StringOr("?")));
      } else if (type == kTypeMessage) {
        names.emplace_back(event["content"]["body"].StringOr("?"));
      } else if (event["content"]["name"].IsString()) {
        names.push_back(
            fmt::format("{}:{}", type, event["content"]["name"].StringOr("")));
      } else {
        names.emplace_back(type);
      }
    }
    return names;
  }
  std::vector<std::string> Timeline(std::string_view section,
                                    std::string_view room) const {
    return Names(At({"rooms", section, room, "timeline", "events"}));
  }
  std::vector<std::string> State(std::string_view section,
                                 std::string_view room) const {
    return Names(At({"rooms", section, room, "state", "events"}));
  }
  bool Limited(std::string_view room) const {
    return At({"rooms", "join", room, "timeline", "limited"}).AsBool().value();
  }

 private:
  std::shared_ptr<json::Document> document_;
};

// Every key is free: one process, one writer.
class FreeCoordinator : public Coordinator {
 public:
  Result<std::unique_ptr<Lease>> Acquire(std::string_view,
                                         MonotonicTime) override {
    return std::unique_ptr<Lease>(std::make_unique<FreeLease>());
  }
  Result<std::unique_ptr<Lease>> TryAcquire(std::string_view) override {
    return std::unique_ptr<Lease>(std::make_unique<FreeLease>());
  }

 private:
  struct FreeLease : Lease {
    uint64_t token() const override { return 1; }
    bool held() const override { return true; }
  };
};

inline Schema SyncSchema() {
  Schema schema;
  schema.version = tables::kSchemaVersion;
  for (const auto& tables : {tables::RoomTables(), tables::AccountTables(),
                             tables::EphemeralTables(), tables::UnreadTables(),
                             tables::SlidingTables()}) {
    schema.tables.insert(schema.tables.end(), tables.begin(), tables.end());
  }
  return schema;
}

// Publishes what is committed, at once or when the test says so.
class DeferredListener : public RoomListener {
 public:
  explicit DeferredListener(Notifier& notifier) : notifier_(notifier) {}
  void OnCommit(const RoomCommit& commit) override {
    MutexLock lock(mutex_);
    if (deferring_) {
      deferred_.push_back(commit);
    } else {
      notifier_.OnCommit(commit);
    }
  }
  void Defer() {
    MutexLock lock(mutex_);
    deferring_ = true;
  }
  // Publishes the oldest commit that was not.
  void PublishOne() {
    MutexLock lock(mutex_);
    if (deferred_.empty()) return;
    notifier_.OnCommit(deferred_.front());
    deferred_.pop_front();
  }

 private:
  Notifier& notifier_;
  Mutex mutex_;
  bool deferring_ MC_GUARDED_BY(mutex_) = false;
  std::deque<RoomCommit> deferred_ MC_GUARDED_BY(mutex_);
};

class SyncWorld {
 public:
  using WrapStore =
      std::function<std::unique_ptr<Store>(std::unique_ptr<Store> inner)>;
  explicit SyncWorld(SyncService::Options options = {},
                     const WrapStore& wrap = {})
      : store(wrap ? wrap(NewMemoryStore(SyncSchema()))
                   : NewMemoryStore(SyncSchema())),
        activity(store->LastPosition()),
        notifier(*store, joined, wakes, timers, clock, *metrics),
        profiles(*store, budget),
        unread({profiles, joined, clock, "x"}),
        writer({.server_name = "x"},
               {*store, coordinator, *rooms_executor, clock, *random, key,
                caches, activity, joined, listener, *log, *metrics, &unread}),
        ephemeral({*store, clock, timers, caches, activity, joined, writer,
                   notifier}),
        account_data(*store, notifier, &profiles),
        push_rules(*store, notifier, &profiles),
        threads({*store, caches, notifier, profiles}),
        filters(*store),
        history({*store, caches, clock}),
        sync(options, {*store, clock, caches, activity, notifier, ephemeral,
                       [this](std::string_view user, std::string_view id) {
                         return filters.Get(user, id);
                       },
                       *log, *metrics}) {}
  ~SyncWorld() {
    notifier.Shutdown();
    wakes.RunAll();
    writer.Drain();
    rooms_executor->Shutdown();
  }

  static Session Of(std::string_view user) {
    return {.user_id = std::string(user), .device_id = "DEVICE"};
  }

  // A public room.
  std::string MakeRoom(std::string_view creator) {
    CreateRoomRequest request;
    request.rules = FindRoomVersion("11");
    request.creator = creator;
    request.room_id = fmt::format("!room{}:x", ++rooms_made_);
    const std::string user(creator);
    request.drafts = {
        Draft(kTypeCreate, user, "", R"({"room_version":"11"})"),
        Draft(kTypeMember, user, user, R"({"membership":"join"})"),
        Draft(
            kTypePowerLevels, user, "",
            fmt::format(R"({{"users":{{"{}":100}},"state_default":0}})", user)),
        Draft(kTypeJoinRules, user, "", R"({"join_rule":"public"})")};
    auto made = writer.CreateAndWait(std::move(request));
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return made.ok() ? made->room_id : std::string();
  }

  // The event id; fails the test when the event is refused.
  std::string Send(const std::string& room, std::string_view sender,
                   std::string_view type, std::optional<std::string> state_key,
                   std::string content) {
    RoomRequest request;
    request.room_id = room;
    request.user_id = sender;
    request.prepare =
        [draft = Draft(type, sender, std::move(state_key), std::move(content))](
            const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(draft);
      return change;
    };
    const auto answer = writer.SendAndWait(std::move(request));
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer->event_ids[0] : std::string();
  }
  std::string Say(const std::string& room, std::string_view sender,
                  std::string_view body) {
    return Send(room, sender, kTypeMessage, std::nullopt,
                fmt::format(R"({{"body":"{}"}})", body));
  }
  std::string SetMember(const std::string& room, std::string_view sender,
                        std::string_view user, std::string_view membership) {
    return Send(room, sender, kTypeMember, std::string(user),
                fmt::format(R"({{"membership":"{}"}})", membership));
  }
  std::string Join(const std::string& room, std::string_view user) {
    return SetMember(room, user, user, "join");
  }
  std::string Leave(const std::string& room, std::string_view user) {
    return SetMember(room, user, user, "leave");
  }
  std::string SetName(const std::string& room, std::string_view user,
                      std::string_view name) {
    return Send(room, user, kTypeName, "",
                fmt::format(R"({{"name":"{}"}})", name));
  }
  std::string SetVisibility(const std::string& room, std::string_view user,
                            std::string_view visibility) {
    return Send(room, user, kTypeHistoryVisibility, "",
                fmt::format(R"({{"history_visibility":"{}"}})", visibility));
  }

  // Syncs without waiting.
  Result<std::string> TrySync(SyncRequest request) {
    std::optional<Result<std::string>> answer;
    sync.Sync(std::move(request), [&answer](Result<std::string> body) {
      answer.emplace(std::move(body));
    });
    EXPECT_TRUE(answer.has_value()) << "the sync waits";
    return answer ? std::move(*answer)
                  : Result<std::string>(Status(StatusCode::kInternal, "waits"));
  }
  Answer Sync(std::string_view user, std::string_view since = {},
              std::string filter = {}) {
    SyncRequest request;
    request.session = Of(user);
    request.since = StreamToken::Parse(since);
    request.filter = std::move(filter);
    return Sync(std::move(request));
  }
  Answer Sync(SyncRequest request) {
    Result<std::string> body = TrySync(std::move(request));
    EXPECT_TRUE(body.ok()) << body.status().ToString();
    return body.ok() ? Answer(std::move(*body)) : Answer();
  }

  // How many answers of that kind ("incremental") were worked at.
  int Built(std::string_view kind) const {
    const std::string text = metrics->Text();
    const std::string name = fmt::format(
        "matrixcore_sync_build_seconds_count{{kind=\"{}\"}} ", kind);
    return std::stoi(text.substr(text.find(name) + name.size()));
  }

  ManualClock clock;
  ManualTimers timers{clock};
  ManualExecutor wakes;
  std::unique_ptr<Executor> rooms_executor = NewThreadPool("rooms", 1, 1000);
  std::unique_ptr<Store> store;
  std::unique_ptr<Random> random = NewSeededRandom(7);
  SigningKey key = SigningKey::Generate(*random, "test");
  std::unique_ptr<Logger> log = NewNullLogger();
  std::unique_ptr<Metrics> metrics = NewMetrics();
  FreeCoordinator coordinator;
  CacheBudget budget{32 << 20};
  RoomCaches caches{budget};
  RoomActivity activity;
  JoinedUsers joined;
  Notifier notifier;
  DeferredListener listener{notifier};
  PushProfiles profiles;
  UnreadTracker unread;
  RoomWriter writer;
  EphemeralService ephemeral;
  AccountDataService account_data;
  PushRuleService push_rules;
  ThreadSubscriptionService threads;
  FilterService filters;
  HistoryService history;
  SyncService sync;

 private:
  static EventDraft Draft(std::string_view type, std::string_view sender,
                          std::optional<std::string> state_key,
                          std::string content) {
    EventDraft draft;
    draft.type = type;
    draft.sender = sender;
    draft.state_key = std::move(state_key);
    draft.content = std::move(content);
    return draft;
  }

  int rooms_made_ = 0;
};

}  // namespace matrixcore
