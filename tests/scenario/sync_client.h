// A client as the specification means it: what it knows of its rooms it knows
// from /sync, and from /messages where a timeline was limited.  For
// sync_model_test.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scenario/scenario.h"

namespace matrixcore {

// How a client asks.
struct ClientStyle {
  size_t limit = 10;
  // Members of the timeline filter, as JSON; "" for none.
  std::string types = {};
  bool lazy = false;
  bool redundant = false;
  bool state_after = false;

  std::string TimelineFilter() const {
    return fmt::format(R"({{"limit":{}{}{}}})", limit, types.empty() ? "" : ",",
                       types);
  }
  std::string Filter() const {
    return fmt::format(
        R"({{"room":{{"timeline":{},"state":{{"lazy_load_members":{},)"
        R"("include_redundant_members":{}}}}}}})",
        TimelineFilter(), lazy, redundant);
  }
  std::string ToString() const {
    return fmt::format("{} state_after={}", Filter(), state_after);
  }
};

inline constexpr std::string_view kForbidden = "403 M_FORBIDDEN";

using StateId = std::pair<std::string, std::string>;  // Type and key.

// A room as the client sees it.
struct RoomView {
  std::string section;  // The one that named it last.
  // Ids of events in order, without gaps.
  std::vector<std::string> timeline;
  std::set<std::string> known;
  std::set<std::string> delivered;     // By sync, not by /messages.
  std::set<std::string> state_events;  // Those of the timeline that are state.
  std::map<StateId, std::string> state;  // Event ids.
  std::map<std::string, std::string> account_data;
  std::map<std::string, std::string> receipts;  // By type and user: event id.
  std::string typing = "[]";
  int64_t joined = -1;
  int64_t invited = -1;
  std::string heroes;
  std::string name;  // Of clients of sliding sync.
  std::string unread;
  // Everything since the beginning of the room is in the timeline.
  bool whole = false;
};

class SyncClient {
 public:
  // `everybody`: the users whose keys it wants to know.
  SyncClient(FakeHomeserver& server, FakeHomeserver::User user,
             ClientStyle style, std::vector<std::string> everybody = {})
      : server_(server),
        user_(std::move(user)),
        style_(std::move(style)),
        everybody_(std::move(everybody)) {}

  const FakeHomeserver::User& user() const { return user_; }
  const ClientStyle& style() const { return style_; }
  const std::map<std::string, RoomView>& rooms() const { return rooms_; }
  const std::map<std::string, std::string>& account_data() const {
    return account_data_;
  }

  virtual ~SyncClient() = default;
  SyncClient(SyncClient&&) = delete;

  virtual std::string Describe() const { return style_.ToString(); }
  virtual bool tells_names() const { return false; }
  virtual std::optional<int64_t> count() const { return std::nullopt; }
  // Before what it knows is compared.
  virtual void LookAtEverything() {}

  // One sync; `lost`: the answer gets lost on its way.  "" or what is wrong.
  virtual std::string Sync(bool lost = false) {
    std::string target = fmt::format(
        "/_matrix/client/v3/sync?timeout=0&filter={}&use_state_after={}",
        PercentEncode(style_.Filter()), style_.state_after);
    if (!since_.empty()) target += "&since=" + since_;
    const Answer answer = server_.Get(user_, target);
    if (!answer.ok()) return "sync: " + answer.text();
    if (lost) return "";
    const json::Value rooms = answer["rooms"];
    for (const auto [id, room] : rooms["invite"].members()) {
      rooms_[std::string(id)].section = "invite";
    }
    for (const auto [id, room] : rooms["join"].members()) {
      if (std::string wrong = Take("join", std::string(id), room);
          !wrong.empty()) {
        return wrong;
      }
    }
    for (const auto [id, room] : rooms["leave"].members()) {
      if (std::string wrong = Take("leave", std::string(id), room);
          !wrong.empty()) {
        return wrong;
      }
    }
    TakeToDevice(answer["to_device"]["events"]);
    for (const json::Value event : answer["account_data"]["events"]) {
      account_data_[std::string(event["type"].StringOr(""))] =
          event["content"].raw();
    }
    if (since_.empty()) BeginWithKeysOf(everybody_);
    TakeKeys(answer.root());
    quiet_ = !rooms && answer.String("next_batch") == since_;
    since_ = answer.String("next_batch");
    return "";
  }
  // --- Keys ---

  // What a query says of a user's keys, as text to compare.
  std::string QueryKeys(const std::string& user) {
    const Answer answer =
        server_.Post(user_, "/_matrix/client/v3/keys/query",
                     fmt::format(R"({{"device_keys":{{"{}":[]}}}})", user));
    return std::string(answer["device_keys"][user].raw());
  }
  // The keys of those whom it was told of, as it queried them then.
  const std::map<std::string, std::string>& keys() const { return keys_; }
  // What the newest answer says of the device's own keys.
  const std::string& key_counts() const { return key_counts_; }

