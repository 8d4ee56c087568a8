// Makes an event with the protocol core, reads it back and checks it.

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/roomversion/room_version.h"

namespace mc = matrixcore;

int main() {
  const mc::RoomVersionRules* rules = mc::FindRoomVersion("11");
  const std::unique_ptr<mc::Random> random = mc::NewSeededRandom(1);
  const mc::SigningKey key = mc::SigningKey::Generate(*random, "auto");

  mc::EventDraft draft;
  draft.type = "m.room.message";
  draft.sender = "@alice:example.org";
  draft.content = R"({"msgtype":"m.text","body":"hello"})";
  mc::EventPlace place;
  place.room_id = "!room:example.org";
  place.depth = 7;
  mc::Result<mc::EventPtr> built =
      mc::BuildEvent(draft, place, "example.org", key, *rules);
  if (!built.ok()) {
    std::fprintf(stderr, "%s\n", built.status().ToString().c_str());
    return 1;
  }

  mc::Result<mc::EventPtr> read = mc::Event::Parse((*built)->json(), *rules);
  if (!read.ok() || (*read)->event_id() != (*built)->event_id()) return 1;
  const auto keys = [&key](std::string_view, std::string_view key_id,
                           int64_t) -> std::optional<mc::Ed25519PublicKey> {
    if (key_id != key.key_id()) return std::nullopt;
    return key.public_key();
  };
  if (mc::CheckIntegrity(**read, keys) != mc::EventIntegrity::kGood) return 1;
  std::puts((*read)->event_id().c_str());
  return 0;
}
