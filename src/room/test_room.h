// A room floor over the memory store, for the floor's tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/event/types.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {

// Stands still unless a test sets `now_ms`.
class FixedClock : public Clock {
 public:
  Timestamp Now() const override { return {now_ms.load()}; }
  MonotonicTime Monotonic() const override { return {1}; }

  std::atomic<int64_t> now_ms{1'700'000'000'000};
};

// Every key is free.
class OpenCoordinator : public Coordinator {
 public:
  Result<std::unique_ptr<Lease>> Acquire(std::string_view,
                                         MonotonicTime) override {
    return std::unique_ptr<Lease>(std::make_unique<OpenLease>());
  }
  Result<std::unique_ptr<Lease>> TryAcquire(std::string_view) override {
    return std::unique_ptr<Lease>(std::make_unique<OpenLease>());
  }

 private:
  struct OpenLease : Lease {
    uint64_t token() const override { return 1; }
    bool held() const override { return true; }
  };
};

class RecordingListener : public RoomListener {
 public:
  void OnCommit(const RoomCommit& commit) override {
    commits.push_back(commit);
  }
  std::vector<RoomCommit> commits;
};

inline EventDraft MakeDraft(std::string_view type, std::string_view sender,
                            std::optional<std::string> state_key,
                            std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = sender;
  draft.state_key = std::move(state_key);
  draft.content = std::move(content);
  return draft;
}

// One process's worth of room floor; several may share a store.
class RoomServer {
 public:
  explicit RoomServer(Store& store_in, PolicySigner* policy = nullptr)
      : store(store_in),
        random(NewSeededRandom(7)),
        key(SigningKey::Generate(*random, "test")),
        executor(NewThreadPool("rooms", 1, 100)),
        caches(budget),
        activity(store.LastPosition()),
        log(NewNullLogger()),
        metrics(NewMetrics()),
        writer({.server_name = "x"},
               {store, coordinator, *executor, clock, *random, key, caches,
                activity, joined, listener, *log, *metrics, nullptr, policy}) {}
  ~RoomServer() {
    writer.Drain();
    executor->Shutdown();
  }

  // A public room of @alice:x; `room_id` is for versions that give it.
  std::string MakeRoom(std::string_view version,
                       std::string room_id = "!room:x") {
    CreateRoomRequest request;
    request.rules = FindRoomVersion(version);
    request.creator = "@alice:x";
    if (!request.rules->room_id_is_create_hash)
      request.room_id = std::move(room_id);
    const bool above_all = request.rules->creators_above_all;
    request.drafts = {
        MakeDraft(kTypeCreate, "@alice:x", "",
                  fmt::format(R"({{"room_version":"{}"{}}})", version,
                              request.rules->creator_is_sender
                                  ? ""
                                  : R"(,"creator":"@alice:x")")),
        MakeDraft(kTypeMember, "@alice:x", "@alice:x",
                  R"({"membership":"join"})"),
        MakeDraft(
            kTypePowerLevels, "@alice:x", "",
            above_all ? R"({"users":{}})" : R"({"users":{"@alice:x":100}})"),
        MakeDraft(kTypeJoinRules, "@alice:x", "", R"({"join_rule":"public"})")};
    auto made = writer.CreateAndWait(std::move(request));
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return made.ok() ? made->room_id : std::string();
  }

  Result<RoomRequest::Answer> Send(const std::string& room, EventDraft draft,
                                   std::optional<TransactionKey> txn = {}) {
    RoomRequest request;
    request.room_id = room;
    request.user_id = draft.sender;
    request.txn = std::move(txn);
    request.prepare = [draft](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(draft);
      return change;
    };
    return writer.SendAndWait(std::move(request));
  }
  Result<RoomRequest::Answer> SetMember(const std::string& room,
                                        std::string_view sender,
                                        std::string_view user,
                                        std::string_view membership) {
    return Send(room,
                MakeDraft(kTypeMember, sender, std::string(user),
                          fmt::format(R"({{"membership":"{}"}})", membership)));
  }
  Result<RoomRequest::Answer> Say(const std::string& room,
                                  std::string_view sender,
                                  std::string_view body) {
    return Send(room, MakeDraft(kTypeMessage, sender, std::nullopt,
                                fmt::format(R"({{"body":"{}"}})", body)));
  }

  Store& store;
  FixedClock clock;
  std::unique_ptr<Random> random;
  SigningKey key;
  OpenCoordinator coordinator;
  std::unique_ptr<Executor> executor;
  CacheBudget budget{16 << 20};
  RoomCaches caches;
  RoomActivity activity;
  JoinedUsers joined;
  RecordingListener listener;
  std::unique_ptr<Logger> log;
  std::unique_ptr<Metrics> metrics;
  RoomWriter writer;
};

inline Schema RoomSchema() {
  Schema schema;
  schema.version = tables::kSchemaVersion;
  schema.tables = tables::RoomTables();
  return schema;
}

// A reader at the newest snapshot.
struct OpenReader {
  explicit OpenReader(RoomServer& server)
      : snapshot(server.store.NewSnapshot().value()),
        reader(*snapshot, server.caches) {}
  RoomHead Head(const std::string& room) { return *reader.Head(room).value(); }
  RoomReader* operator->() { return &reader; }

  std::unique_ptr<Snapshot> snapshot;
  RoomReader reader;
};

}  // namespace matrixcore
