// The traps of state resolution, one test each, on small rooms.
#include "matrixcore/stateres/resolver.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "matrixcore/json/writer.h"
#include "stateres/test_room.h"

namespace matrixcore {
namespace {

// What a test says about an event.
struct Spec {
  std::string id;
  std::string type;
  std::string state_key;
  std::string sender;
  std::string content;
  std::vector<std::string> auth;
  int64_t ts = 0;
  int64_t depth = 1;
};

class ResolverTest : public testing::Test {
 protected:
  void Start(std::string_view version) {
    room_ = std::make_unique<TestRoom>(*FindRoomVersion(version));
  }

  void Add(const Spec& spec) {
    std::string pdu;
    json::Writer w(&pdu);
    w.BeginObject().Field("type", spec.type).Field("sender", spec.sender);
    w.Field("state_key", spec.state_key).RawField("content", spec.content);
    w.Field("event_id", spec.id).Field("depth", spec.depth);
    w.Field("origin_server_ts", spec.ts);
    if (spec.type != "m.room.create" ||
        !room_->rules().room_id_is_create_hash) {
      w.Field("room_id",
              room_->rules().room_id_is_create_hash ? "!create" : "!r:x");
    }
    w.Key("prev_events").BeginArray().String("$p").String("$q").EndArray();
    w.Key("auth_events").BeginArray();
    for (const std::string& id : spec.auth) w.String(id);
    w.EndArray().EndObject();
    room_->Add(json::Document::Parse(pdu)->root());
  }

  // @admin created the room; @mod has level 50; all others join freely.
  void AddBasics() {
    const bool v12 = room_->rules().creators_above_all;
    const auto with_create = [&](std::vector<std::string> ids) {
      if (room_->rules().create_in_auth_events) ids.push_back("$create");
      return ids;
    };
    Add({"$create",
         "m.room.create",
         "",
         "@admin:x",
         R"({"creator":"@admin:x"})",
         {}});
    Add({"$admin", "m.room.member", "@admin:x", "@admin:x",
         R"({"membership":"join"})", with_create({})});
    Add({"$pl", "m.room.power_levels", "", "@admin:x",
         v12 ? R"({"users":{"@mod:x":50}})"
             : R"({"users":{"@admin:x":100,"@mod:x":50}})",
         with_create({"$admin"})});
    Add({"$jr", "m.room.join_rules", "", "@admin:x",
         R"({"join_rule":"public"})", with_create({"$admin", "$pl"})});
    for (const char* user : {"mod", "bob"}) {
      const std::string id = std::string("@") + user + ":x";
      Add({std::string("$") + user, "m.room.member", id, id,
           R"({"membership":"join"})", with_create({"$pl", "$jr"})});
    }
    base_ = {"$create", "$admin", "$pl", "$jr", "$mod", "$bob"};
  }

  StateIds State(const std::vector<std::string>& ids) {
    StateIds state;
    for (const std::string& id : ids) {
      const Event* event = room_->Find(id);
      EXPECT_NE(event, nullptr) << id;
      if (event == nullptr) continue;
      state[StateKey{std::string(event->type()),
                     std::string(*event->state_key())}] = id;
    }
    return state;
  }
  // The basics with those events over them.
  StateIds With(std::initializer_list<std::string> ids) {
    std::vector<std::string> all = base_;
    all.insert(all.end(), ids.begin(), ids.end());
    return State(all);
  }

  StateIds Resolve(const std::vector<StateIds>& states) {
    Result<StateIds> resolved = ResolveStateIds(room_->rules(), states, *room_);
    EXPECT_TRUE(resolved.ok()) << resolved.status().message();
    return resolved.ok() ? *resolved : StateIds();
  }
  // The event at a key in the resolution, "" if none.
  std::string At(const std::vector<StateIds>& states, const std::string& type,
                 const std::string& state_key = "") {
    const StateIds resolved = Resolve(states);
    const auto found = resolved.find(StateKey{type, state_key});
    return found == resolved.end() ? "" : found->second;
  }

