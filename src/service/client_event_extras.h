// What ClientEvents reads beside an event.  For its implementation only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "matrixcore/service/client_events.h"

namespace matrixcore {

// What `unsigned` needs.
struct ClientEvents::Extras {
  EventPtr redacted;  // What is shown instead of an event of somebody erased.
  EventPtr previous;  // The state event that was replaced.
  bool previous_visible = false;
  EventPtr redaction;
  Membership membership = Membership::kNone;
  std::shared_ptr<const Bundle> bundle;  // Null without relations.
};

// m.relations of an event.
struct ClientEvents::Bundle {
  struct Nested {
    StoredEvent event;
    Extras extras;
  };
  std::optional<Nested> edit;
  std::optional<Nested> thread_last;
  int64_t threaded = 0;
  bool participated = false;
  std::vector<std::string> references;  // Event ids.

  bool empty() const { return !edit && !thread_last && references.empty(); }
};

// Finds the bundles of a list of events of one room.  Used once.
class ClientEvents::BundleLoader {
 public:
  BundleLoader(ClientEvents& owner, const RoomHead& room,
               const ClientEventFormat& format, Depth depth)
      : reader_(owner.reader_),
        user_id_(owner.session_.user_id),
        owner_(owner),
        room_(room),
        format_(format),
        depth_(depth) {}

  // Sets the bundle of those of `extras` whose event has one.
  Status Load(std::span<const StoredEvent> events, std::vector<Extras>& extras);

 private:
  // An event that others relate to.
  struct Parent {
    size_t place = 0;
    const StoredEvent* event = nullptr;
    RelationSummary summary;
    Bundle bundle;
  };

  Status FindParents(std::span<const StoredEvent> events);
  Status FindNewest();
  Status FindOtherEdit(Parent& parent);
  Status FindThread(Parent& parent);
  Status FindThreadEvents(Parent& parent);
  Status FindReferences();
  Status FindShares();
  Status LoadNested();
  // The visible ones of `related`, in their order.
  Result<std::vector<StoredEvent>> Visible(
      const std::vector<RelatedEvent>& related);

  RoomReader& reader_;
  const std::string& user_id_;
  ClientEvents& owner_;
  const RoomHead& room_;
  const ClientEventFormat& format_;
  const Depth depth_;
  bool joined_ = false;
  std::vector<Parent> parents_;
};

}  // namespace matrixcore
