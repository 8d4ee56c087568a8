// RoomReader::Visible: which events of a room a user may see (spec:
// client-server API, "History visibility").
#include <algorithm>

#include "matrixcore/event/types.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {
namespace {

// What one state says about one user's view.
struct View {
  HistoryVisibility visibility = HistoryVisibility::kShared;
  Membership membership = Membership::kNone;
};

// The rules for one moment; `joined_later`: the user joined at any point after
// the event.
bool Allows(const View& view, bool joined_later) {
  if (view.visibility == HistoryVisibility::kWorldReadable) return true;
  if (view.membership == Membership::kJoin) return true;
  if (view.visibility == HistoryVisibility::kShared && joined_later)
    return true;
  return view.visibility == HistoryVisibility::kInvited &&
         view.membership == Membership::kInvite;
}

// Reads views of states, each distinct pair of events once.
class Views {
 public:
  Views(RoomReader& reader, const RoomHead& room)
      : reader_(reader), room_(room) {}

  Status Init(std::string_view user_id) {
    MC_ASSIGN_OR_RETURN(visibility_key_,
                        reader_.KeyNum(room_, kTypeHistoryVisibility, ""));
    MC_ASSIGN_OR_RETURN(member_key_,
                        reader_.KeyNum(room_, kTypeMember, user_id));
    return OkStatus();
  }

  Result<View> At(StateSnap snap) {
    if (known_ && snap == snap_) return view_;
    MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader_.State(room_, snap));
    const EventIdx visibility =
        visibility_key_ == 0 ? 0 : state->Find(visibility_key_);
    const EventIdx member = member_key_ == 0 ? 0 : state->Find(member_key_);
    if (!known_ || visibility != visibility_idx_) {
      MC_ASSIGN_OR_RETURN(const EventPtr event, Load(visibility));
      view_.visibility = HistoryVisibilityOf(event.get());
      visibility_idx_ = visibility;
    }
    if (!known_ || member != member_idx_) {
      MC_ASSIGN_OR_RETURN(const EventPtr event, Load(member));
      view_.membership =
          event == nullptr ? Membership::kNone : MembershipOf(*event);
      member_idx_ = member;
    }
    snap_ = snap;
    known_ = true;
    return view_;
  }

 private:
  Result<EventPtr> Load(EventIdx idx) {
    if (idx == 0) return EventPtr();
    MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                        reader_.Events(room_, {&idx, 1}));
    return events[0];
  }

  RoomReader& reader_;
  const RoomHead& room_;
  StateKeyNum visibility_key_ = 0;
  StateKeyNum member_key_ = 0;
  bool known_ = false;
  StateSnap snap_ = 0;
  EventIdx visibility_idx_ = 0;
  EventIdx member_idx_ = 0;
  View view_;
};

}  // namespace

Result<std::optional<StoredEvent>> RoomReader::EndOfStay(
    const RoomHead& room, std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const auto row, MembershipOf(user_id, room.nid));
  if (!row || row->membership == Membership::kJoin) {
    return std::optional<StoredEvent>();
  }
  // Back through the user's member events.
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> event,
                      StoredEvents(room, {&row->idx, 1}));
  while (event[0].replaces != 0) {
    const EventIdx replaced = event[0].replaces;
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> previous,
                        StoredEvents(room, {&replaced, 1}));
    if (matrixcore::MembershipOf(*previous[0].event) == Membership::kJoin) {
      return std::optional<StoredEvent>(std::move(event[0]));
    }
    event = std::move(previous);
  }
  return std::optional<StoredEvent>();
}

Result<std::vector<bool>> RoomReader::Visible(
    const RoomHead& room, std::string_view user_id,
    std::span<const StoredEvent> events) {
  std::vector<bool> visible(events.size(), false);
  Views views(*this, room);
  MC_RETURN_IF_ERROR(views.Init(user_id));
  // Every event before this was followed by a time of being joined.
  Position joined_until = 0;
  MC_ASSIGN_OR_RETURN(const auto row, MembershipOf(user_id, room.nid));
  if (row && row->membership == Membership::kJoin) {
    joined_until = INT64_MAX;
  } else if (row) {
    MC_ASSIGN_OR_RETURN(const auto end, EndOfStay(room, user_id));
    if (end) joined_until = end->pos;
  }
  for (size_t i = 0; i < events.size(); ++i) {
    const StoredEvent& event = events[i];
    const bool joined_later = event.pos < joined_until;
    MC_ASSIGN_OR_RETURN(View view, views.At(event.before));
    visible[i] = Allows(view, joined_later);
    // A change of the visibility, or of the user's own membership, is seen by
    // whoever may see either side of it.
    if (!visible[i] && (event.event->Is(kTypeHistoryVisibility, "") ||
                        event.event->Is(kTypeMember, user_id))) {
      MC_ASSIGN_OR_RETURN(view, views.At(event.after));
      visible[i] = Allows(view, joined_later);
      // One's own invite, leave or ban is always one's own business.
      if (event.event->Is(kTypeMember, user_id)) visible[i] = true;
    }
  }
  return visible;
}

}  // namespace matrixcore
