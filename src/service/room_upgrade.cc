// RoomService::Upgrade (spec: client-server API, "Room Upgrades").
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/rooms.h"
#include "service/canonical_alias.h"
#include "service/room_access.h"
#include "service/room_settings.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

constexpr size_t kRoomIdLength = 18;
constexpr int kAttempts = 3;
// Bans that are repeated in one commit.
constexpr size_t kBansAtOnce = 500;
constexpr int64_t kFullPower = 100;
constexpr int64_t kTombstonePower = 150;  // From version 12 on.
constexpr int64_t kModeratorPower = 50;
constexpr int64_t kHighestPower = (int64_t{1} << 53) - 1;

// What is transferred as it is; join rules and power levels are fitted.
constexpr std::array<std::string_view, 7> kTransferred = {
    kTypeHistoryVisibility,
    kTypeGuestAccess,
    kTypeName,
    kTypeTopic,
    kTypeAvatar,
    kTypeEncryption,
    kTypeServerAcl};

constexpr std::array<std::string_view, 7> kLevelFields = {
    "ban",    "events_default", "invite",       "kick",
    "redact", "state_default",  "users_default"};
constexpr std::array<std::string_view, 3> kLevelMaps = {
    "events", "notifications", "users"};

// A level as any room version may have it; nothing for what is none.
std::optional<int64_t> ReadLevel(json::Value value) {
  if (const auto number = value.AsInt()) return number;
  if (const auto number = value.AsDouble()) {
    return static_cast<int64_t>(std::trunc(*number));
  }
  const auto text = value.AsString();
  if (!text) return std::nullopt;
  const size_t begin = text->find_first_of("+-0123456789");
  if (begin == std::string_view::npos) return std::nullopt;
  const Result<json::Document> number = json::Document::Parse(
      std::string(text->substr((*text)[begin] == '+' ? begin + 1 : begin)));
  return number.ok() ? number->root().AsInt() : std::nullopt;
}

// Power levels that can be changed one by one.
struct Levels {
  std::map<std::string, int64_t, std::less<>> fields;
  std::map<std::string, std::map<std::string, int64_t, std::less<>>,
           std::less<>>
      maps;

  explicit Levels(json::Value content) {
    for (const std::string_view field : kLevelFields) {
      if (const auto level = ReadLevel(content[field])) {
        fields.emplace(field, *level);
      }
    }
    for (const std::string_view name : kLevelMaps) {
      auto& map = maps[std::string(name)];
      for (const auto [key, value] : content[name].members()) {
        if (const auto level = ReadLevel(value)) {
          map.insert_or_assign(std::string(key), *level);
        }
      }
    }
  }
  int64_t Field(std::string_view name, int64_t fallback) const {
    const auto it = fields.find(name);
    return it == fields.end() ? fallback : it->second;
  }
  int64_t Highest() const {
    int64_t highest = kFullPower;
    for (const auto& [name, level] : fields) highest = std::max(highest, level);
    for (const auto& [name, map] : maps) {
      for (const auto& [key, level] : map) highest = std::max(highest, level);
    }
    return highest;
  }
  int64_t OfUser(std::string_view user) const {
    const auto& users = maps.find("users")->second;
    const auto it = users.find(user);
    return it == users.end() ? Field("users_default", 0) : it->second;
  }
  std::string ToJson() const {
    json::Object content;
    for (const auto& [name, level] : fields) content.SetInt(name, level);
    for (const auto& [name, map] : maps) {
      json::Object levels;
      for (const auto& [key, level] : map) levels.SetInt(key, level);
      content.SetRaw(name, levels.ToJson());
    }
    return content.ToJson();
  }
};

std::vector<std::string> CreatorsOf(const Event& create) {
  std::vector<std::string> creators;
  creators.emplace_back(create.sender());
  for (const json::Value user : create.content()["additional_creators"]) {
    creators.emplace_back(user.StringOr(""));
  }
  return creators;
}

std::string_view ReplacementIn(const Event& tombstone) {
  return tombstone.content()["replacement_room"].StringOr("");
}

