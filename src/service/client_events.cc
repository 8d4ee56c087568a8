#include "matrixcore/service/client_events.h"

#include <absl/container/flat_hash_map.h>

#include <array>
#include <utility>

#include "matrixcore/event/redaction.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/object.h"
#include "matrixcore/room/erasure.h"
#include "service/client_event_extras.h"

namespace matrixcore {
namespace {

// Spec: client-server API, "Stripped state".
constexpr std::array<std::string_view, 7> kStrippedTypes = {
    kTypeCreate,    kTypeName,           kTypeAvatar,    kTypeTopic,
    kTypeJoinRules, kTypeCanonicalAlias, kTypeEncryption};

// The `redacts` of a redaction stands at the top level for old clients and in
// the content for new ones, whatever the room version.
std::string ContentWithRedacts(const Event& event) {
  json::Object content = json::Object::From(event.content());
  content.SetString("redacts", event.redacts());
  return content.ToJson();
}

}  // namespace

Result<std::vector<ClientEvents::Extras>> ClientEvents::LoadExtras(
    const RoomHead& room, std::span<const StoredEvent> events,
    const ClientEventFormat& format, Depth depth) {
  std::vector<Extras> extras(events.size());
  MC_ASSIGN_OR_RETURN(const std::vector<bool> erased,
                      ErasedEvents(reader_, room, session_.user_id, events));
  for (size_t i = 0; i < erased.size(); ++i) {
    if (!erased[i]) continue;
    MC_ASSIGN_OR_RETURN(extras[i].redacted, RedactEvent(*events[i].event));
  }

  std::vector<EventIdx> replaced;
  std::vector<size_t> places;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].replaces == 0 || !format.with_previous) continue;
    replaced.push_back(events[i].replaces);
    places.push_back(i);
  }
  if (!replaced.empty()) {
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> previous,
                        reader_.StoredEvents(room, replaced));
    MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                        reader_.Visible(room, session_.user_id, previous));
    MC_ASSIGN_OR_RETURN(
        const std::vector<bool> gone,
        ErasedEvents(reader_, room, session_.user_id, previous));
    for (size_t i = 0; i < places.size(); ++i) {
      extras[places[i]].previous = previous[i].event;
      extras[places[i]].previous_visible =
          visible[i] && (gone.empty() || !gone[i]);
    }
  }

  std::vector<EventIdx> redactions;
  places.clear();
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].redacted_by == 0) continue;
    redactions.push_back(events[i].redacted_by);
    places.push_back(i);
  }
  if (!redactions.empty()) {
    MC_ASSIGN_OR_RETURN(std::vector<EventPtr> because,
                        reader_.Events(room, redactions));
    for (size_t i = 0; i < places.size(); ++i) {
      extras[places[i]].redaction = std::move(because[i]);
    }
  }

  if (format.with_membership) {
    MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                        reader_.KeyNum(room, kTypeMember, session_.user_id));
    absl::flat_hash_map<EventIdx, Membership> known = {{0, Membership::kNone}};
    for (size_t i = 0; i < events.size() && key != 0; ++i) {
      MC_ASSIGN_OR_RETURN(const StateMapPtr state,
                          reader_.State(room, events[i].after));
      const EventIdx member = state->Find(key);
      const auto [it, unknown] = known.try_emplace(member, Membership::kNone);
      if (unknown) {
        MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> event,
                            reader_.Events(room, {&member, 1}));
        it->second = MembershipOf(*event[0]);
      }
      extras[i].membership = it->second;
    }
  }
  if (format.with_relations) {
    MC_RETURN_IF_ERROR(
        BundleLoader(*this, room, format, depth).Load(events, extras));
  }
  return extras;
}

