#include <cstdio>

#include "matrixcore/event/builder.h"
#include "matrixcore/event/signing.h"

int main() {
  using namespace matrixcore;
  const auto random = NewSystemRandom();
  const SigningKey key = SigningKey::Generate(*random, "1");

  EventDraft draft;
  draft.type = "m.room.create";
  draft.sender = "@alice:example.org";
  draft.state_key = "";
  draft.content = R"({"room_version":"12"})";
  EventPlace place;  // Nothing before it: the first event of its room.
  place.now = NewSystemClock()->Now();

  const auto event =
      BuildEvent(draft, place, "example.org", key, *FindRoomVersion("12"));
  if (!event.ok()) return 1;
  std::printf("room  %s\nevent %s\n%s\n", (*event)->room_id().c_str(),
              (*event)->event_id().c_str(), (*event)->json().c_str());
}