EventDraft StateDraft(const std::string& sender, std::string_view type,
                      std::string_view state_key, std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = sender;
  draft.state_key = std::string(state_key);
  draft.content = std::move(content);
  return draft;
}

// The join rule, or the nearest that is not more open in a version that does
// not know it.
std::string FitJoinRules(const Event& event, const RoomVersionRules& rules) {
  const std::string_view rule = JoinRuleOf(&event);
  std::string_view fitting = rule;
  if (rule == "knock_restricted" && !rules.knock_restricted) {
    fitting = rules.restricted_joins ? "restricted" : "invite";
  }
  if ((rule == "restricted" && !rules.restricted_joins) ||
      (rule == "knock" && !rules.knock)) {
    fitting = "invite";
  }
  if (fitting == rule) return std::string(event.content_json());
  json::Object content = json::Object::From(event.content());
  content.SetString("join_rule", fitting);
  return content.ToJson();
}

}  // namespace

// The room that is replaced, as it is found.
struct RoomService::OldRoom {
  RoomHead head;
  std::map<std::string, EventPtr, std::less<>> state;        // By type.
  std::vector<std::pair<std::string, std::string>> aliases;  // With creators.
  std::vector<EventPtr> bans;

  const Event* Find(std::string_view type) const {
    const auto it = state.find(type);
    return it == state.end() ? nullptr : it->second.get();
  }
  bool HasAlias(std::string_view alias) const {
    return std::any_of(
        aliases.begin(), aliases.end(),
        [alias](const auto& entry) { return entry.first == alias; });
  }
};

Result<RoomService::OldRoom> RoomService::ReadOldRoom(
    RoomReader& reader, std::string_view room_id) {
  OldRoom room;
  MC_ASSIGN_OR_RETURN(auto head, reader.Head(room_id));
  if (!head) return NotFoundError("There is no such room here.");
  room.head = std::move(*head);
  std::vector<std::string_view> types = {kTypeCreate, kTypeJoinRules,
                                         kTypePowerLevels, kTypeCanonicalAlias,
                                         kTypeTombstone};
  types.insert(types.end(), kTransferred.begin(), kTransferred.end());
  for (const std::string_view type : types) {
    MC_ASSIGN_OR_RETURN(
        EventPtr event,
        reader.StateEvent(room.head, room.head.state, type, ""));
    if (event != nullptr) room.state.emplace(type, std::move(event));
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> aliases,
      reader.snapshot().Scan({.table = &tables::kAliases,
                              .index = tables::Aliases::kByRoom,
                              .prefix = {Cell(room.head.nid)}}));
  for (const Row& row : aliases) {
    room.aliases.emplace_back(CellText(row[tables::Aliases::kAlias]),
                              CellText(row[tables::Aliases::kCreator]));
  }
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> banned,
                      reader.Members(room.head.nid, Membership::kBan));
  std::vector<EventIdx> idxs;
  for (const MembershipRow& row : banned) idxs.push_back(row.idx);
  MC_ASSIGN_OR_RETURN(room.bans, reader.Events(room.head, idxs));
  return room;
}

// The create event's content.
std::string RoomService::SuccessorContent(
    const Session& session, const OldRoom& old, const RoomVersionRules& rules,
    const std::vector<std::string>& more) {
  json::Object predecessor;
  predecessor.SetString("room_id", old.head.room_id);
  if (!old.head.extremities.empty()) {
    predecessor.SetString("event_id", old.head.extremities.front());
  }
  json::Object content;
  content.SetRaw("predecessor", predecessor.ToJson());
  content.SetString("room_version", rules.id);
  if (!rules.creator_is_sender) content.SetString("creator", session.user_id);
  const json::Value create = old.Find(kTypeCreate)->content();
  if (create["type"].IsString()) {
    content.SetRaw("type", std::string(create["type"].raw()));
  }
  if (!create["m.federate"].AsBool().value_or(true)) {
    content.SetBool("m.federate", false);
  }
  if (rules.creators_above_all && !more.empty()) {
    std::string creators;
    json::Writer writer(&creators);
    writer.BeginArray();
    for (const std::string& user : more) writer.String(user);
    writer.EndArray();
    content.SetRaw("additional_creators", std::move(creators));
  }
  return content.ToJson();
}

