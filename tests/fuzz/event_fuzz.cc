// Any bytes are an event of a room version or refused; an event survives being
// stored, sent on and redacted.  The first byte chooses the room version.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/roomversion/room_version.h"

namespace mc = matrixcore;

namespace {

void CheckSame(const mc::Event& a, const mc::Event& b) {
  MC_FUZZ_CHECK(a.event_id() == b.event_id());
  MC_FUZZ_CHECK(a.json() == b.json());
  MC_FUZZ_CHECK(a.room_id() == b.room_id());
  MC_FUZZ_CHECK(a.type() == b.type());
  MC_FUZZ_CHECK(a.sender() == b.sender());
  MC_FUZZ_CHECK(a.state_key() == b.state_key());
  MC_FUZZ_CHECK(a.redacts() == b.redacts());
  MC_FUZZ_CHECK(a.origin_server_ts() == b.origin_server_ts());
  MC_FUZZ_CHECK(a.depth() == b.depth());
  MC_FUZZ_CHECK(a.prev_events() == b.prev_events());
  MC_FUZZ_CHECK(a.auth_events() == b.auth_events());
  MC_FUZZ_CHECK(a.content_json() == b.content_json());
}

void CheckRedaction(const mc::Event& event) {
  const auto redacted = mc::RedactEvent(event);
  MC_FUZZ_CHECK(redacted.ok());
  MC_FUZZ_CHECK((*redacted)->event_id() == event.event_id());
  MC_FUZZ_CHECK((*redacted)->type() == event.type());
  const auto twice = mc::RedactEvent(**redacted);
  MC_FUZZ_CHECK(twice.ok() && (*twice)->json() == (*redacted)->json());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const mc::RoomVersionRules* const> versions =
      mc::AllRoomVersions();
  const mc::RoomVersionRules& rules = *versions[data[0] % versions.size()];
  const std::string_view json(reinterpret_cast<const char*>(data) + 1,
                              size - 1);

  const auto event = mc::Event::Parse(json, rules);
  if (!event.ok()) {
    MC_FUZZ_CHECK(!event.status().errcode().empty());
    return 0;
  }
  const mc::Event& first = **event;
  MC_FUZZ_CHECK(first.content().IsObject());
  const auto sent_on = mc::Event::Parse(first.json(), rules);
  MC_FUZZ_CHECK(sent_on.ok());
  CheckSame(first, **sent_on);
  const auto stored =
      mc::Event::FromStored(first.json(), first.event_id(), rules);
  MC_FUZZ_CHECK(stored.ok());
  CheckSame(first, **stored);
  CheckRedaction(first);
  mc::RequiredSigners(first);
  return 0;
}
