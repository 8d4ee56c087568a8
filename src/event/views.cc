#include "matrixcore/event/views.h"

#include <algorithm>
#include <array>
#include <utility>

#include "event/canonical_reader.h"
#include "event/power_level.h"
#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

constexpr std::array<std::pair<std::string_view, Membership>, 5> kMemberships =
    {{{"invite", Membership::kInvite},
      {"join", Membership::kJoin},
      {"knock", Membership::kKnock},
      {"leave", Membership::kLeave},
      {"ban", Membership::kBan}}};

constexpr std::array<std::pair<std::string_view, HistoryVisibility>, 4>
    kVisibilities = {{{"invited", HistoryVisibility::kInvited},
                      {"joined", HistoryVisibility::kJoined},
                      {"shared", HistoryVisibility::kShared},
                      {"world_readable", HistoryVisibility::kWorldReadable}}};

// The raw level, or `fallback` when it is missing or malformed.
int64_t LevelOr(std::string_view raw, PowerLevelFormat format,
                int64_t fallback) {
  return ParsePowerLevel(raw, format).value_or(fallback);
}

}  // namespace

Membership ParseMembership(std::string_view name) {
  for (const auto& [text, membership] : kMemberships) {
    if (text == name) return membership;
  }
  return Membership::kNone;
}

std::string_view MembershipName(Membership membership) {
  for (const auto& [text, value] : kMemberships) {
    if (value == membership) return text;
  }
  return "leave";
}

Membership MembershipOf(const Event& event) {
  return ParseMembership(canonical::StringBody(
      canonical::Member(event.content_json(), "membership")));
}

HistoryVisibility HistoryVisibilityOf(const Event* event) {
  if (event == nullptr) return HistoryVisibility::kShared;
  const std::string_view name = canonical::StringBody(
      canonical::Member(event->content_json(), "history_visibility"));
  for (const auto& [text, visibility] : kVisibilities) {
    if (text == name) return visibility;
  }
  return HistoryVisibility::kShared;
}

std::string_view JoinRuleOf(const Event* event) {
  if (event == nullptr) return "invite";
  const std::string_view rule = canonical::StringBody(
      canonical::Member(event->content_json(), "join_rule"));
  return rule.empty() || canonical::HasEscapes(rule) ? "invite" : rule;
}

bool IsRoomCreator(const Event& create, std::string_view user_id) {
  const RoomVersionRules& rules = create.rules();
  if (!rules.creator_is_sender) {
    const std::string_view creator =
        canonical::Member(create.content_json(), "creator");
    return canonical::StringEquals(creator, user_id);
  }
  if (create.sender() == user_id) return true;
  if (!rules.creators_above_all) return false;
  canonical::ArrayReader more(
      canonical::Member(create.content_json(), "additional_creators"));
  while (more.Next()) {
    if (canonical::StringEquals(more.value(), user_id)) return true;
  }
  return false;
}

PowerLevels::PowerLevels(const Event* create, const Event* power_levels)
    : create_(create), levels_(power_levels) {}

int64_t PowerLevels::Scalar(std::string_view key, int64_t fallback) const {
  if (levels_ == nullptr) return fallback;
  return LevelOr(canonical::Member(levels_->content_json(), key),
                 levels_->rules().power_level_format, fallback);
}

int64_t PowerLevels::User(std::string_view user_id) const {
  const bool creator = create_ != nullptr && IsRoomCreator(*create_, user_id);
  if (creator && create_->rules().creators_above_all) return kCreatorPower;
  if (levels_ == nullptr) return creator ? 100 : 0;
  const std::string_view users =
      canonical::Member(levels_->content_json(), "users");
  const std::string_view own = canonical::MemberNamed(users, user_id);
  return LevelOr(own, levels_->rules().power_level_format,
                 Scalar("users_default", 0));
}

int64_t PowerLevels::ToSend(std::string_view type, bool is_state) const {
  if (levels_ == nullptr) return is_state ? 50 : 0;
  const std::string_view events =
      canonical::Member(levels_->content_json(), "events");
  const int64_t fallback =
      is_state ? Scalar("state_default", 50) : Scalar("events_default", 0);
  return LevelOr(canonical::MemberNamed(events, type),
                 levels_->rules().power_level_format, fallback);
}

int64_t PowerLevels::ToBan() const { return Scalar("ban", 50); }
int64_t PowerLevels::ToKick() const { return Scalar("kick", 50); }
int64_t PowerLevels::ToInvite() const { return Scalar("invite", 0); }
int64_t PowerLevels::ToRedact() const { return Scalar("redact", 50); }

int64_t PowerLevels::ToNotify(std::string_view key) const {
  if (levels_ == nullptr) return 50;
  const std::string_view levels =
      canonical::Member(levels_->content_json(), "notifications");
  return LevelOr(canonical::MemberNamed(levels, key),
                 levels_->rules().power_level_format, 50);
}

}  // namespace matrixcore