  std::unique_ptr<TestRoom> room_;
  std::vector<std::string> base_;
};

Spec Topic(const std::string& id, const std::string& sender,
           std::vector<std::string> auth, int64_t ts, int64_t depth = 9) {
  return {id, "m.room.topic", "", sender, "{}", std::move(auth), ts, depth};
}

// A key that one state lacks is conflicted in v2, so that its event is
// judged...
TEST_F(ResolverTest, KeyMissingInOneStateIsConflictedInV2) {
  Start("2");
  AddBasics();
  Add(Topic("$t", "@bob:x", {"$create", "$pl", "$bob"}, 1));
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "");
}

// ...and not in v1.
TEST_F(ResolverTest, KeyMissingInOneStateIsNotConflictedInV1) {
  Start("1");
  AddBasics();
  Add(Topic("$t", "@bob:x", {"$create", "$pl", "$bob"}, 1));
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "$t");
}

// Power levels that no state holds take part through the auth difference, and
// what all states agree on still wins in the end.
TEST_F(ResolverTest, AuthDifferenceCoversWholeAuthChains) {
  Start("10");
  AddBasics();
  const std::string content =
      R"({"users":{"@admin:x":100,"@mod:x":50,"@bob:x":50}})";
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@admin:x",
       content,
       {"$create", "$admin", "$pl"},
       5});
  Add(Topic("$t", "@bob:x", {"$create", "$pl2", "$bob"}, 6));
  // The state is wrong: it has the topic but not the levels that allowed it.
  const StateIds resolved = Resolve({With({}), With({"$t"})});
  EXPECT_EQ(resolved.at({"m.room.topic", ""}), "$t");
  EXPECT_EQ(resolved.at({"m.room.power_levels", ""}), "$pl");
}

TEST_F(ResolverTest, BanBeatsConcurrentActionsOfTheBanned) {
  Start("10");
  AddBasics();
  Add({"$ban",
       "m.room.member",
       "@mod:x",
       "@admin:x",
       R"({"membership":"ban"})",
       {"$create", "$admin", "$pl", "$mod"},
       50});
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 10));
  EXPECT_EQ(At({With({"$ban"}), With({"$t"})}, "m.room.topic"), "");
  EXPECT_EQ(At({With({"$ban"}), With({"$t"})}, "m.room.member", "@mod:x"),
            "$ban");
}

// A member event of a user about themselves is not a power event.
TEST_F(ResolverTest, OwnLeaveIsNoPowerEvent) {
  Start("10");
  AddBasics();
  Add({"$leave",
       "m.room.member",
       "@mod:x",
       "@mod:x",
       R"({"membership":"leave"})",
       {"$create", "$pl", "$mod"},
       50});
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 10));
  EXPECT_EQ(At({With({"$leave"}), With({"$t"})}, "m.room.topic"), "$t");
}

// The sender's level in the order is that of the event's own auth events.
TEST_F(ResolverTest, PowerOrderUsesOwnAuthEvents) {
  Start("10");
  AddBasics();
  Add({"$jr-mod",
       "m.room.join_rules",
       "",
       "@mod:x",
       R"({"join_rule":"invite"})",
       {"$create", "$pl", "$mod"},
       1});
  Add({"$jr-admin",
       "m.room.join_rules",
       "",
       "@admin:x",
       R"({"join_rule":"knock"})",
       {"$create", "$pl", "$admin"},
       9});
  // Higher levels go first, so the lower one is applied last and stays.
  EXPECT_EQ(At({With({"$jr-mod"}), With({"$jr-admin"})}, "m.room.join_rules"),
            "$jr-mod");
}

