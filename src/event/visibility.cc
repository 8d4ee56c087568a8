#include "matrixcore/event/visibility.h"

#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore {
namespace {

bool Allows(const HistoryView& view) {
  switch (view.visibility) {
    case HistoryVisibility::kWorldReadable:
      return true;
    case HistoryVisibility::kShared:
      return view.membership == Membership::kJoin || view.joined_later;
    case HistoryVisibility::kInvited:
      return view.membership == Membership::kJoin ||
             view.membership == Membership::kInvite;
    case HistoryVisibility::kJoined:
      return view.membership == Membership::kJoin;
  }
  return false;
}

bool Allows(const ServerHistoryView& view) {
  switch (view.visibility) {
    case HistoryVisibility::kWorldReadable:
    case HistoryVisibility::kShared:
      return true;
    case HistoryVisibility::kInvited:
      return view.has_joined_user || view.has_invited_user;
    case HistoryVisibility::kJoined:
      return view.has_joined_user;
  }
  return false;
}

}  // namespace

bool UserMaySee(const Event& event, std::string_view user_id,
                const HistoryView& before) {
  if (Allows(before)) return true;
  HistoryView after = before;
  if (event.Is(kTypeHistoryVisibility, "")) {
    after.visibility = HistoryVisibilityOf(&event);
  } else if (event.Is(kTypeMember, user_id)) {
    after.membership = MembershipOf(event);
  } else {
    return false;
  }
  return Allows(after);
}

bool ServerMaySee(const Event& event, std::string_view server,
                  const ServerHistoryView& before) {
  if (Allows(before)) return true;
  ServerHistoryView after = before;
  if (event.Is(kTypeHistoryVisibility, "")) {
    after.visibility = HistoryVisibilityOf(&event);
  } else if (event.type() == kTypeMember && event.is_state() &&
             DomainOf(*event.state_key()) == server) {
    const Membership membership = MembershipOf(event);
    after.has_joined_user |= membership == Membership::kJoin;
    after.has_invited_user |= membership == Membership::kInvite;
  } else {
    return false;
  }
  return Allows(after);
}

}  // namespace matrixcore
