// A client of sliding sync, as MSC4186 means it: windows that change all the
// time, subscriptions, extensions that come and go.  In the end it looks at
// everything.  For sync_model_test.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"
#include "scenario/sync_client.h"

namespace matrixcore {

class SlidingClient : public SyncClient {
 public:
  // `simplified`: the older of the two forms.
  SlidingClient(FakeHomeserver& server, FakeHomeserver::User user,
                ClientStyle style, std::vector<std::string> everybody,
                bool simplified, uint64_t seed)
      : SyncClient(server, std::move(user), std::move(style),
                   std::move(everybody)),
        simplified_(simplified),
        random_(NewSeededRandom(seed)) {}

  std::string Describe() const override {
    return fmt::format("{}sliding lazy={}", simplified_ ? "simplified " : "",
                       style_.lazy);
  }
  bool tells_names() const override { return true; }
  // From now on everything is asked for.
  void LookAtEverything() override { everything_ = true; }

  std::string Sync(bool lost = false) override {
    const std::string target =
        simplified_
            ? "/_matrix/client/unstable/org.matrix.simplified_msc3575"
              "/sync?timeout=0" +
                  (since_.empty() ? "" : "&pos=" + PercentEncode(since_))
            : "/_matrix/client/v4/sync";
    const bool gives_receipts = everything_ || Chance(80);
    const std::string body = Body(gives_receipts);
    const Answer answer = server_.Post(user_, target, body);
    if (answer.Outcome() == "400 M_UNKNOWN_POS" &&
        server_.faults().struck(Fault::kCommitFails) +
                server_.faults().struck(Fault::kCommitAnswerLost) >
            0) {
      // What a connection was sent is written behind: a restart may lose it.
      since_.clear();
      rooms_.clear();
      return Sync(lost);
    }
    if (!answer.ok()) return "sliding sync: " + answer.text();
    if (lost) return "";
    quiet_ = true;
    for (const auto [id, room] : answer["rooms"].members()) {
      quiet_ = false;
      if (std::string wrong = TakeRoom(std::string(id), room); !wrong.empty()) {
        return fmt::format("{} (asked {})", wrong, body);
      }
    }
    const json::Value extensions = answer["extensions"];
    if (const json::Value to_device = extensions["to_device"]) {
      TakeToDevice(to_device["events"]);
      if (!to_device["events"].empty()) quiet_ = false;
      to_device_since_ = to_device["next_batch"].StringOr("");
    }
    if (since_.empty()) BeginWithKeysOf(everybody_);
    TakeKeys(extensions["e2ee"]);
    TakeAccountData(extensions["account_data"]);
    for (const auto [id, event] : extensions["receipts"]["rooms"].members()) {
      quiet_ = false;
      TakeReceipts(rooms_[std::string(id)], event["content"]);
    }
    for (const auto [id, event] : extensions["typing"]["rooms"].members()) {
      quiet_ = false;
      rooms_[std::string(id)].typing = event["content"]["user_ids"].raw();
    }
    since_ = answer.String("pos");
    count_ = answer["lists"]["all"]["count"].AsInt();
    return "";
  }
  // How many rooms the list of all has; nothing if it was not asked for.
  std::optional<int64_t> count() const override { return count_; }

 private:
  size_t Pick(size_t bound) {
    return static_cast<size_t>(random_->Below(bound));
  }
  bool Chance(size_t percent) { return Pick(100) < percent; }

  std::string Config(size_t limit) const {
    std::string state;
    if (simplified_) {
      state = style_.lazy ? R"([["*","*"],["m.room.member","$LAZY"],)"
                            R"(["m.room.member","$ME"]])"
                          : R"([["*","*"]])";
    } else {
      state = fmt::format(
          R"({{"include":[{{}},{{"type":"m.room.member","state_key":"{}"}}],)"
          R"("lazy_members":{}}})",
          user_.user_id, style_.lazy);
    }
    return fmt::format(R"("timeline_limit":{},"required_state":{})", limit,
                       state);
  }