TEST_F(ResolverTest, TiesGoByTimeThenById) {
  Start("10");
  AddBasics();
  Add(Topic("$b", "@mod:x", {"$create", "$pl", "$mod"}, 5));
  Add(Topic("$a", "@admin:x", {"$create", "$pl", "$admin"}, 5));
  Add(Topic("$c", "@mod:x", {"$create", "$pl", "$mod"}, 4));
  EXPECT_EQ(At({With({"$b"}), With({"$c"})}, "m.room.topic"), "$b");
  EXPECT_EQ(At({With({"$a"}), With({"$b"})}, "m.room.topic"), "$b");
  // Beyond the eight bytes that are compared first.
  Add(Topic("$long-common-prefix-2", "@mod:x", {"$create", "$pl", "$mod"}, 7));
  Add(Topic("$long-common-prefix-1", "@mod:x", {"$create", "$pl", "$mod"}, 7));
  EXPECT_EQ(
      At({With({"$long-common-prefix-1"}), With({"$long-common-prefix-2"})},
         "m.room.topic"),
      "$long-common-prefix-2");
}

// Events that are not based on the mainline come before its oldest entry.
TEST_F(ResolverTest, OffTheMainlineComesFirst) {
  Start("10");
  AddBasics();
  Add(Topic("$old", "@admin:x", {"$create", "$pl", "$admin"}, 1));
  Add(Topic("$none", "@admin:x", {"$create", "$admin"}, 9));
  EXPECT_EQ(At({With({"$old"}), With({"$none"})}, "m.room.topic"), "$old");
}

TEST_F(ResolverTest, NewerMainlineWins) {
  Start("10");
  AddBasics();
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@admin:x":100,"@mod:x":50},"ban":60})",
       {"$create", "$admin", "$pl"},
       5});
  Add(Topic("$late", "@admin:x", {"$create", "$pl", "$admin"}, 99));
  Add(Topic("$early", "@admin:x", {"$create", "$pl2", "$admin"}, 1));
  EXPECT_EQ(At({With({"$pl2", "$early"}), With({"$late"})}, "m.room.topic"),
            "$early");
}

// v2.1 judges from an empty state, v2 from the unconflicted one.
TEST_F(ResolverTest, IterativeChecksStartEmptyInV21) {
  for (const char* version : {"11", "12"}) {
    Start(version);
    AddBasics();
    const bool v12 = room_->rules().creators_above_all;
    std::vector<std::string> auth = {"$pl", "$mod"};
    if (!v12) auth.push_back("$create");
    Add(Topic("$t", "@mod:x", auth, 1));
    // All states agree that @mod left, without an event that says so being in
    // the topic's auth chain.
    std::vector<std::string> leave_auth = {"$pl", "$mod"};
    if (!v12) leave_auth.push_back("$create");
    Add({"$left", "m.room.member", "@mod:x", "@mod:x",
         R"({"membership":"leave"})", leave_auth, 2});
    EXPECT_EQ(At({With({"$left"}), With({"$left", "$t"})}, "m.room.topic"),
              v12 ? "$t" : "");
  }
}

// A rejected auth event is not used where the state has none.
TEST_F(ResolverTest, RejectedAuthEventsDoNotHelp) {
  Start("12");
  AddBasics();
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@bob:x":50}})",
       {"$admin", "$pl"},
       3});
  Add(Topic("$t", "@bob:x", {"$pl2", "$bob"}, 4));
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "$t");
  room_->Reject("$pl2");
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "");
}

TEST_F(ResolverTest, RejectedEventInTheStateFallsBack) {
  Start("10");
  AddBasics();
  Add({"$left",
       "m.room.member",
       "@mod:x",
       "@mod:x",
       R"({"membership":"leave"})",
       {"$create", "$pl", "$mod"},
       2});
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 3));
  EXPECT_EQ(At({With({"$left"}), With({"$left", "$t"})}, "m.room.topic"), "");
  room_->Reject("$left");
  EXPECT_EQ(At({With({"$left"}), With({"$left", "$t"})}, "m.room.topic"), "$t");
}

// An event that was rejected when it was received is tried like any other.
TEST_F(ResolverTest, RejectedEventsTakePart) {
  Start("10");
  AddBasics();
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 1));
  room_->Reject("$t");
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "$t");
}