namespace {

// The power levels of the new room: those of the old one as the new version
// wants them.
Levels FitLevels(const Session& session, const Event* old_levels,
                 const Event& old_create, const RoomVersionRules& rules,
                 const std::vector<std::string>& more_creators) {
  const json::Document empty;
  Levels levels(old_levels == nullptr ? empty.root() : old_levels->content());
  auto& users = levels.maps["users"];
  const bool was_above_all = old_create.rules().creators_above_all;
  if (!rules.creators_above_all) {
    const int64_t highest = levels.Highest();
    // Who stood above all levels is given the highest.
    if (was_above_all) {
      for (const std::string& user : CreatorsOf(old_create)) {
        users[user] = highest;
      }
    } else if (old_levels == nullptr) {
      users[session.user_id] = kFullPower;
    }
    return levels;
  }
  users.erase(session.user_id);
  for (const std::string& user : more_creators) users.erase(user);
  // Only creators may replace a room (spec: room version 12, m.room.tombstone).
  auto& events = levels.maps["events"];
  const auto tombstone = events.find(kTypeTombstone);
  const bool chosen =
      was_above_all && tombstone != events.end() &&
      tombstone->second > levels.Field("state_default", kModeratorPower);
  if (!chosen) {
    int64_t& level = events[std::string(kTypeTombstone)];
    level = std::max(level, kTombstonePower);
  }
  return levels;
}

EventDraft BanDraft(const std::string& sender, const Event& ban) {
  json::Object content;
  content.SetString("membership", "ban");
  if (const json::Value reason = ban.content()["reason"]; reason.IsString()) {
    content.SetRaw("reason", std::string(reason.raw()));
  }
  return StateDraft(sender, kTypeMember, *ban.state_key(), content.ToJson());
}

}  // namespace

Result<std::vector<EventDraft>> RoomService::SuccessorDrafts(
    const Session& session, const OldRoom& old, const RoomVersionRules& rules,
    const std::vector<std::string>& more_creators) {
  const std::string& user = session.user_id;
  MC_ASSIGN_OR_RETURN(std::string join, MemberContent("join", user, {}));
  Levels levels = FitLevels(session, old.Find(kTypePowerLevels),
                            *old.Find(kTypeCreate), rules, more_creators);
  std::vector<EventDraft> drafts = {
      StateDraft(user, kTypeCreate, "",
                 SuccessorContent(session, old, rules, more_creators)),
      StateDraft(user, kTypeMember, user, std::move(join))};
  // Until all is in place its maker may do everything.
  const int64_t own = levels.OfUser(user);
  int64_t needed = levels.Highest();
  for (const EventPtr& ban : old.bans) {
    needed = std::max(needed, levels.OfUser(*ban->state_key()) + 1);
  }
  const std::string lasting = levels.ToJson();
  const bool raised = !rules.creators_above_all && own < needed;
  if (raised) levels.maps["users"][user] = needed;
  drafts.push_back(StateDraft(user, kTypePowerLevels, "", levels.ToJson()));
  if (const Event* join_rules = old.Find(kTypeJoinRules)) {
    drafts.push_back(
        StateDraft(user, kTypeJoinRules, "", FitJoinRules(*join_rules, rules)));
  }
  for (const std::string_view type : kTransferred) {
    if (const Event* event = old.Find(type)) {
      drafts.push_back(
          StateDraft(user, type, "", std::string(event->content_json())));
    }
  }
  if (const Event* alias = old.Find(kTypeCanonicalAlias)) {
    std::string content = FilterAliases(
        *alias, [&old](std::string_view name) { return old.HasAlias(name); });
    if (!content.empty()) {
      drafts.push_back(
          StateDraft(user, kTypeCanonicalAlias, "", std::move(content)));
    }
  }
  for (size_t i = 0; i < std::min(old.bans.size(), kBansAtOnce); ++i) {
    drafts.push_back(BanDraft(user, *old.bans[i]));
  }
  if (raised && old.bans.size() <= kBansAtOnce) {
    drafts.push_back(StateDraft(user, kTypePowerLevels, "", lasting));
  }
  return drafts;
}