  // What to-device messages say, in the order in which they came.
  const std::vector<std::string>& to_device() const { return to_device_; }
  const std::string& since() const { return since_; }
  // Nothing was new in the last answer.
  bool quiet() const { return quiet_; }

  // All that /messages gives, in one direction, until `stop` says true.
  template <typename Stop>
  std::vector<std::string> Messages(const std::string& room, std::string from,
                                    bool backwards, const Stop& stop,
                                    std::string* wrong) {
    std::vector<std::string> ids;
    for (int page = 0; page < 1000; ++page) {
      std::string target = fmt::format(
          "/_matrix/client/v3/rooms/{}/messages?dir={}&limit=7&filter={}",
          PercentEncode(room), backwards ? "b" : "f",
          PercentEncode(fmt::format("{{{}}}", style_.types)));
      if (!from.empty()) target += "&from=" + from;
      const Answer answer = server_.Get(user_, target);
      if (!answer.ok()) {
        *wrong = fmt::format("messages of {}: {}", room, answer.Outcome());
        return ids;
      }
      for (const json::Value event : answer["chunk"]) {
        std::string id(event["event_id"].StringOr(""));
        if (stop(id)) return ids;
        ids.push_back(std::move(id));
      }
      if (!answer["end"]) return ids;
      from = answer.String("end");
    }
    *wrong = fmt::format("messages of {} never end", room);
    return ids;
  }

 protected:
  // From an answer, or from its extension.
  void TakeKeys(json::Value from) {
    for (const json::Value user : from["device_lists"]["changed"]) {
      std::string id(user.StringOr(""));
      keys_[id] = QueryKeys(id);
    }
    for (const json::Value user : from["device_lists"]["left"]) {
      keys_.erase(std::string(user.StringOr("")));
    }
    key_counts_ = fmt::format("{} {}", from["device_one_time_keys_count"].raw(),
                              from["device_unused_fallback_key_types"].raw());
  }
  // What a client does when it begins: it wants to know of everybody.
  void BeginWithKeysOf(const std::vector<std::string>& users) {
    for (const std::string& user : users) keys_[user] = QueryKeys(user);
  }

  void TakeToDevice(json::Value events) {
    for (const json::Value event : events) {
      to_device_.emplace_back(event["content"]["n"].StringOr(""));
    }
  }

  static void TakeState(RoomView& view, json::Value event) {
    view.state[{std::string(event["type"].StringOr("")),
                std::string(event["state_key"].StringOr(""))}] =
        event["event_id"].StringOr("");
  }

  // The content of an m.receipt event.
  static void TakeReceipts(RoomView& view, json::Value content) {
    for (const auto [event_id, types] : content.members()) {
      for (const auto [type, users] : types.members()) {
        for (const auto [user, receipt] : users.members()) {
          view.receipts[fmt::format("{} {}", type, user)] = event_id;
        }
      }
    }
  }

  FakeHomeserver& server_;
  const FakeHomeserver::User user_;
  const ClientStyle style_;
  std::string since_;
  bool quiet_ = false;
  std::map<std::string, RoomView> rooms_;
  std::map<std::string, std::string> account_data_;
  std::vector<std::string> to_device_;
  const std::vector<std::string> everybody_;
  std::map<std::string, std::string> keys_;
  std::string key_counts_;

 private:
  // Takes in one room of an answer.
  std::string Take(const std::string& section, const std::string& id,
                   json::Value room) {
    RoomView& view = rooms_[id];
    // A room that the client was not in starts anew.
    const bool fresh = view.section != "join";
    if (fresh) view = RoomView();
    view.section = section;
    const json::Value state =
        room[style_.state_after ? "state_after" : "state"];
    if (!state["events"].IsArray()) return id + ": no state block";
    if (room[style_.state_after ? "state" : "state_after"]) {
      return id + ": the wrong state block";
    }
    for (const json::Value event : state["events"]) TakeState(view, event);
    if (std::string wrong = TakeTimeline(view, id, room["timeline"], fresh);
        !wrong.empty()) {
      return wrong;
    }
    for (const json::Value event : room["account_data"]["events"]) {
      view.account_data[std::string(event["type"].StringOr(""))] =
          event["content"].raw();
    }
    for (const json::Value event : room["ephemeral"]["events"]) {
      if (event["type"].StringOr("") == "m.typing") {
        view.typing = event["content"]["user_ids"].raw();
        continue;
      }
      TakeReceipts(view, event["content"]);
    }
    if (const json::Value unread = room["unread_notifications"]) {
      view.unread = unread.raw();
    }
    const json::Value summary = room["summary"];
    if (const auto n = summary["m.joined_member_count"].AsInt())
      view.joined = *n;
    if (const auto n = summary["m.invited_member_count"].AsInt()) {
      view.invited = *n;
    }
    if (summary["m.heroes"]) view.heroes = summary["m.heroes"].raw();
    return "";
  }