// Power levels and join rules with a state key of their own move nothing.
TEST_F(ResolverTest, OtherStateKeysMakeNoPowerEvents) {
  Start("10");
  AddBasics();
  Add({"$jr-x",
       "m.room.join_rules",
       "x",
       "@admin:x",
       R"({"join_rule":"invite"})",
       {"$create", "$pl", "$admin"},
       1});
  Add({"$pl-x",
       "m.room.power_levels",
       "x",
       "@admin:x",
       R"({"users":{}})",
       {"$create", "$pl", "$admin"},
       2});
  RoomGraph graph = room_->Graph();
  Explanation explanation;
  StateResolver(graph).Resolve(
      std::vector<StateTree>{Numbered(graph, With({})),
                             Numbered(graph, With({"$jr-x", "$pl-x"}))},
      &explanation);
  ASSERT_EQ(explanation.steps.size(), 2u);
  for (const Explanation::Step& step : explanation.steps) {
    EXPECT_EQ(step.phase, Explanation::Phase::kMainline);
  }
}

// Ids are compared as texts: "-" and "_" of the URL-safe alphabet stand where
// "+" and "/" of version 3 do not.
TEST_F(ResolverTest, IdsCompareAsTexts) {
  for (const auto& [version, first, last] : {std::tuple{"3", "$+", "$A"},
                                             {"4", "$-", "$A"},
                                             {"3", "$/", "$A"},
                                             {"4", "$A", "$_"}}) {
    Start(version);
    AddBasics();
    Add(Topic(first, "@mod:x", {"$create", "$pl", "$mod"}, 5));
    Add(Topic(last, "@mod:x", {"$create", "$pl", "$mod"}, 5));
    EXPECT_EQ(At({With({first}), With({last})}, "m.room.topic"), last);
  }
}

// The auth chain of a power event counts as far as it stays in the full
// conflicted set: what only an unconflicted event leads to is no power event.
TEST_F(ResolverTest, PowerEventsPullOnlyThroughTheConflictedSet) {
  Start("10");
  AddBasics();
  Add({"$pl1",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@admin:x":100,"@bob:x":100,"@mod:x":50}})",
       {"$create", "$pl", "$admin"},
       1});
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@bob:x",
       R"({"users":{"@admin:x":100,"@bob:x":100,"@mod:x":50},"ban":40})",
       {"$create", "$pl1", "$bob"},
       2});
  Add(Topic("$t", "@mod:x", {"$create", "$pl2", "$mod"}, 3));
  Add({"$ban",
       "m.room.member",
       "@eve:x",
       "@mod:x",
       R"({"membership":"ban"})",
       {"$create", "$pl2", "$mod"},
       4});
  Add({"$bob2",
       "m.room.member",
       "@bob:x",
       "@bob:x",
       R"({"membership":"join","displayname":"b"})",
       {"$create", "$pl2", "$jr", "$bob"},
       5});
  RoomGraph graph = room_->Graph();
  Explanation explanation;
  StateResolver(graph).Resolve(
      std::vector<StateTree>{Numbered(graph, With({"$pl2", "$t", "$ban"})),
                             Numbered(graph, With({"$pl2", "$t", "$bob2"}))},
      &explanation);
  // $bob is conflicted and in the ban's auth chain, but only behind $pl2.
  ASSERT_EQ(explanation.steps.size(), 3u);
  EXPECT_EQ(graph.event_id(explanation.steps[0].event), "$ban");
  EXPECT_EQ(explanation.steps[0].phase, Explanation::Phase::kPower);
  EXPECT_EQ(graph.event_id(explanation.steps[1].event), "$bob");
  EXPECT_EQ(explanation.steps[1].phase, Explanation::Phase::kMainline);
}

// In version 12 the room id names the create event.
TEST_F(ResolverTest, CreateOfVersionTwelveNeedsNoAuthEvent) {
  Start("12");
  AddBasics();
  Add(Topic("$t", "@admin:x", {"$pl", "$admin"}, 3));
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "$t");
  room_->Reject("$create");
  EXPECT_EQ(At({With({}), With({"$t"})}, "m.room.topic"), "");
}

