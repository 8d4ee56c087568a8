// One room on a store, written through the RoomWriter: for the programs here.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/event/types.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {

inline constexpr std::string_view kAlice = "@alice:example.org";

[[noreturn]] inline void Fail(std::string_view what) {
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) Fail(result.status().ToString());
  return std::move(result).value();
}

inline Schema RoomSchema() {
  Schema schema;
  schema.version = tables::kSchemaVersion;
  schema.tables = tables::RoomTables();
  return schema;
}

inline EventDraft Draft(std::string_view type, std::string_view sender,
                        std::optional<std::string> state_key,
                        std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = sender;
  draft.state_key = std::move(state_key);
  draft.content = std::move(content);
  return draft;
}

// A public room of kAlice's.  The store outlives it.
class BenchRoom {
 public:
  explicit BenchRoom(Store& store)
      : writer_({.server_name = "example.org"},
                {store, *coordinator_, *executor_, *clock_, *random_, key_,
                 caches_, activity_, joined_, listener_, *log_, *metrics_}) {
    CreateRoomRequest request;
    request.rules = FindRoomVersion("12");
    request.creator = kAlice;
    request.drafts = {
        Draft(kTypeCreate, kAlice, "", R"({"room_version":"12"})"),
        Draft(kTypeMember, kAlice, std::string(kAlice),
              R"({"membership":"join"})"),
        Draft(kTypePowerLevels, kAlice, "", R"({"users":{}})"),
        Draft(kTypeJoinRules, kAlice, "", R"({"join_rule":"public"})")};
    id_ = Must(writer_.CreateAndWait(std::move(request))).room_id;
  }
  ~BenchRoom() {
    writer_.Drain();
    executor_->Shutdown();
  }

  const std::string& id() const { return id_; }
  RoomCaches& caches() { return caches_; }
  Random& random() { return *random_; }

  // In one commit; gives the id of the last.
  std::string Send(std::vector<EventDraft> drafts) {
    RoomRequest request;
    request.room_id = id_;
    request.user_id = kAlice;
    request.prepare =
        [drafts = std::move(drafts)](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts = drafts;
      return change;
    };
    return Must(writer_.SendAndWait(std::move(request))).event_ids.back();
  }

 private:
  class Deaf : public RoomListener {
   public:
    void OnCommit(const RoomCommit&) override {}
  };

  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<Random> random_ = NewSeededRandom(2);
  SigningKey key_ = SigningKey::Generate(*random_, "bench");
  std::unique_ptr<Coordinator> coordinator_ = NewMemoryCoordinator(*clock_);
  std::unique_ptr<Executor> executor_ = NewThreadPool("rooms", 1, 1000);
  CacheBudget budget_{size_t{64} << 20};
  RoomCaches caches_{budget_};
  RoomActivity activity_{0};
  JoinedUsers joined_;
  Deaf listener_;
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  RoomWriter writer_;
  std::string id_;
};

}  // namespace matrixcore
