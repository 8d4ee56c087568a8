// Any events are judged against any state, always the same.  The first byte
// chooses the room version; then lines: the event, and the events of the state,
// which are its auth events too.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/check.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/event.h"
#include "matrixcore/roomversion/room_version.h"

namespace mc = matrixcore;

namespace {

class State : public mc::StateSource {
 public:
  void Add(mc::EventPtr event) {
    if (!event->is_state()) return;
    events_[mc::StateKey{std::string(event->type()),
                         std::string(*event->state_key())}] = std::move(event);
  }
  const mc::Event* Find(std::string_view type,
                        std::string_view state_key) const override {
    const auto found =
        events_.find(mc::StateKey{std::string(type), std::string(state_key)});
    return found == events_.end() ? nullptr : found->second.get();
  }

 private:
  std::map<mc::StateKey, mc::EventPtr> events_;
};

void CheckVerdict(const mc::Verdict& verdict, const mc::Verdict& again,
                  const mc::RoomVersionRules& rules) {
  MC_FUZZ_CHECK(verdict.allowed() == verdict.detail.empty());
  MC_FUZZ_CHECK(verdict.rule == again.rule && verdict.detail == again.detail);
  MC_FUZZ_CHECK(!mc::RuleName(verdict.rule).empty());
  mc::RuleNumber(verdict.rule, rules);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto versions = mc::AllRoomVersions();
  const mc::RoomVersionRules& rules = *versions[data[0] % versions.size()];
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<mc::EventPtr> events;
  while (!rest.empty() && events.size() < 20) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const auto event = mc::Event::FromTrusted(
        rest.substr(0, end), rules, "$" + std::to_string(events.size()) + ":x");
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (event.ok()) events.push_back(*event);
  }
  if (events.empty()) return 0;
  State state;
  std::vector<mc::AuthEvent> auth_events;
  for (size_t i = 1; i < events.size(); ++i) {
    state.Add(events[i]);
    auth_events.push_back({events[i].get(), i % 7 == 6});
  }
  const mc::Event& event = *events[0];
  CheckVerdict(mc::CheckStateAuth(event, state),
               mc::CheckStateAuth(event, state), rules);
  const mc::Event* create = state.Find("m.room.create", "");
  CheckVerdict(mc::CheckAuthEvents(event, auth_events, create),
               mc::CheckAuthEvents(event, auth_events, create), rules);
  mc::AuthStateKeys(event.type(), event.sender(), event.state_key(),
                    event.content(), rules);
  return 0;
}