// Two members of the subgraph: an event between two conflicted ones counts.
TEST_F(ResolverTest, ConflictedSubgraphIsTriedInV21) {
  Start("12");
  AddBasics();
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@mod:x":50},"ban":1})",
       {"$admin", "$pl"},
       3});
  Add({"$pl3",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@mod:x":50},"ban":2})",
       {"$admin", "$pl2"},
       4});
  RoomGraph graph = room_->Graph();
  StateResolver resolver(graph);
  Explanation explanation;
  resolver.Resolve(std::vector<StateTree>{Numbered(graph, With({})),
                                          Numbered(graph, With({"$pl3"}))},
                   &explanation);
  ASSERT_EQ(explanation.conflicted_subgraph.size(), 3u);
  EXPECT_EQ(graph.event_id(explanation.conflicted_subgraph[1]), "$pl2");
}

TEST_F(ResolverTest, LongDiamondsAreCheap) {
  // Paths double with every layer; the sweeps do not notice.
  Start("12");
  AddBasics();
  std::vector<std::string> layer = {"$pl"};
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> next;
    for (const char* side : {"a", "b"}) {
      next.push_back("$" + std::to_string(i) + side);
      std::vector<std::string> auth = layer;
      auth.push_back("$admin");
      Add({next.back(), "m.room.power_levels", "", "@admin:x",
           R"({"users":{"@mod:x":50}})", auth, i});
    }
    layer = next;
  }
  EXPECT_EQ(At({With({}), With({"$199a"})}, "m.room.power_levels"), "$199a");
}

// v1: depth, then the hash of the id; the rest of a run is cut where one fails.
TEST_F(ResolverTest, V1TakesTheDeepestAllowed) {
  Start("1");
  AddBasics();
  Add(Topic("$high", "@bob:x", {"$create", "$pl", "$bob"}, 1, 30));
  Add(Topic("$mid", "@mod:x", {"$create", "$pl", "$mod"}, 1, 20));
  Add(Topic("$low", "@admin:x", {"$create", "$pl", "$admin"}, 1, 10));
  EXPECT_EQ(
      At({With({"$high"}), With({"$mid"}), With({"$low"})}, "m.room.topic"),
      "$mid");
  // The lower SHA-1 wins: of "$low" it is ba69.., of "$low2" dedc...
  Add(Topic("$low2", "@admin:x", {"$create", "$pl", "$admin"}, 1, 10));
  EXPECT_EQ(At({With({"$low"}), With({"$low2"})}, "m.room.topic"), "$low");
}

TEST_F(ResolverTest, V1WhenNoneIsAllowedTheShallowestStays) {
  Start("1");
  AddBasics();
  Add(Topic("$x", "@bob:x", {"$create", "$pl", "$bob"}, 1, 30));
  Add(Topic("$y", "@bob:x", {"$create", "$pl", "$bob"}, 1, 20));
  EXPECT_EQ(At({With({"$x"}), With({"$y"})}, "m.room.topic"), "$y");
}

// v1: members are resolved without regard to each other.
TEST_F(ResolverTest, V1ResolvesMembersIndependently) {
  Start("1");
  AddBasics();
  Add({"$mod-left",
       "m.room.member",
       "@mod:x",
       "@mod:x",
       R"({"membership":"leave"})",
       {"$create", "$pl", "$mod"},
       1,
       20});
  Add({"$bob-banned",
       "m.room.member",
       "@bob:x",
       "@mod:x",
       R"({"membership":"ban"})",
       {"$create", "$pl", "$mod", "$bob"},
       1,
       21});
  // @mod's membership is in conflict, so the ban finds no joined sender.
  const StateIds resolved =
      Resolve({With({"$mod-left"}), With({"$bob-banned"})});
  EXPECT_EQ(resolved.at({"m.room.member", "@mod:x"}), "$mod-left");
  EXPECT_EQ(resolved.at({"m.room.member", "@bob:x"}), "$bob");
}

