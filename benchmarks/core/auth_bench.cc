// Authorisation of events against a room's state: at most 1 us, no allocation.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/alloc_counter.h"
#include "matrixcore/auth/auth.h"

namespace matrixcore {
namespace {

// A state as the room floor would keep it: a sorted array.
class ArrayState : public StateSource {
 public:
  void Add(std::string_view type, std::string_view state_key,
           std::string_view sender, std::string_view content) {
    const std::string json =
        "{\"content\":" + std::string(content) +
        ",\"prev_events\":[\"$a\",\"$b\"],\"room_id\":\"!r:x\",\"sender\":\"" +
        std::string(sender) + "\",\"state_key\":\"" + std::string(state_key) +
        "\",\"type\":\"" + std::string(type) + "\"}";
    events_.push_back(*Event::FromTrusted(
        json, *FindRoomVersion("11"), "$" + std::to_string(events_.size())));
  }
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    for (const EventPtr& event : events_) {
      if (event->Is(type, state_key)) return event.get();
    }
    return nullptr;
  }
  const Event& last() const { return *events_.back(); }

 private:
  std::vector<EventPtr> events_;
};

void BM_CheckStateAuth(benchmark::State& state, std::string_view type,
                       std::string_view state_key, std::string_view content) {
  ArrayState room;
  room.Add("m.room.create", "", "@admin:x", R"({"room_version":"11"})");
  room.Add("m.room.power_levels", "", "@admin:x",
           R"({"ban":50,"events":{"m.room.avatar":50,"m.room.encryption":100,)"
           R"("m.room.history_visibility":100,"m.room.name":50,)"
           R"("m.room.power_levels":100,"m.room.server_acl":100,)"
           R"("m.room.tombstone":100},"events_default":0,"invite":0,"kick":50,)"
           R"("redact":50,"state_default":50,"users":{"@admin:x":100,)"
           R"("@alice:x":50,"@bob:x":100},"users_default":0})");
  room.Add("m.room.join_rules", "", "@admin:x", R"({"join_rule":"public"})");
  room.Add("m.room.member", "@alice:x", "@alice:x",
           R"({"displayname":"Alice","membership":"join"})");
  ArrayState other;
  other.Add(type, state_key, "@alice:x", content);
  const size_t before = AllocationCount();
  for (auto _ : state) {
    const Verdict verdict = CheckStateAuth(other.last(), room);
    if (!verdict.allowed()) state.SkipWithError(verdict.detail.c_str());
  }
  state.counters["allocs"] =
      benchmark::Counter(static_cast<double>(AllocationCount() - before),
                         benchmark::Counter::kAvgIterations);
}
BENCHMARK_CAPTURE(BM_CheckStateAuth, join, "m.room.member", "@alice:x",
                  R"({"membership":"join"})");
BENCHMARK_CAPTURE(BM_CheckStateAuth, invite, "m.room.member", "@carol:y",
                  R"({"membership":"invite"})");
BENCHMARK_CAPTURE(BM_CheckStateAuth, topic, "m.room.topic", "",
                  R"({"topic":"x"})");

}  // namespace
}  // namespace matrixcore
