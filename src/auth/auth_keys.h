// Auth events selection without allocation; internal to auth and stateres.
#pragma once

#include <string>
#include <string_view>

#include "event/canonical_reader.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::auth_rules {

// A string value of canonical JSON as text, without a copy if it has no
// escapes.
class Text {
 public:
  explicit Text(std::string_view raw) : is_string_(canonical::IsString(raw)) {
    const std::string_view body = canonical::StringBody(raw);
    if (canonical::HasEscapes(body)) {
      canonical::AppendUnescaped(body, &decoded_);
      view_ = decoded_;
    } else {
      view_ = body;
    }
  }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  bool is_string() const { return is_string_; }
  std::string_view view() const { return view_; }

 private:
  bool is_string_;
  std::string decoded_;
  std::string_view view_;
};

inline std::string_view ThirdPartyToken(std::string_view content) {
  return canonical::Member(
      canonical::Member(canonical::Member(content, "third_party_invite"),
                        "signed"),
      "token");
}

// Calls visit(type, state_key) for each pair that may be among an event's auth
// events (spec: server-server API, "Auth events selection"), once each.
// `content` is raw JSON.
template <typename Visit>
void ForEachAuthKey(std::string_view type, std::string_view sender,
                    const std::string_view* state_key, std::string_view content,
                    const RoomVersionRules& rules, Visit visit) {
  if (type == kTypeCreate) return;
  if (rules.create_in_auth_events) visit(kTypeCreate, std::string_view());
  visit(kTypePowerLevels, std::string_view());
  visit(kTypeMember, sender);
  if (type != kTypeMember) return;
  if (state_key != nullptr && *state_key != sender) {
    visit(kTypeMember, *state_key);
  }
  const Membership membership = ParseMembership(
      canonical::StringBody(canonical::Member(content, "membership")));
  if (membership == Membership::kJoin || membership == Membership::kInvite ||
      membership == Membership::kKnock) {
    visit(kTypeJoinRules, std::string_view());
  }
  if (membership == Membership::kInvite) {
    const Text token(ThirdPartyToken(content));
    if (token.is_string()) visit(kTypeThirdPartyInvite, token.view());
  }
  if (membership == Membership::kJoin && rules.restricted_joins) {
    const Text via(
        canonical::Member(content, "join_authorised_via_users_server"));
    if (via.is_string() && via.view() != sender &&
        (state_key == nullptr || via.view() != *state_key)) {
      visit(kTypeMember, via.view());
    }
  }
}

}  // namespace matrixcore::auth_rules
