#include "service/sliding_writer.h"

#include <algorithm>
#include <string_view>

#include "matrixcore/service/tokens.h"

namespace matrixcore {

struct SlidingWriter::Names {
  std::string_view stripped_state;
  std::string_view expanded_timeline;
  bool membership;  // And the lists in which a room is.
  bool stubs;       // For state that is gone.
};

const SlidingWriter::Names& SlidingWriter::names() const {
  static constexpr Names kSimplified{
      "invite_state", "unstable_expanded_timeline", false, false};
  static constexpr Names kMsc4186{"stripped_state", "expanded_timeline", true,
                                  true};
  return form_ == SlidingForm::kSimplified ? kSimplified : kMsc4186;
}

namespace {

// A text, or null where one was removed.
void WriteText(json::Writer& out, std::string_view key,
               const std::optional<std::string>& text) {
  if (!text) return;
  out.Key(key);
  text->empty() ? out.Null() : out.String(*text);
}

void WriteHeroes(json::Writer& out,
                 const std::vector<SlidingRoom::Hero>& heroes) {
  out.Key("heroes").BeginArray();
  for (const SlidingRoom::Hero& hero : heroes) {
    out.BeginObject().Field("user_id", hero.user_id);
    if (!hero.displayname.empty()) out.Field("displayname", hero.displayname);
    if (!hero.avatar_url.empty()) out.Field("avatar_url", hero.avatar_url);
    out.EndObject();
  }
  out.EndArray();
}

}  // namespace

Status SlidingWriter::WriteRoom(json::Writer& out, const SlidingRoom& room) {
  out.BeginObject();
  if (room.initial) out.Field("initial", true);
  if (room.bump_stamp != 0) out.Field("bump_stamp", room.bump_stamp);
  if (room.is_dm) out.Field("is_dm", *room.is_dm);
  if (names().membership) {
    if (room.membership_changed) {
      out.Field("membership", MembershipName(room.membership));
    }
    if (!room.lists.empty()) {
      out.Key("lists").BeginArray();
      for (const std::string_view list : room.lists) out.String(list);
      out.EndArray();
    }
  }
  if (room.stripped) {
    MC_RETURN_IF_ERROR(WriteStripped(out, room));
  } else {
    MC_RETURN_IF_ERROR(WriteContents(out, room));
  }
  out.EndObject();
  return OkStatus();
}

Status SlidingWriter::WriteStripped(json::Writer& out,
                                    const SlidingRoom& room) {
  out.Key(names().stripped_state);
  if (*room.stripped != 0) {
    return events_.WriteStrippedState(out, room.head, *room.stripped);
  }
  const Event& event = *room.member.event;
  out.BeginArray().BeginObject();
  out.RawField("content", event.content().raw());
  out.Field("sender", event.sender());
  out.Field("state_key", *event.state_key());
  out.Field("type", event.type());
  out.EndObject().EndArray();
  return OkStatus();
}

Status SlidingWriter::WriteContents(json::Writer& out,
                                    const SlidingRoom& room) {
  WriteText(out, "name", room.name);
  WriteText(out, "avatar", room.avatar);
  if (room.heroes) WriteHeroes(out, *room.heroes);
  if (room.counts) {
    out.Field("joined_count", room.counts->joined);
    out.Field("invited_count", room.counts->invited);
  }
  if (room.unread) {
    out.Field("notification_count", room.unread->notifications);
    out.Field("highlight_count", room.unread->highlights);
  }
  if (room.expanded_timeline) out.Field(names().expanded_timeline, true);
  MC_RETURN_IF_ERROR(WriteState(out, room));
  const Timeline& timeline = room.timeline;
  if (timeline.events.empty() && !timeline.limited && !room.initial) {
    return OkStatus();
  }
  ClientEventFormat format;
  format.with_room_id = false;
  format.with_relations = timeline.limited;
  out.Key("timeline");
  MC_RETURN_IF_ERROR(
      events_.WriteArray(out, room.head, timeline.events, format));
  out.Field("prev_batch", StreamToken{timeline.start, 0}.ToString());
  if (timeline.limited) out.Field("limited", true);
  out.Field("num_live", static_cast<int64_t>(room.num_live));
  return OkStatus();
}

Status SlidingWriter::WriteState(json::Writer& out, const SlidingRoom& room) {
  const bool stubs = names().stubs && !room.deleted_state.empty();
  if (room.required_state.empty() && !stubs) return OkStatus();
  ClientEventFormat format;
  format.with_room_id = false;
  format.with_membership = false;
  format.with_previous = false;
  out.Key("required_state");
  if (!stubs) {
    return events_.WriteArray(out, room.head, room.required_state, format);
  }
  out.BeginArray();
  for (const StoredEvent& event : room.required_state) {
    MC_RETURN_IF_ERROR(events_.Write(out, room.head, event, format));
  }
  for (const StateKey& key : room.deleted_state) {
    out.BeginObject();
    out.Field("type", key.type);
    out.Field("state_key", key.state_key);
    out.EndObject();
  }
  out.EndArray();
  return OkStatus();
}

}  // namespace matrixcore