// The bans that did not fit into the first commit, and the levels after them.
Status RoomService::SendRemainingBans(const Session& session,
                                      const OldRoom& old,
                                      const std::string& new_room,
                                      const std::string& lasting_levels) {
  for (size_t begin = kBansAtOnce; begin < old.bans.size();
       begin += kBansAtOnce) {
    const size_t end = std::min(begin + kBansAtOnce, old.bans.size());
    RoomRequest request;
    request.room_id = new_room;
    request.user_id = session.user_id;
    request.prepare = [&](const RoomView& view) -> Result<RoomChange> {
      RoomChange change;
      for (size_t i = begin; i < end; ++i) {
        const Event& ban = *old.bans[i];
        if (view.MembershipOf(*ban.state_key()) == Membership::kBan) continue;
        change.drafts.push_back(BanDraft(session.user_id, ban));
      }
      const Event* now = view.Find(kTypePowerLevels, "");
      if (end == old.bans.size() && now != nullptr &&
          now->content_json() != lasting_levels) {
        change.drafts.push_back(
            StateDraft(session.user_id, kTypePowerLevels, "", lasting_levels));
      }
      return change;
    };
    MC_RETURN_IF_ERROR(deps_.writer.SendAndWait(std::move(request)).status());
  }
  return OkStatus();
}

namespace {

// Power levels under which the old room is for reading only; "" when `user` may
// not set them, or they are so already.
std::string QuietLevels(const RoomView& view, const std::string& user) {
  const Event* event = view.Find(kTypePowerLevels, "");
  if (event == nullptr) return {};
  const PowerLevels powers(view.Find(kTypeCreate, ""), event);
  const Levels levels(event->content());
  const int64_t quiet =
      std::max(kModeratorPower, levels.Field("users_default", 0) + 1);
  json::Object content = json::Object::From(event->content());
  bool changed = false;
  for (const std::string_view field : {"events_default", "invite"}) {
    if (levels.Field(field, 0) >= quiet) continue;
    content.SetInt(field, quiet);
    changed = true;
  }
  if (!changed || powers.User(user) < powers.ToSend(kTypePowerLevels, true) ||
      powers.User(user) < quiet) {
    return {};
  }
  return content.ToJson();
}

}  // namespace

// The room that takes an old one's place, as the row of an upgrade says: one
// that was begun and failed, or that was done.
struct RoomService::Succession {
  Row key = {};  // Of tables::kTransactions.
  std::optional<Row> row = {};
  std::string room_id = {};  // "" if the row names none that can be used.
  bool done = false;

  static Row KeyOf(const Session& session, std::string_view old_room,
                   const RoomVersionRules& rules,
                   const std::vector<std::string>& more_creators) {
    return {
        Cell(session.user_id), Cell(""),
        Cell(fmt::format("upgrade/{}", old_room)),
        Cell(fmt::format("{} {}", rules.id, fmt::join(more_creators, " ")))};
  }
  BatchRow RowOf(std::string_view room, bool is_done, Timestamp now) const {
    BatchRow cells = ToBatchRow(key);
    cells.emplace_back(fmt::format("{} {}", is_done ? "done" : "begun", room));
    cells.emplace_back(now.ms);
    return cells;
  }
};

Result<RoomService::Succession> RoomService::FindSuccession(
    RoomReader& reader, const Session& session, const OldRoom& old, Row key) {
  using tables::Transactions;
  Succession found{.key = std::move(key)};
  MC_ASSIGN_OR_RETURN(found.row,
                      reader.snapshot().Get(tables::kTransactions, found.key));
  if (!found.row) return found;
  const std::string_view result = CellText((*found.row)[Transactions::kResult]);
  const size_t space = result.find(' ');
  found.done = result.substr(0, space) == "done";
  const std::string_view room = result.substr(space + 1);
  const Event* closed = old.Find(kTypeTombstone);
  if (found.done && (closed == nullptr || ReplacementIn(*closed) != room)) {
    return found;  // The room has been replaced once more since.
  }
  MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room));
  if (!head) return found;
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, head->nid));
  if (row && row->membership == Membership::kJoin) found.room_id = room;
  return found;
}