  std::string Body(bool receipts) {
    std::string lists;
    if (everything_) {
      lists = fmt::format(R"("all":{{{}}})", Config(style_.limit));
    } else {
      const size_t windows = Pick(3);
      for (size_t i = 0; i < windows; ++i) {
        const size_t first = Pick(2);
        const std::string pair = fmt::format("[{},{}]", first, first + Pick(3));
        const std::string range = simplified_
                                      ? fmt::format("\"ranges\":[{}]", pair)
                                      : fmt::format("\"range\":{}", pair);
        const std::string filters =
            Chance(20) ? fmt::format(R"(,"filters":{{"is_dm":{}}})", Chance(50))
                       : "";
        lists += fmt::format(R"({}"w{}":{{{},{}{}}})", i == 0 ? "" : ",", i,
                             range, Config(1 + Pick(5)), filters);
      }
    }
    std::string subscriptions;
    if (!everything_ && !rooms_.empty() && Chance(30)) {
      auto room = rooms_.begin();
      std::advance(room, static_cast<ptrdiff_t>(Pick(rooms_.size())));
      subscriptions =
          fmt::format(R"("{}":{{{}}})", room->first, Config(1 + Pick(5)));
    }
    std::string body = fmt::format(
        R"({{"lists":{{{}}},"room_subscriptions":{{{}}},"extensions":{{)"
        R"("e2ee":{{"enabled":true}},)"
        R"("account_data":{{"enabled":{}}},"receipts":{{"enabled":{}}},)"
        R"("typing":{{"enabled":true}},"to_device":{{"enabled":{},)"
        R"("limit":{},"since":"{}"}}}})",
        lists, subscriptions, everything_ || Chance(80), receipts,
        everything_ || Chance(80), 1 + Pick(5), to_device_since_);
    if (!simplified_ && !since_.empty()) {
      body += fmt::format(R"(,"pos":"{}")", since_);
    }
    return body + "}";
  }

  void TakeAccountData(json::Value data) {
    for (const json::Value event : data["global"]) {
      quiet_ = false;
      account_data_[std::string(event["type"].StringOr(""))] =
          event["content"].raw();
    }
    for (const auto [id, events] : data["rooms"].members()) {
      quiet_ = false;
      for (const json::Value event : events) {
        rooms_[std::string(id)]
            .account_data[std::string(event["type"].StringOr(""))] =
            event["content"].raw();
      }
    }
  }

  // What the own member event among these says of the section.
  void TakeMembership(RoomView& view, json::Value events) {
    for (const json::Value event : events) {
      if (event["type"].StringOr("") != "m.room.member" ||
          event["state_key"].StringOr("") != user_.user_id) {
        continue;
      }
      const std::string_view membership =
          event["content"]["membership"].StringOr("");
      view.section = membership == "ban" ? "leave" : membership;
    }
  }

  std::string TakeRoom(const std::string& id, json::Value room) {
    RoomView& view = rooms_[id];
    const bool initial = room["initial"].AsBool().value_or(false);
    if (initial) {
      // Extensions of a room do not begin anew with it.
      RoomView anew;
      anew.account_data = std::move(view.account_data);
      view = std::move(anew);
    } else if (view.section.empty()) {
      return id + ": news of a room that was never told";
    }
    const json::Value stripped =
        room[simplified_ ? "invite_state" : "stripped_state"];
    if (stripped) {
      TakeMembership(view, stripped);
      for (const char* field :
           {"timeline", "required_state", "name", "joined_count", "heroes"}) {
        if (room[field]) return fmt::format("{}: {} of an invite", id, field);
      }
      return "";
    }
    const bool limited = room["limited"].AsBool().value_or(false);
    if (limited && style_.lazy) {
      std::erase_if(view.state, [](const auto& entry) {
        return entry.first.first == "m.room.member";
      });
    }
    for (const json::Value event : room["required_state"]) {
      TakeState(view, event);
    }
    TakeMembership(view, room["required_state"]);
    if (!simplified_ && initial && !room["membership"]) {
      return id + ": no membership";
    }
    if (const json::Value told = room["membership"]) {
      const std::string_view membership = told.StringOr("");
      view.section = membership == "ban" ? "leave" : membership;
    }
    TakeSummary(view, room, initial);
    return TakeEvents(view, id, room, initial, limited);
  }

