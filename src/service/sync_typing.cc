#include "service/sync_typing.h"

#include <algorithm>

namespace matrixcore {

bool SomeoneTypesIn(const std::vector<UserRoom>& rooms,
                    const TypingNews& news) {
  return std::any_of(
      news.active.begin(), news.active.end(), [&rooms](RoomNid nid) {
        const UserRoom* row = FindRoom(rooms, nid);
        return row != nullptr && row->membership == Membership::kJoin;
      });
}

std::optional<TypingUsers> FindTyping(const EphemeralService& ephemeral,
                                      const TypingNews& news, RoomNid room,
                                      bool newly, bool initial) {
  const auto changed = std::lower_bound(
      news.changed.begin(), news.changed.end(), room,
      [](const TypingUsers& a, RoomNid nid) { return a.room < nid; });
  if (changed != news.changed.end() && changed->room == room) return *changed;
  if (news.incomplete) return TypingUsers{room, {}};
  if (!newly || initial) return std::nullopt;
  TypingUsers now = ephemeral.TypingIn(room);
  if (now.user_ids.empty()) return std::nullopt;
  return now;
}

}  // namespace matrixcore