// The tombstone, and all else that closes the old room, in one commit.
Status RoomService::CloseOldRoom(const Session& session, const OldRoom& old,
                                 const Succession& succession,
                                 const std::string& new_room) {
  RoomNid new_nid = 0;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const auto head,
                        RoomReader(*snapshot, deps_.caches).Head(new_room));
    if (!head) return NotFoundError("The new room is gone.");
    new_nid = head->nid;
  }
  RoomRequest request;
  request.room_id = old.head.room_id;
  request.user_id = session.user_id;
  request.prepare = [&](const RoomView& view) -> Result<RoomChange> {
    json::Object tombstone;
    tombstone.SetString("body", "This room has been replaced");
    tombstone.SetString("replacement_room", new_room);
    RoomChange change;
    const Event* closed = view.Find(kTypeTombstone, "");
    if (closed != nullptr && ReplacementIn(*closed) == new_room) return change;
    change.listed = false;
    change.also = [&](WriteBatch& batch, PositionRef) {
      for (const auto& [alias, creator] : old.aliases) {
        batch.Require(WriteBatch::ColumnEquals{&tables::kAliases,
                                               {Cell(alias)},
                                               tables::Aliases::kRoom,
                                               Cell(old.head.nid)});
        batch.PutRow(tables::kAliases, {alias, new_nid, creator});
      }
      batch.PutRow(tables::kTransactions,
                   succession.RowOf(new_room, true, deps_.clock.Now()));
    };
    change.drafts.push_back(
        StateDraft(session.user_id, kTypeTombstone, "", tombstone.ToJson()));
    const PowerLevels levels(view.Find(kTypeCreate, ""),
                             view.Find(kTypePowerLevels, ""));
    const Event* alias = view.Find(kTypeCanonicalAlias, "");
    if (alias != nullptr && !old.aliases.empty() &&
        levels.User(session.user_id) >=
            levels.ToSend(kTypeCanonicalAlias, true)) {
      std::string rest = FilterAliases(*alias, [&old](std::string_view name) {
        return !old.HasAlias(name);
      });
      if (rest != alias->content_json()) {
        change.drafts.push_back(StateDraft(session.user_id, kTypeCanonicalAlias,
                                           "", rest.empty() ? "{}" : rest));
      }
    }
    std::string quiet = QuietLevels(view, session.user_id);
    if (!quiet.empty()) {
      change.drafts.push_back(
          StateDraft(session.user_id, kTypePowerLevels, "", std::move(quiet)));
    }
    return change;
  };
  return deps_.writer.SendAndWait(std::move(request)).status();
}

Status RoomService::CheckMayUpgrade(RoomReader& reader, const OldRoom& old,
                                    const Session& session) {
  const Status refused = ForbiddenError("You may not upgrade this room.");
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, old.head.nid));
  if (!row || row->membership != Membership::kJoin) return refused;
  const PowerLevels levels(old.Find(kTypeCreate), old.Find(kTypePowerLevels));
  return levels.User(session.user_id) >= levels.ToSend(kTypeTombstone, true)
             ? OkStatus()
             : refused;
}