  void TakeSummary(RoomView& view, json::Value room, bool initial) {
    if (initial) view.name.clear();
    if (room["name"]) view.name = room["name"].StringOr("");
    if (const auto n = room["joined_count"].AsInt()) view.joined = *n;
    if (const auto n = room["invited_count"].AsInt()) view.invited = *n;
    if (const json::Value heroes = room["heroes"]) {
      std::vector<std::string> names;
      for (const json::Value hero : heroes) {
        names.push_back(fmt::format("\"{}\"", hero["user_id"].StringOr("")));
      }
      view.heroes = fmt::format("[{}]", fmt::join(names, ","));
    }
    if (const auto n = room["notification_count"].AsInt()) {
      view.unread =
          fmt::format(R"({{"highlight_count":{},"notification_count":{}}})",
                      room["highlight_count"].AsInt().value_or(-1), *n);
    }
  }

  std::string TakeEvents(RoomView& view, const std::string& id,
                         json::Value room, bool initial, bool limited) {
    const bool expanded =
        room[simplified_ ? "unstable_expanded_timeline" : "expanded_timeline"]
            .AsBool()
            .value_or(false);
    std::vector<std::string> news;
    for (const json::Value event : room["timeline"]) {
      std::string event_id(event["event_id"].StringOr(""));
      const std::string sender(event["sender"].StringOr(""));
      if (event["state_key"].IsString()) view.state_events.insert(event_id);
      if (view.section == "join" &&
          event["type"].StringOr("") != "m.room.create" &&
          !view.state.contains({"m.room.member", sender})) {
        return fmt::format("{}: the member {} of {} is missing", id, sender,
                           event_id);
      }
      if (view.known.contains(event_id)) {
        // Older events may come again.  Among them may be state that was sent
        // when the user could not see it, which is no part of the timeline.
        for (const std::string& older : news) {
          if (!expanded || !view.state_events.contains(older)) {
            return fmt::format("{}: {} comes twice", id, event_id);
          }
          view.known.insert(older);
        }
        news.clear();
        if (expanded) continue;
        return fmt::format("{}: {} comes twice", id, event_id);
      }
      view.delivered.insert(event_id);
      news.push_back(std::move(event_id));
    }
    const auto live = room["num_live"].AsInt().value_or(0);
    if (live < 0 || static_cast<size_t>(live) > news.size()) {
      return fmt::format("{}: {} live of {} new events", id, live, news.size());
    }
    view.known.insert(news.begin(), news.end());
    if (initial || limited) {
      std::string wrong;
      const std::string prev_batch(room["prev_batch"].StringOr(""));
      if (prev_batch.empty()) return id + ": no prev_batch";
      // Where the new events begin there may be more before them.
      std::vector<std::string> gap = Messages(
          id, prev_batch, true,
          [&](const std::string& event_id) {
            return view.known.contains(event_id);
          },
          &wrong);
      if (!wrong.empty() && !wrong.ends_with(kForbidden)) return wrong;
      view.timeline.insert(view.timeline.end(), gap.rbegin(), gap.rend());
      view.known.insert(gap.begin(), gap.end());
      if (!initial && !wrong.empty()) view.whole = false;
      if (initial) {
        view.whole =
            wrong.empty() && view.state.contains({"m.room.create", ""});
      }
    }
    view.timeline.insert(view.timeline.end(), news.begin(), news.end());
    return "";
  }

  const bool simplified_;
  const std::unique_ptr<Random> random_;
  bool everything_ = false;
  std::string to_device_since_;
  std::optional<int64_t> count_;
};

}  // namespace matrixcore