TEST_F(ResolverTest, UnknownEventsAreLeftOut) {
  Start("10");
  AddBasics();
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod", "$unknown"}, 1));
  StateIds state = With({"$t"});
  state[StateKey{"m.room.name", ""}] = "$unknown-too";
  EXPECT_EQ(At({With({}), state}, "m.room.topic"), "$t");
  EXPECT_EQ(At({With({}), state}, "m.room.name"), "");
}

// A third-party invite without a token asks for no event and is skipped alone.
TEST_F(ResolverTest, InviteWithoutTokenIsSkipped) {
  Start("10");
  AddBasics();
  Add({"$odd",
       "m.room.member",
       "@new:x",
       "@mod:x",
       R"({"membership":"invite","third_party_invite":{}})",
       {"$create", "$pl", "$mod"},
       1});
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 1));
  EXPECT_EQ(At({With({}), With({"$odd", "$t"})}, "m.room.topic"), "$t");
  EXPECT_EQ(At({With({}), With({"$odd", "$t"})}, "m.room.member", "@new:x"),
            "");
}

TEST_F(ResolverTest, ExplainsWhoWonAndWhy) {
  Start("10");
  AddBasics();
  Add({"$ban",
       "m.room.member",
       "@mod:x",
       "@admin:x",
       R"({"membership":"ban"})",
       {"$create", "$admin", "$pl", "$mod"},
       50});
  Add(Topic("$t", "@mod:x", {"$create", "$pl", "$mod"}, 10));
  RoomGraph graph = room_->Graph();
  StateResolver resolver(graph);
  Explanation explanation;
  const StateTree resolved =
      resolver.Resolve(std::vector<StateTree>{Numbered(graph, With({"$ban"})),
                                              Numbered(graph, With({"$t"}))},
                       &explanation);
  Result<json::Document> parsed =
      json::Document::Parse(ExplanationJson(graph, explanation, resolved));
  ASSERT_TRUE(parsed.ok());
  const json::Value keys = parsed->root()["keys"];
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys.at(0)["state_key"].AsString(), "@mod:x");
  EXPECT_EQ(keys.at(0)["winner"].AsString(), "$ban");
  const json::Value topic = keys.at(1);
  EXPECT_EQ(topic["type"].AsString(), "m.room.topic");
  EXPECT_TRUE(topic["winner"].IsNull());
  ASSERT_EQ(topic["candidates"].size(), 1u);
  const json::Value candidate = topic["candidates"].at(0);
  EXPECT_EQ(candidate["event_id"].AsString(), "$t");
  EXPECT_EQ(candidate["phase"].AsString(), "mainline");
  EXPECT_EQ(candidate["mainline_position"].AsInt(), 0);
  EXPECT_EQ(candidate["allowed"].AsBool(), false);
  EXPECT_EQ(candidate["rule"].AsString(), "sender-not-joined");
  EXPECT_EQ(candidate["rule_number"].AsString(), "5");
  EXPECT_EQ(candidate["against"]["sender_membership"].AsString(), "$ban");
}

json::Document Explained(TestRoom* room, const std::vector<StateIds>& sets) {
  RoomGraph graph = room->Graph();
  std::vector<StateTree> states;
  for (const StateIds& set : sets) states.push_back(Numbered(graph, set));
  Explanation explanation;
  const StateTree resolved = StateResolver(graph).Resolve(states, &explanation);
  Result<json::Document> parsed =
      json::Document::Parse(ExplanationJson(graph, explanation, resolved));
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? std::move(*parsed) : json::Document();
}

// Why each key came out as it did, by "type|state_key".
std::map<std::string, std::string> Reasons(TestRoom* room,
                                           const std::vector<StateIds>& sets) {
  const json::Document explained = Explained(room, sets);
  std::map<std::string, std::string> reasons;
  for (const json::Value key : explained.root()["keys"]) {
    reasons[std::string(key["type"].StringOr("")) + "|" +
            std::string(key["state_key"].StringOr(""))] =
        std::string(key["reason"].StringOr(""));
  }
  return reasons;
}

