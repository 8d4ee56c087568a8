// Makes a small room with the protocol core: events that are built, read back,
// checked and authorised, and two states that are resolved.

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/roomversion/room_version.h"
#include "matrixcore/stateres/resolver.h"
#include "matrixcore/stateres/room_graph.h"

namespace mc = matrixcore;

namespace {

constexpr char kServer[] = "example.org";
constexpr char kAlice[] = "@alice:example.org";

// A room of one server, and its state.
class Room : public mc::StateSource {
 public:
  Room()
      : key_(mc::SigningKey::Generate(*mc::NewSeededRandom(1), "auto")),
        graph_(rules_) {}

  // Adds a state event; null when something is wrong with it.
  mc::EventPtr Add(std::string_view type, std::string_view state_key,
                   std::string_view content) {
    mc::EventDraft draft;
    draft.type = type;
    draft.sender = kAlice;
    draft.state_key = std::string(state_key);
    draft.content = content;
    const mc::EventPtr event = Receive(draft);
    if (event == nullptr) return nullptr;
    newest_ = event->event_id();
    ++depth_;
    state_[{draft.type, *draft.state_key}] = event;
    graph_.Apply(graph_.Add(*event), &numbered_);
    return event;
  }

  const mc::Event* Find(std::string_view type,
                        std::string_view state_key) const override {
    const auto found = state_.find({std::string(type), std::string(state_key)});
    return found == state_.end() ? nullptr : found->second.get();
  }

  const mc::RoomGraph& graph() const { return graph_; }
  const mc::StateTree& numbered() const { return numbered_; }

  // A point in the room's history, to return to and fork from.
  struct Point {
    std::map<mc::StateKey, mc::EventPtr> state;
    mc::StateTree numbered;
    std::string newest;
    int64_t depth = 1;
  };
  Point Here() const { return {state_, numbered_, newest_, depth_}; }
  void Return(const Point& point) {
    state_ = point.state;
    numbered_ = point.numbered;
    newest_ = point.newest;
    depth_ = point.depth;
  }

 private:
  // Builds the event, then does with it what a server does that receives it.
  mc::EventPtr Receive(const mc::EventDraft& draft) const {
    mc::EventPlace place;
    place.depth = depth_;
    const mc::Result<mc::json::Document> content =
        mc::json::Document::Parse(draft.content);
    if (!content.ok()) return nullptr;
    std::vector<mc::AuthEvent> auth_events;
    for (const mc::StateKey& key :
         mc::AuthStateKeys(draft.type, draft.sender, draft.state_key,
                           content->root(), rules_)) {
      const mc::Event* event = Find(key.type, key.state_key);
      if (event == nullptr) continue;
      place.auth_events.push_back(event->event_id());
      auth_events.push_back({event, false});
    }
    const mc::Event* create = Find("m.room.create", "");
    if (create != nullptr) {
      place.room_id = create->room_id();
      place.prev_events = {newest_};
    }
    const mc::Result<mc::EventPtr> built =
        mc::BuildEvent(draft, place, kServer, key_, rules_);
    if (!built.ok()) return nullptr;
    const mc::Result<mc::EventPtr> read =
        mc::Event::Parse((*built)->json(), rules_);
    if (!read.ok() || (*read)->event_id() != (*built)->event_id()) {
      return nullptr;
    }
    const auto keys = [this](std::string_view, std::string_view key_id,
                             int64_t) -> std::optional<mc::Ed25519PublicKey> {
      if (key_id != key_.key_id()) return std::nullopt;
      return key_.public_key();
    };
    const bool good =
        mc::CheckIntegrity(**read, keys) == mc::EventIntegrity::kGood &&
        mc::CheckAuthEvents(**read, auth_events, create).allowed() &&
        mc::CheckStateAuth(**read, *this).allowed();
    return good ? *read : nullptr;
  }

  const mc::RoomVersionRules& rules_ = *mc::FindRoomVersion("12");
  const mc::SigningKey key_;
  std::map<mc::StateKey, mc::EventPtr> state_;
  mc::RoomGraph graph_;
  mc::StateTree numbered_;
  std::string newest_;
  int64_t depth_ = 1;
};

}  // namespace

int main() {
  Room room;
  const mc::EventPtr create = room.Add("m.room.create", "", "{}");
  if (create == nullptr || room.Add("m.room.member", kAlice,
                                    R"({"membership":"join"})") == nullptr) {
    return 1;
  }
  const Room::Point fork = room.Here();
  const mc::EventPtr name = room.Add("m.room.name", "", R"({"name":"a"})");
  const mc::StateTree with_name = room.numbered();
  room.Return(fork);
  const mc::EventPtr topic = room.Add("m.room.topic", "", R"({"topic":"b"})");
  if (name == nullptr || topic == nullptr) return 1;

  const mc::StateTree resolved =
      mc::StateResolver(room.graph())
          .Resolve(std::vector<mc::StateTree>{with_name, room.numbered()});
  for (const mc::EventPtr& event : {create, name, topic}) {
    const mc::KeyIdx key = room.graph().FindKey(event->type(), "");
    if (resolved.Get(key) != room.graph().Find(event->event_id())) return 1;
  }
  if (resolved.size() != 4) return 1;
  std::puts(create->event_id().c_str());
  return 0;
}