// kAborted when another request made one meanwhile.
Result<std::string> RoomService::MakeSuccessor(
    const Session& session, const OldRoom& old, const RoomVersionRules& rules,
    const std::vector<std::string>& more_creators,
    const Succession& succession) {
  CreateRoomRequest request;
  request.rules = &rules;
  request.creator = session.user_id;
  request.listed = old.head.listed;
  if (!rules.room_id_is_create_hash) {
    request.room_id =
        fmt::format("!{}:{}", deps_.random.AlphaNumeric(kRoomIdLength),
                    options_.server_name);
  }
  MC_ASSIGN_OR_RETURN(request.drafts,
                      SuccessorDrafts(session, old, rules, more_creators));
  request.also = [&](WriteBatch& batch, PositionRef,
                     const std::string& room_id) {
    using tables::Transactions;
    if (succession.row) {
      batch.Require(WriteBatch::ColumnEquals{
          &tables::kTransactions, succession.key, Transactions::kResult,
          (*succession.row)[Transactions::kResult]});
    } else {
      batch.Require(
          WriteBatch::RowAbsent{&tables::kTransactions, succession.key});
    }
    batch.PutRow(tables::kTransactions,
                 succession.RowOf(room_id, false, deps_.clock.Now()));
  };
  MC_ASSIGN_OR_RETURN(RoomWriter::Created made,
                      deps_.writer.CreateAndWait(std::move(request)));
  return std::move(made.room_id);
}

Result<std::string> RoomService::Upgrade(const Session& session,
                                         std::string_view room_id,
                                         const RoomUpgrade& upgrade) {
  const RoomVersionRules* rules = FindRoomVersion(upgrade.new_version);
  if (rules == nullptr) {
    return Status(
        StatusCode::kInvalidArgument, "M_UNSUPPORTED_ROOM_VERSION",
        fmt::format("Room version {} is unknown here.", upgrade.new_version));
  }
  std::set<std::string> creators;
  if (rules->creators_above_all) {
    for (const std::string& user : upgrade.additional_creators) {
      if (!IsUserId(user)) {
        return InvalidParamError(fmt::format("{} is not a user id.", user));
      }
      if (user != session.user_id) creators.insert(user);
    }
  }
  const std::vector<std::string> more(creators.begin(), creators.end());
  Status failure;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    OldRoom old;
    Succession succession;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          deps_.store.NewSnapshot());
      RoomReader reader(*snapshot, deps_.caches);
      MC_ASSIGN_OR_RETURN(old, ReadOldRoom(reader, room_id));
      MC_RETURN_IF_ERROR(CheckMayUpgrade(reader, old, session));
      MC_ASSIGN_OR_RETURN(
          succession,
          FindSuccession(
              reader, session, old,
              Succession::KeyOf(session, old.head.room_id, *rules, more)));
    }
    std::string& room = succession.room_id;
    if (!room.empty() && succession.done) return room;
    const Levels levels = FitLevels(session, old.Find(kTypePowerLevels),
                                    *old.Find(kTypeCreate), *rules, more);
    // Nobody bans a creator, or who has all the power that there is.
    std::erase_if(old.bans, [&](const EventPtr& ban) {
      const std::string user(*ban->state_key());
      return creators.contains(user) || levels.OfUser(user) >= kHighestPower;
    });
    if (room.empty()) {
      Result<std::string> made =
          MakeSuccessor(session, old, *rules, more, succession);
      failure = made.status();
      if (failure.code() == StatusCode::kAborted) continue;
      MC_RETURN_IF_ERROR(failure);
      room = std::move(*made);
    }
    MC_RETURN_IF_ERROR(SendRemainingBans(session, old, room, levels.ToJson()));
    MC_RETURN_IF_ERROR(
        TakeOverSettings(session.user_id, old.head.room_id, room));
    failure = CloseOldRoom(session, old, succession, room);
    if (failure.ok()) return room;
    // An alias may have changed meanwhile.
    if (failure.code() != StatusCode::kUnavailable) break;
  }
  return failure.code() == StatusCode::kAborted
             ? Status(StatusCode::kUnavailable, failure.message())
             : failure;
}

// Writes what the user set for the old room for the new one.
Status RoomService::TakeOverSettings(const std::string& user_id,
                                     const std::string& old_room,
                                     const std::string& new_room) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::vector<RoomSetting> settings,
      SettingsForReplacement(*snapshot, user_id, old_room, new_room));
  if (settings.empty()) return OkStatus();
  WriteBatch batch;
  AddSettings(batch, user_id, settings);
  return deps_.store.Commit(std::move(batch)).status();
}

}  // namespace matrixcore