  std::string TakeTimeline(RoomView& view, const std::string& id,
                           json::Value timeline, bool fresh) {
    const bool limited = timeline["limited"].AsBool().value_or(false);
    const std::string prev_batch(timeline["prev_batch"].StringOr(""));
    if (prev_batch.empty()) return id + ": no prev_batch";
    if (timeline["events"].size() > style_.limit)
      return id + ": over the limit";
    std::vector<std::string> news;
    std::set<StateId> told;
    for (const json::Value event : timeline["events"]) {
      std::string event_id(event["event_id"].StringOr(""));
      if (view.known.contains(event_id)) {
        return fmt::format("{}: {} comes twice", id, event_id);
      }
      const bool is_state = event["state_key"].IsString();
      const std::string sender(event["sender"].StringOr(""));
      if (is_state && !style_.state_after) TakeState(view, event);
      if (is_state) view.state_events.insert(event_id);
      // Whoever bans a stranger is one himself to the banned.
      if (view.section == "join" &&
          event["type"].StringOr("") != "m.room.create" &&
          !view.state.contains({"m.room.member", sender})) {
        return fmt::format("{}: the member {} of {} is missing", id, sender,
                           event_id);
      }
      view.known.insert(event_id);
      view.delivered.insert(event_id);
      news.push_back(std::move(event_id));
    }
    if (limited || fresh) {
      std::string wrong;
      std::vector<std::string> gap = Messages(
          id, prev_batch, true,
          [&](const std::string& event_id) {
            return view.known.contains(event_id);
          },
          &wrong);
      // By now one may have left, or forgotten what one left.
      if (!wrong.empty() && !wrong.ends_with(kForbidden)) return wrong;
      view.timeline.insert(view.timeline.end(), gap.rbegin(), gap.rend());
      view.known.insert(gap.begin(), gap.end());
      // One that was never joined shows nothing but the own membership.
      if (!fresh && !wrong.empty()) view.whole = false;
      if (fresh) {
        view.whole =
            wrong.empty() && view.state.contains({"m.room.create", ""});
      }
    }
    view.timeline.insert(view.timeline.end(), news.begin(), news.end());
    return "";
  }
};

// Pages through a room's history while time passes.  In the end it must have
// had what /messages gives at once.
class Pager {
 public:
  // From `token` backwards; without one from the room's beginning on.
  Pager(FakeHomeserver& server, const SyncClient& client, std::string room,
        std::string token)
      : server_(server),
        client_(client),
        room_(std::move(room)),
        backwards_(!token.empty()),
        from_(std::move(token)),
        stay_(Stay()) {}

  const std::string& room() const { return room_; }
  std::string Describe() const {
    return fmt::format("{} pages {} in {}", client_.user().user_id,
                       backwards_ ? "back" : "on", room_);
  }

  // Reads one page.
  void Read(size_t limit) {
    if (ended_ || stay_.empty() || stay_ != Stay()) return;
    std::string path =
        fmt::format("messages?dir={}&limit={}", backwards_ ? 'b' : 'f', limit);
    if (!from_.empty()) path += "&from=" + PercentEncode(from_);
    const Answer answer = server_.Get(client_.user(), InRoom(path));
    if (!answer.ok()) wrong_ = answer.Outcome();
    for (const json::Value event : answer["chunk"]) {
      ids_.emplace_back(event["event_id"].StringOr(""));
    }
    from_ = answer.String("end");
    ended_ = from_.empty();
  }

  // Reads the rest; "" or what is wrong.
  std::string Finish() {
    const bool ended_before = ended_;
    while (!ended_ && wrong_.empty() && !stay_.empty() && stay_ == Stay()) {
      Read(10);
    }
    // What may be seen is another question after one was away.
    if (stay_.empty() || stay_ != Stay()) return "";
    if (!wrong_.empty()) return fmt::format("{}: {}", Describe(), wrong_);
    Pager all(server_, client_, room_, "");
    while (!all.ended_ && all.wrong_.empty()) all.Read(100);
    std::vector<std::string> truth = all.ids_;
    if (backwards_) std::reverse(ids_.begin(), ids_.end());
    // Up to where it began, or to the end that the room had then.
    if ((backwards_ || ended_before) && truth.size() > ids_.size()) {
      truth.resize(ids_.size());
    }
    if (ids_ == truth) return "";
    return fmt::format("{}: {} instead of {}", Describe(), fmt::join(ids_, " "),
                       fmt::join(truth, " "));
  }

 private:
  std::string InRoom(std::string_view path) const {
    return fmt::format("/_matrix/client/v3/rooms/{}/{}", PercentEncode(room_),
                       path);
  }
  // The join that the user is in the room by; "" if it is not.
  std::string Stay() const {
    const Answer member = server_.Get(
        client_.user(),
        InRoom("state/m.room.member/" + PercentEncode(client_.user().user_id) +
               "?format=event"));
    if (member["content"]["membership"].StringOr("") != "join") return "";
    return member.String("event_id");
  }

  FakeHomeserver& server_;
  const SyncClient& client_;
  const std::string room_;
  const bool backwards_;
  std::string from_;
  const std::string stay_;
  bool ended_ = false;
  std::vector<std::string> ids_;
  std::string wrong_;
};

}  // namespace matrixcore
