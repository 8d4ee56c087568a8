#include "matrixcore/room/room_check.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/event/builder.h"
#include "matrixcore/room/auth_tables.h"
#include "room/room_caches.h"
#include "room/rows.h"
#include "room/test_room.h"
#include "room/test_stores.h"

namespace matrixcore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kAlice = "@alice:x";
constexpr std::string_view kBob = "@bob:x";

class RoomCheckTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  // A room with members, state, messages, an edit, a thread and a redaction.
  void MakeRoom(std::string_view version) {
    room_ = server_.MakeRoom(version, fmt::format("!room{}:x", version));
    Must(server_.SetMember(room_, kBob, kBob, "join"));
    topic_ = Must(server_.Send(
        room_, MakeDraft(kTypeTopic, kAlice, "", R"({"topic":"tea"})")));
    hello_ = Must(server_.Say(room_, kBob, "hello"));
    edit_ = Must(server_.Send(
        room_,
        MakeDraft(
            kTypeMessage, kBob, std::nullopt,
            fmt::format(
                R"({{"body":"* hi","m.new_content":{{"body":"hi"}},"m.relates_to":{{"rel_type":"m.replace","event_id":"{}"}}}})",
                hello_))));
    Must(server_.Send(
        room_,
        MakeDraft(
            kTypeMessage, kAlice, std::nullopt,
            fmt::format(
                R"({{"body":"so","m.relates_to":{{"rel_type":"m.thread","event_id":"{}"}}}})",
                hello_))));
    const std::string bad = Must(server_.Say(room_, kBob, "rude"));
    EventDraft redaction =
        MakeDraft(kTypeRedaction, kAlice, std::nullopt, "{}");
    redaction.redacts = bad;
    Must(server_.Send(room_, redaction));
    server_.clock.now_ms -= 5000;  // An event whose time is late.
    Must(server_.Say(room_, kAlice, "late"));
  }

  static std::string Must(const Result<RoomRequest::Answer>& answer) {
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer->event_ids[0] : "";
  }

  RoomCheckResult Check(size_t chunk = 500) {
    findings_.clear();
    RoomCheckOptions options;
    options.server_name = "x";
    options.chunk = chunk;
    options.keys = [this](std::string_view server, std::string_view key_id,
                          int64_t) -> std::optional<Ed25519PublicKey> {
      if (server != "x" || key_id != server_.key.key_id()) return std::nullopt;
      return server_.key.public_key();
    };
    const auto result = CheckRoom(
        *store_, room_, options,
        [this](const RoomFinding& finding) { findings_.push_back(finding); });
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : RoomCheckResult();
  }
  std::vector<std::string> Whats() {
    Check();
    std::vector<std::string> whats;
    for (const RoomFinding& finding : findings_) {
      whats.emplace_back(finding.what);
    }
    return whats;
  }

  RoomHead Head() { return OpenReader(server_).Head(room_); }
  StoredEvent Stored(const std::string& event_id) {
    return OpenReader(server_)->Event(event_id).value()->stored;
  }
  // Changes one cell of a row.
  void Set(const TableSpec& table, const Row& key, uint32_t column,
           BatchCell value) {
    const auto snapshot = store_->NewSnapshot().value();
    const std::optional<Row> row = snapshot->Get(table, key).value();
    ASSERT_TRUE(row);
    BatchRow changed;
    for (const Cell& cell : *row) {
      std::visit([&](const auto& v) { changed.emplace_back(v); }, cell);
    }
    changed[column] = std::move(value);
    WriteBatch batch;
    batch.PutRow(table, std::move(changed));
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  Row EventKey(const std::string& event_id) {
    return {Cell(Head().nid), Cell(int64_t{Stored(event_id).idx})};
  }

  TestStore store_{GetParam(), RoomSchema()};
  RoomServer server_{*store_};
  std::string room_;
  std::string topic_;
  std::string hello_;
  std::string edit_;
  std::vector<RoomFinding> findings_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RoomCheckTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(RoomCheckTest, FindsNothingInARoomAsTheWriterMakesIt) {
  for (const std::string_view version : {"1", "3", "6", "10", "11", "12"}) {
    MakeRoom(version);
    const RoomCheckResult result = Check();
    EXPECT_EQ(result.findings, 0u) << version;
    EXPECT_EQ(result.events, 12u) << version;
    EXPECT_EQ(result.unverified, 0u);
    for (const RoomFinding& finding : findings_) {
      ADD_FAILURE() << version << " " << finding.what << " " << finding.event_id
                    << ": " << finding.stored << " instead of "
                    << finding.expected << finding.rule;
    }
  }
}

TEST_P(RoomCheckTest, SmallChunksFindTheSame) {
  MakeRoom("12");
  EXPECT_EQ(Check(2).findings, 0u);
  Set(tables::kEvents, EventKey(hello_), tables::Events::kSender, "@eve:x");
  EXPECT_EQ(Check(1).findings, Check(500).findings);
}

TEST_P(RoomCheckTest, NamesAChangedEvent) {
  MakeRoom("12");
  std::string json = Stored(hello_).event->json();
  json.replace(json.find("hello"), 5, "howdy");
  Set(tables::kEvents, EventKey(hello_), tables::Events::kJson, json);
  Check();
  ASSERT_EQ(findings_.size(), 1u);
  EXPECT_EQ(findings_[0].what, "content-hash");
  EXPECT_EQ(findings_[0].event_id, hello_);
  EXPECT_EQ(findings_[0].room_id, room_);
}

TEST_P(RoomCheckTest, NamesAForgedSender) {
  MakeRoom("12");
  std::string json = Stored(hello_).event->json();
  json.replace(json.find("@bob:x"), 6, "@eve:x");
  Set(tables::kEvents, EventKey(hello_), tables::Events::kJson, json);
  const std::vector<std::string> whats = Whats();
  EXPECT_THAT(whats, Contains("event-id"));
  EXPECT_THAT(whats, Contains("signature"));
  EXPECT_THAT(whats, Contains("column-sender"));
  // Eve never joined.
  EXPECT_THAT(whats, Contains("auth-events"));
}

TEST_P(RoomCheckTest, NamesTheRuleThatAnEventBreaks) {
  MakeRoom("12");
  // As if the server had taken a topic from Bob, who has no power.
  const RoomHead head = Head();
  EventDraft draft = MakeDraft(kTypeTopic, kBob, "", R"({"topic":"mine"})");
  OpenReader reader(server_);
  EventPlace place;
  place.room_id = room_;
  place.prev_events = head.extremities;
  for (const auto& [type, key] :
       {std::pair(kTypePowerLevels, std::string_view("")),
        std::pair(kTypeMember, kBob)}) {
    place.auth_events.push_back(
        reader->StateEvent(head, head.state, type, key).value()->event_id());
  }
  place.depth = head.depth + 1;
  place.now = server_.clock.Now();
  const EventPtr event =
      BuildEvent(draft, place, "x", server_.key, *head.rules).value();
  StoredEvent stored;
  stored.event = event;
  stored.idx = head.last_idx + 1;
  stored.before = stored.after = head.state;
  stored.max_ts = head.max_ts;
  WriteBatch batch;
  const PositionRef pos = batch.NewPosition();
  batch.PutRow(tables::kEvents, RowFromEvent(stored, head.nid, pos));
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  Check();
  const auto found = std::find_if(
      findings_.begin(), findings_.end(), [](const RoomFinding& finding) {
        return finding.what == "auth-by-auth-events";
      });
  ASSERT_NE(found, findings_.end());
  EXPECT_EQ(found->event_id, event->event_id());
  EXPECT_EQ(found->rule,
            RuleNumber(Rule::kSendLevel, *head.rules) + " send-level");
  EXPECT_EQ(found->stored, "accepted");
}

TEST_P(RoomCheckTest, NamesAnEventThatWasRejectedForNothing) {
  MakeRoom("12");
  Set(tables::kEvents, EventKey(hello_), tables::Events::kFlags,
      int64_t{kEventRejected});
  EXPECT_THAT(Whats(), Contains("rejected"));
}

TEST_P(RoomCheckTest, NamesAWrongStateBefore) {
  MakeRoom("12");
  Set(tables::kEvents, EventKey(hello_), tables::Events::kBefore, int64_t{2});
  Check();
  ASSERT_FALSE(findings_.empty());
  EXPECT_EQ(findings_[0].what, "state-before");
  EXPECT_EQ(findings_[0].event_id, hello_);
  EXPECT_THAT(findings_[0].expected,
              HasSubstr("(m.room.topic, \"\") = " + topic_));
}

TEST_P(RoomCheckTest, NamesADamagedStateDelta) {
  MakeRoom("12");
  const StateSnap snap = Stored(topic_).after;
  Set(tables::kStateSnaps, {Cell(Head().nid), Cell(int64_t{snap})},
      tables::StateSnaps::kDelta, Blob{"12345"});
  EXPECT_THAT(Whats(), Contains("unreadable"));
}

TEST_P(RoomCheckTest, NamesWrongAuthEdges) {
  MakeRoom("12");
  const StoredEvent topic = Stored(topic_);
  const Row key = EventKey(topic_);
  Set(tables::kAuthEdges, key, tables::AuthEdges::kAuth, Blob{"\x01"});
  EXPECT_THAT(Whats(), ElementsAre("auth-edges"));
  EXPECT_EQ(findings_[0].event_id, topic_);
  EXPECT_EQ(findings_[0].stored, fmt::format("events {}", topic.idx - 1));
  EXPECT_EQ(findings_[0].expected, "events 3 2");
  Set(tables::kAuthEdges, key, tables::AuthEdges::kAuth, Blob{"\x81"});
  EXPECT_THAT(Whats(), ElementsAre("auth-edges"));
  // A room of before there were any.
  WriteBatch batch;
  batch.DeleteRow(tables::kAuthEdges, {Head().nid, int64_t{topic.idx}});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_THAT(Whats(), IsEmpty());
}

TEST_P(RoomCheckTest, NamesAStateThatIsBasedOnTheWrongOne) {
  MakeRoom("12");
  const Row key = {Cell(Head().nid), Cell(int64_t{6})};
  EXPECT_THAT(Whats(), IsEmpty());
  Set(tables::kStateSnaps, key, tables::StateSnaps::kBase, int64_t{3});
  EXPECT_THAT(Whats(), Contains("state-base"));
  const auto named = [this](std::string_view what) {
    return std::find_if(
        findings_.begin(), findings_.end(),
        [what](const RoomFinding& finding) { return finding.what == what; });
  };
  EXPECT_EQ(named("state-base")->stored,
            "state 6 of height 6 is based on state 3 of height 3");
  EXPECT_EQ(named("state-base")->expected,
            "an earlier one of height 4, or the empty state");
}

TEST_P(RoomCheckTest, NamesAWrongHeightOfAState) {
  MakeRoom("12");
  Set(tables::kStateSnaps, {Cell(Head().nid), Cell(int64_t{5})},
      tables::StateSnaps::kHeight, int64_t{9});
  EXPECT_THAT(Whats(), Contains("state-height"));
}

TEST_P(RoomCheckTest, NamesAStateWhoseParentIsMissing) {
  MakeRoom("12");
  Set(tables::kStateSnaps, {Cell(Head().nid), Cell(int64_t{5})},
      tables::StateSnaps::kParent, int64_t{99});
  EXPECT_THAT(Whats(), ElementsAre("state-height"));
}

TEST_P(RoomCheckTest, NamesAStateWithAnEventThatDoesNotExist) {
  MakeRoom("12");
  const StateDeltaEntry entry{.key = 1, .event = 1000};
  Set(tables::kStateSnaps, {Cell(Head().nid), Cell(int64_t{1})},
      tables::StateSnaps::kDelta, Blob{EncodeStateDelta({entry})});
  EXPECT_THAT(Whats(), Contains("state-delta"));
}

TEST_P(RoomCheckTest, NamesAliasesThatNobodyCanUse) {
  MakeRoom("12");
  const RoomNid nid = Head().nid;
  WriteBatch batch;
  batch.PutRow(tables::kAliases, {"#good:x", nid, std::string(kAlice)});
  batch.PutRow(tables::kAliases, {"#elsewhere:y", nid, std::string(kAlice)});
  batch.PutRow(tables::kAliases, {"noalias", nid, std::string(kAlice)});
  batch.PutRow(tables::kAliases, {"#whose:x", nid, "@eve:y"});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_THAT(Whats(), ElementsAre("alias", "alias", "alias"));
  EXPECT_EQ(findings_[0].stored, "#elsewhere:y made by @alice:x");
  EXPECT_EQ(findings_[1].stored, "#whose:x made by @eve:y");
  EXPECT_EQ(findings_[1].expected, "#whose:x made by a user of x");
}

TEST_P(RoomCheckTest, NamesAWrongCountOfListedRooms) {
  MakeRoom("12");
  std::vector<std::string> found;
  const auto check = [&] {
    found.clear();
    return CheckRoomCounters(
               *store_,
               [&](const RoomFinding& finding) {
                 EXPECT_EQ(finding.room_id, "");
                 found.push_back(fmt::format("{} {} {}", finding.what,
                                             finding.stored, finding.expected));
               })
        .value();
  };
  EXPECT_EQ(check(), 0u);
  Set(tables::kRooms, {Cell(Head().nid)}, tables::Rooms::kPublic, int64_t{1});
  EXPECT_EQ(check(), 1u);
  EXPECT_THAT(found, ElementsAre("listed-rooms 0 1"));
}

TEST_P(RoomCheckTest, NamesAnEventThatIsSoftFailedForNothing) {
  MakeRoom("12");
  Set(tables::kEvents, EventKey(hello_), tables::Events::kFlags,
      int64_t{kEventSoftFailed});
  EXPECT_THAT(Whats(), Contains("soft-failed"));
  EXPECT_THAT(findings_[0].event_id, hello_);
  Set(tables::kEvents, EventKey(hello_), tables::Events::kFlags,
      int64_t{kEventSoftFailed | kEventRejected});
  EXPECT_THAT(Whats(), Contains("soft-failed"));
}

// Bob says something on a branch that does not know that he was banned.
TEST_P(RoomCheckTest, LetsAnEventBeSoftFailedThatIsForbiddenByThen) {
  MakeRoom("12");
  server_.clock.now_ms += 5000;
  const RoomHead before = Head();
  EventPlace place;
  place.room_id = room_;
  place.prev_events = before.extremities;
  {
    OpenReader reader(server_);
    for (const auto& [type, key] :
         {std::pair(kTypePowerLevels, std::string_view("")),
          std::pair(kTypeMember, kBob)}) {
      place.auth_events.push_back(
          reader->StateEvent(before, before.state, type, key)
              .value()
              ->event_id());
    }
  }
  place.depth = before.depth + 1;
  place.now = server_.clock.Now();
  StoredEvent stored;
  stored.event = BuildEvent(MakeDraft(kTypeMessage, kBob, std::nullopt,
                                      R"({"body":"but"})"),
                            place, "x", server_.key, *before.rules)
                     .value();
  Must(server_.SetMember(room_, kAlice, kBob, "ban"));
  const RoomHead head = Head();
  stored.idx = head.last_idx + 1;
  stored.before = stored.after = before.state;
  stored.max_ts = head.max_ts;
  const auto add = [&](int64_t flags) {
    stored.flags = flags;
    WriteBatch batch;
    const PositionRef pos = batch.NewPosition();
    batch.PutRow(tables::kEvents, RowFromEvent(stored, head.nid, pos));
    RoomHead with = head;
    with.last_idx = stored.idx;
    batch.PutRow(tables::kRooms, RowFromHead(with, head.nid, pos));
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  };
  add(kEventSoftFailed);
  EXPECT_THAT(Whats(), IsEmpty());
}

TEST_P(RoomCheckTest, NamesAWrongHead) {
  MakeRoom("12");
  const Row key = {Cell(Head().nid)};
  Set(tables::kRooms, key, tables::Rooms::kExtremities, hello_);
  Set(tables::kRooms, key, tables::Rooms::kDepth, int64_t{3});
  Set(tables::kRooms, key, tables::Rooms::kState, int64_t{2});
  Set(tables::kRooms, key, tables::Rooms::kJoined, int64_t{7});
  const std::vector<std::string> whats = Whats();
  EXPECT_THAT(whats, Contains("forward-extremities"));
  EXPECT_THAT(whats, Contains("head-depth"));
  EXPECT_THAT(whats, Contains("current-state"));
  EXPECT_THAT(whats, Contains("joined-count"));
}

TEST_P(RoomCheckTest, NamesWrongMembers) {
  MakeRoom("12");
  const RoomNid nid = Head().nid;
  Set(tables::kMemberships, {Cell(std::string(kBob)), Cell(nid)},
      tables::Memberships::kMembership,
      static_cast<int64_t>(Membership::kLeave));
  WriteBatch batch;
  batch.PutRow(tables::kMemberships,
               {"@eve:x", nid, static_cast<int64_t>(Membership::kJoin),
                int64_t{1}, int64_t{1}, int64_t{0}});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_THAT(Whats(), ElementsAre("member", "member"));
  EXPECT_THAT(findings_[0].stored, HasSubstr("leave"));
  EXPECT_THAT(findings_[0].expected, HasSubstr("join"));
  EXPECT_THAT(findings_[1].stored, HasSubstr("@eve:x"));
}

TEST_P(RoomCheckTest, NamesAWrongPreview) {
  MakeRoom("12");
  Set(tables::kRoomPreviews, {Cell(Head().nid)}, tables::RoomPreviews::kTopic,
      "coffee");
  EXPECT_THAT(Whats(), ElementsAre("preview"));
  EXPECT_THAT(findings_[0].stored, HasSubstr("coffee"));
  EXPECT_THAT(findings_[0].expected, HasSubstr("tea"));
}

TEST_P(RoomCheckTest, NamesWrongRelations) {
  MakeRoom("12");
  const RoomNid nid = Head().nid;
  WriteBatch batch;
  batch.DeleteRow(tables::kRelations, {nid, hello_, Stored(edit_).pos});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_THAT(Whats(), ElementsAre("relation", "relation-target"));
  EXPECT_EQ(findings_[0].event_id, edit_);
  EXPECT_EQ(findings_[1].event_id, hello_);
}

TEST_P(RoomCheckTest, NamesAMissingEvent) {
  MakeRoom("12");
  WriteBatch batch;
  batch.DeleteRow(tables::kEvents, {Head().nid, int64_t{Stored(hello_).idx}});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  const std::vector<std::string> whats = Whats();
  EXPECT_THAT(whats, Contains("event-number"));
  EXPECT_THAT(whats, Contains("prev-event"));
}

TEST_P(RoomCheckTest, CountsWhatNoKeyCanVerify) {
  MakeRoom("12");
  RoomCheckOptions options;
  options.server_name = "x";
  const auto result =
      CheckRoom(*store_, room_, options, [](const RoomFinding&) { FAIL(); });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->unverified, 12u);
  EXPECT_THAT(result->unknown_keys, ElementsAre("x ed25519:test"));
}

TEST_P(RoomCheckTest, EndsWhenItIsToldTo) {
  MakeRoom("12");
  RoomCheckOptions options;
  options.chunk = 5;
  options.progress = [](uint64_t done, uint64_t total) {
    EXPECT_EQ(done, 5u);
    EXPECT_EQ(total, 12u);
    return false;
  };
  const auto result =
      CheckRoom(*store_, room_, options, [](const RoomFinding&) {});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ended_early);
  EXPECT_EQ(result->events, 5u);
}

TEST_P(RoomCheckTest, SaysThatThereIsNoSuchRoom) {
  const auto result =
      CheckRoom(*store_, "!none:x", {}, [](const RoomFinding&) {});
  EXPECT_EQ(result.status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace matrixcore
