// Any request of sliding sync is refused or within its limits, and tokens read
// as they are written.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/sliding_sync.h"
#include "matrixcore/service/tokens.h"

namespace mc = matrixcore;

namespace {

void CheckConfig(const mc::SlidingRoomConfig& config) {
  MC_FUZZ_CHECK(config.timeline_limit <= mc::SlidingRequest::kMaxTimelineLimit);
  const mc::RequiredState& state = config.required_state;
  MC_FUZZ_CHECK(state.include.size() <= mc::SlidingRequest::kMaxElements + 1);
  // Who wants all members wants each.
  MC_FUZZ_CHECK(!state.WantsAllMembers() ||
                state.Matches("m.room.member", "@a:x"));
}

void CheckRequest(mc::json::Value body, mc::SlidingForm form) {
  mc::Session session;
  session.user_id = "@a:x";
  const auto request = mc::ParseSlidingRequest(body, form, session);
  if (!request.ok()) {
    MC_FUZZ_CHECK(!request.status().errcode().empty());
    return;
  }
  MC_FUZZ_CHECK(request->lists.size() <= mc::SlidingRequest::kMaxLists);
  for (const mc::SlidingList& list : request->lists) {
    CheckConfig(list.config);
    list.Contains(0);
  }
  for (const mc::SlidingSubscription& room : request->subscriptions) {
    CheckConfig(room.config);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto token = mc::SlidingToken::Parse(input)) {
    MC_FUZZ_CHECK(mc::SlidingToken::Parse(token->ToString()) == token);
  }
  const auto document = mc::json::Document::ParseView(input);
  if (!document.ok()) return 0;
  CheckRequest(document->root(), mc::SlidingForm::kSimplified);
  CheckRequest(document->root(), mc::SlidingForm::kMsc4186);
  return 0;
}