void ClientEvents::WriteOne(json::Writer& out, const RoomHead& room,
                            const StoredEvent& stored, const Extras& extras,
                            const ClientEventFormat& format) const {
  const Event& event =
      extras.redacted == nullptr ? *stored.event : *extras.redacted;
  out.BeginObject();
  if (format.federation) {
    // The members of the PDU, as they are.
    const std::string_view json = event.json();
    out.RawMembers(json.substr(1, json.size() - 2));
    out.Field("event_id", event.event_id());
  } else {
    const bool redaction =
        event.type() == kTypeRedaction && !event.redacts().empty();
    if (redaction) {
      out.RawField("content", ContentWithRedacts(event));
    } else {
      out.RawField("content", event.content_json());
    }
    out.Field("event_id", event.event_id());
    out.Field("origin_server_ts", event.origin_server_ts());
    if (redaction) out.Field("redacts", event.redacts());
    if (format.with_room_id) out.Field("room_id", room.room_id);
    out.Field("sender", event.sender());
    if (const auto state_key = event.state_key()) {
      out.Field("state_key", *state_key);
    }
    out.Field("type", event.type());
    if (format.with_user_id) out.Field("user_id", event.sender());
  }
  out.Key("unsigned").BeginObject();
  out.Field("age", now_.ms - event.origin_server_ts());
  if (format.with_membership) {
    out.Field("membership", MembershipName(extras.membership));
  }
  if (extras.previous != nullptr) {
    out.Field("replaces_state", extras.previous->event_id());
    if (extras.previous_visible) {
      out.RawField("prev_content", extras.previous->content_json());
    }
  }
  if (extras.redaction != nullptr) {
    StoredEvent redaction;
    redaction.event = extras.redaction;
    ClientEventFormat plain = format;
    plain.with_membership = false;
    out.Key("redacted_because");
    WriteOne(out, room, redaction, Extras(), plain);
  }
  if (extras.bundle != nullptr) {
    WriteBundle(out, room, *extras.bundle, format);
  }
  if (!stored.txn_id.empty() && stored.txn_device == session_.device_id &&
      event.sender() == session_.user_id) {
    out.Field("transaction_id", stored.txn_id);
  }
  if (stored.txn_device == kDelayedDevice &&
      event.sender() == session_.user_id) {
    out.Field("org.matrix.msc4140.delay_id", stored.txn_id);
  }
  out.EndObject();
  out.EndObject();
}

Status ClientEvents::WriteArray(json::Writer& out, const RoomHead& room,
                                std::span<const StoredEvent> events,
                                const ClientEventFormat& format) {
  MC_ASSIGN_OR_RETURN(const std::vector<Extras> extras,
                      LoadExtras(room, events, format));
  out.BeginArray();
  for (size_t i = 0; i < events.size(); ++i) {
    WriteOne(out, room, events[i], extras[i], format);
  }
  out.EndArray();
  return OkStatus();
}

Status ClientEvents::Write(json::Writer& out, const RoomHead& room,
                           const StoredEvent& event,
                           const ClientEventFormat& format) {
  MC_ASSIGN_OR_RETURN(const std::vector<Extras> extras,
                      LoadExtras(room, {&event, 1}, format));
  WriteOne(out, room, event, extras[0], format);
  return OkStatus();
}

Status ClientEvents::WriteStrippedState(json::Writer& out, const RoomHead& room,
                                        StateSnap snap) {
  std::vector<EventPtr> events;
  for (const std::string_view type : kStrippedTypes) {
    MC_ASSIGN_OR_RETURN(EventPtr event,
                        reader_.StateEvent(room, snap, type, ""));
    if (event != nullptr) events.push_back(std::move(event));
  }
  MC_ASSIGN_OR_RETURN(
      EventPtr member,
      reader_.StateEvent(room, snap, kTypeMember, session_.user_id));
  if (member != nullptr) {
    // Who invites: clients show their name and avatar.
    if (member->sender() != session_.user_id) {
      MC_ASSIGN_OR_RETURN(
          EventPtr sender,
          reader_.StateEvent(room, snap, kTypeMember, member->sender()));
      if (sender != nullptr) events.push_back(std::move(sender));
    }
    events.push_back(std::move(member));
  }
  out.BeginArray();
  for (const EventPtr& event : events) {
    out.BeginObject();
    out.RawField("content", event->content_json());
    out.Field("sender", event->sender());
    out.Field("state_key", *event->state_key());
    out.Field("type", event->type());
    out.EndObject();
  }
  out.EndArray();
  return OkStatus();
}

}  // namespace matrixcore
