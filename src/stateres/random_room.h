// Rooms that grow at random, for the differential and property tests: several
// branches, few users, many quarrels, and contents that no server would send.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/base/random.h"
#include "matrixcore/json/writer.h"
#include "stateres/test_room.h"

namespace matrixcore {

class RandomRoom {
 public:
  RandomRoom(const RoomVersionRules& rules, uint64_t seed)
      : rules_(rules), random_(NewSeededRandom(seed)), room_(rules) {
    Branch first;
    Create(&first);
    branches_.push_back(first);
    for (uint64_t i = 2 + Below(8); i > 0; --i) Step(&branches_[0]);
    const uint64_t forks = 2 + Below(3);
    branches_.assign(forks, branches_[0]);
    for (uint64_t i = 5 + Below(40); i > 0; --i) {
      Step(&branches_[Below(forks)]);
      if (Below(25) == 0) {  // Two branches meet, in a simple way.
        Branch& from = branches_[Below(forks)];
        Branch& to = branches_[Below(forks)];
        for (const auto& [key, id] : from.state) {
          if (Below(2) == 0) to.state[key] = id;
        }
      }
    }
    if (Below(3) == 0) {  // States that lack what auth chains have.
      for (const char* user : {"@b:x", "@d:y"}) {
        for (Branch& branch : branches_) {
          branch.state.erase(StateKey{"m.room.member", user});
        }
      }
    }
  }

  TestRoom& room() { return room_; }
  std::vector<StateIds> states() const {
    std::vector<StateIds> states;
    for (const Branch& branch : branches_) states.push_back(branch.state);
    return states;
  }

 private:
  struct Branch {
    StateIds state;
    std::string tip;
    int64_t depth = 1;
  };

  // The branch's state for the authorisation rules.
  class Source : public StateSource {
   public:
    Source(RandomRoom& outer, const Branch& branch)
        : outer_(outer), branch_(branch) {}
    const Event* Find(std::string_view type,
                      std::string_view state_key) const override {
      const auto found = branch_.state.find(
          StateKey{std::string(type), std::string(state_key)});
      return found == branch_.state.end() ? nullptr
                                          : outer_.room_.Find(found->second);
    }

   private:
    RandomRoom& outer_;
    const Branch& branch_;
  };

  uint64_t Below(uint64_t bound) { return random_->Below(bound); }
  template <size_t N>
  const char* Pick(const char* const (&list)[N]) {
    return list[Below(N)];
  }
  std::string User() { return Pick({"@a:x", "@b:x", "@c:y", "@d:y", "@e:z"}); }

  void Create(Branch* branch) {
    std::string content = R"({"creator":"@a:x")";
    if (Below(3) == 0) content += R"(,"additional_creators":["@b:x","@c:y"])";
    if (Below(6) == 0) content += R"(,"m.federate":false)";
    Emit(branch, "m.room.create", "", "@a:x", content + "}", true);
    Emit(branch, "m.room.member", "@a:x", "@a:x", R"({"membership":"join"})",
         true);
    if (Below(4) != 0) {
      Emit(branch, "m.room.power_levels", "", "@a:x", PowerLevelsContent(),
           true);
    }
    if (Below(4) != 0) {
      Emit(branch, "m.room.join_rules", "", "@a:x", R"({"join_rule":"public"})",
           true);
    }
    for (const char* user : {"@b:x", "@c:y"}) {
      Emit(branch, "m.room.member", user, user, R"({"membership":"join"})",
           true);
    }
  }

  std::string LevelText() {
    if (Below(20) == 0) {
      return Pick({"\"50\"", "\" +100 \"", "null", "50.5", "\"x\"", "1e2", "[]",
                   "true", "99999999999999999999"});
    }
    return Pick({"0", "10", "50", "50", "100", "100", "-5"});
  }

  std::string PowerLevelsContent() {
    std::string out;
    json::Writer w(&out);
    w.BeginObject();
    for (const char* name : {"ban", "events_default", "invite", "kick",
                             "redact", "state_default", "users_default"}) {
      if (Below(3) == 0) w.RawField(name, LevelText());
    }
    if (Below(2) == 0) {
      w.Key("events").BeginObject();
      for (const char* type : {"m.room.topic", "m.room.power_levels"}) {
        if (Below(2) == 0) w.RawField(type, LevelText());
      }
      w.EndObject();
    }
    if (Below(4) == 0) {
      w.Key("notifications").BeginObject().RawField("room", LevelText());
      w.EndObject();
    }
    if (Below(30) == 0) {
      w.RawField("users", "7");
    } else if (Below(10) != 0) {
      w.Key("users").BeginObject();
      // A version 12 creator may not be there, but sometimes is.
      if (!rules_.creators_above_all || Below(10) == 0) {
        w.RawField("@a:x", "100");
      }
      for (const char* user : {"@b:x", "@c:y", "@d:y", "not a user"}) {
        if (Below(user[0] == '@' ? 2 : 40) == 0) w.RawField(user, LevelText());
      }
      w.EndObject();
    }
    w.EndObject();
    return out;
  }