// An event of the auth difference whose key no state has.
TEST_F(ResolverTest, ExplainsWhatTheAuthDifferenceAdds) {
  Start("10");
  AddBasics();
  Add({"$carl",
       "m.room.member",
       "@carl:x",
       "@carl:x",
       R"({"membership":"join"})",
       {"$create", "$pl", "$jr"},
       1});
  Add(Topic("$t", "@carl:x", {"$create", "$pl", "$carl"}, 2));
  Add({"$pl2",
       "m.room.power_levels",
       "",
       "@admin:x",
       R"({"users":{"@admin:x":100},"state_default":0})",
       {"$create", "$admin", "$pl"},
       1});
  // One state names the topic of a user whose membership neither has.
  const auto reasons =
      Reasons(room_.get(), {With({"$pl2"}), With({"$pl2", "$t"})});
  EXPECT_EQ(reasons.at("m.room.member|@carl:x"),
            "no state has an event; one of the auth difference was allowed");
  EXPECT_EQ(reasons.at("m.room.topic|"), "the last candidate that was allowed");
}

// An event that all states have is in the auth difference when only some of
// them have what it authorised.  That it is tried and allowed is not why it is
// there.
TEST_F(ResolverTest, ExplainsWhatIsNotConflicted) {
  Start("10");
  AddBasics();
  Add({"$jr2",
       "m.room.join_rules",
       "",
       "@admin:x",
       R"({"join_rule":"public"})",
       {"$create", "$admin", "$pl"},
       1});
  Add({"$carl",
       "m.room.member",
       "@carl:x",
       "@carl:x",
       R"({"membership":"join"})",
       {"$create", "$pl", "$jr2"},
       2});
  const auto reasons =
      Reasons(room_.get(), {With({"$jr2"}), With({"$jr2", "$carl"})});
  EXPECT_EQ(reasons.at("m.room.join_rules|"), "all states have this event");
  EXPECT_EQ(reasons.at("m.room.member|@carl:x"),
            "the last candidate that was allowed");
}

TEST_F(ResolverTest, ExplainsVersionOne) {
  Start("1");
  AddBasics();
  Add(Topic("$t1", "@admin:x", {}, 1, 5));
  Add(Topic("$t2", "@admin:x", {}, 1, 6));
  Add({"$name", "m.room.name", "", "@admin:x", "{}", {}, 1});
  const std::vector<StateIds> sets = {With({"$t1"}), With({"$t2", "$name"})};
  const auto reasons = Reasons(room_.get(), sets);
  EXPECT_EQ(reasons.at("m.room.topic|"),
            "by depth, hash and what each allowed");
  EXPECT_EQ(reasons.at("m.room.name|"), "no state has another event");
  // Every candidate is named, with what it was ordered by, also where the
  // first one that was tried ended the search.
  const json::Document explained = Explained(room_.get(), sets);
  const json::Value topic = explained.root()["keys"].at(1);
  EXPECT_EQ(topic["type"].AsString(), "m.room.topic");
  EXPECT_EQ(topic["winner"].AsString(), "$t2");
  ASSERT_EQ(topic["candidates"].size(), 2u);
  const json::Value winner = topic["candidates"].at(0);
  EXPECT_EQ(winner["event_id"].AsString(), "$t2");
  EXPECT_EQ(winner["allowed"].AsBool(), true);
  const json::Value other = topic["candidates"].at(1);
  EXPECT_EQ(other["event_id"].AsString(), "$t1");
  EXPECT_EQ(other["tried"].AsBool(), false);
  EXPECT_EQ(other["depth"].AsInt(), 5);
  EXPECT_EQ(other["sha1"].StringOr("").size(), 40u);
}

}  // namespace
}  // namespace matrixcore
