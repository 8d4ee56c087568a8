// An allowed event costs no allocation: this file counts them for the program.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "auth/test_state.h"

namespace {
std::atomic<size_t> allocations{0};
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace matrixcore {
namespace {

// TestState's look-up allocates its key; this one does not.
class FlatState : public StateSource {
 public:
  explicit FlatState(const TestState& state) {
    for (const auto& [type, key] :
         std::vector<std::pair<std::string, std::string>>{
             {"m.room.create", ""},
             {"m.room.power_levels", ""},
             {"m.room.join_rules", ""},
             {"m.room.member", "@admin:x"},
             {"m.room.member", "@mod:x"}}) {
      if (const Event* event = state.Find(type, key)) events_.push_back(event);
    }
  }
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    for (const Event* event : events_) {
      if (event->Is(type, state_key)) return event;
    }
    return nullptr;
  }

 private:
  std::vector<const Event*> events_;
};

TEST(AllocationTest, AllowedEventsCostNone) {
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    TestState room(rules->id);
    room.Levels(R"({"events":{"m.room.topic":50},"users":{"@mod:x":50}})");
    room.JoinRule("public");
    room.Join("@mod:x");
    const FlatState state(room);
    const EventPtr events[] = {
        Make(*rules, {.type = "m.room.member",
                      .sender = "@new:x",
                      .state_key = "@new:x",
                      .content = R"({"membership":"join"})"}),
        Make(*rules, {.type = "m.room.member",
                      .sender = "@mod:x",
                      .state_key = "@new:x",
                      .content = R"({"membership":"ban"})"}),
        Make(*rules, {.type = "m.room.message", .sender = "@mod:x"}),
        Make(*rules,
             {.type = "m.room.topic", .sender = "@mod:x", .state_key = ""}),
        Make(*rules, {.type = "m.room.power_levels",
                      .sender = "@mod:x",
                      .state_key = "",
                      .content = R"({"events":{"m.room.topic":40},)"
                                 R"("users":{"@mod:x":50,"@new:x":10}})"})};
    for (const EventPtr& event : events) {
      const size_t before = allocations.load();
      const Verdict verdict = CheckStateAuth(*event, state);
      const size_t after = allocations.load();
      EXPECT_TRUE(verdict.allowed()) << rules->id << verdict.detail;
      EXPECT_EQ(after - before, 0u) << rules->id << " " << event->type();
    }
  }
}

}  // namespace
}  // namespace matrixcore