  std::string MemberContent() {
    std::string membership = Pick({"join", "join", "join", "leave", "leave",
                                   "ban", "invite", "knock", "odd"});
    std::string content = R"({"membership":")" + membership + "\"";
    if (Below(4) == 0) {
      content += R"(,"join_authorised_via_users_server":")" + User() + "\"";
    }
    if (Below(12) == 0) {
      content += R"(,"third_party_invite":{"signed":{"mxid":")" + User() +
                 R"(","signatures":{},"token":"tok"}})";
    }
    return Below(40) == 0 ? "{}" : content + "}";
  }

  void Step(Branch* branch) {
    const std::string sender = User();
    const bool forced = Below(10) == 0;
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Emit(branch, "m.room.member", Below(2) == 0 ? sender : User(), sender,
             MemberContent(), forced);
        break;
      case 4:
      case 5:
        Emit(branch, "m.room.power_levels", Below(15) == 0 ? "other" : "",
             sender, PowerLevelsContent(), forced);
        break;
      case 6:
        Emit(branch, "m.room.join_rules", "", sender,
             std::string(R"({"join_rule":")") +
                 Pick({"public", "invite", "knock", "restricted",
                       "knock_restricted", "private"}) +
                 "\"}",
             forced);
        break;
      case 7:
        Emit(branch, "m.room.third_party_invite", "tok", sender,
             R"({"public_key":"x"})", forced);
        break;
      case 8:
        Emit(branch, Pick({"m.room.aliases", "m.room.redaction"}),
             Pick({"x", "y", ""}), sender, "{}", forced);
        break;
      default:
        Emit(branch, "m.room.topic", Below(5) == 0 ? User() : "", sender,
             R"({"topic":"t"})", forced);
    }
  }

  // Adds the event if the branch's state allows it, or anyway when forced.
  void Emit(Branch* branch, const std::string& type,
            const std::string& state_key, const std::string& sender,
            const std::string& content, bool forced) {
    const json::Document parsed = *json::Document::Parse(content);
    std::vector<std::string> auth;
    for (const StateKey& key :
         AuthStateKeys(type, sender, state_key, parsed.root(), rules_)) {
      const auto found = branch->state.find(key);
      if (found == branch->state.end() || Below(40) == 0) continue;
      auth.push_back(found->second);
    }
    if (Below(30) == 0 && room_.events().size() > 4) {  // Some other event.
      auth.push_back(
          room_.events()[1 + Below(room_.events().size() - 1)]->event_id());
    }
    const std::string id = NextId();
    std::string pdu;
    json::Writer w(&pdu);
    w.BeginObject().Field("type", type).Field("sender", sender);
    w.Field("state_key", state_key).RawField("content", content);
    w.Field("event_id", id).Field("depth", branch->depth);
    w.Field("origin_server_ts", static_cast<int64_t>(Below(8)));
    if (type != "m.room.create" || !rules_.room_id_is_create_hash) {
      w.Field("room_id", rules_.room_id_is_create_hash ? "!0:x" : "!room:x");
    }
    w.Key("prev_events").BeginArray();
    if (!branch->tip.empty()) w.String(branch->tip);
    w.EndArray().Key("auth_events").BeginArray();
    for (const std::string& auth_id : auth) w.String(auth_id);
    w.EndArray().EndObject();
    const EventPtr event = *Event::FromTrusted(pdu, rules_, id);
    if (!forced && !CheckStateAuth(*event, Source(*this, *branch)).allowed() &&
        Below(8) != 0) {
      return;
    }
    room_.Add(event);
    branch->tip = id;
    branch->depth += static_cast<int64_t>(Below(3));
    if (room_.events().size() > 3 && Below(25) == 0) {
      room_.Reject(id);
      if (Below(4) != 0) return;  // Rarely, a rejected event is in a state.
    }
    branch->state[StateKey{type, state_key}] = id;
  }

  // Ids that compare differently from their order, often with a long common
  // beginning.
  std::string NextId() {
    const size_t n = room_.events().size();
    if (n == 0) return "$0:x";
    std::string id = Below(2) == 0 ? "$common-prefix-" : "$";
    id += random_->String(2, "abAB-_z");
    return id + std::to_string(n) + ":x";
  }

  const RoomVersionRules& rules_;
  std::unique_ptr<Random> random_;
  TestRoom room_;
  std::vector<Branch> branches_;
};

}  // namespace matrixcore
