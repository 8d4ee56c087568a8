// The index of relations, as the writer fills it and the reader reads it, and
// the other orders of events.
#include <gmock/gmock.h>

#include "matrixcore/event/relation.h"
#include "room/test_room.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RelationsTest : public ::testing::Test {
 protected:
  std::string Send(std::string_view sender, std::string content,
                   std::optional<Timestamp> ts = {},
                   std::string_view type = kTypeMessage) {
    EventDraft draft =
        MakeDraft(type, sender, std::nullopt, std::move(content));
    draft.origin_server_ts = ts;
    const auto sent = server_.Send(room_, draft);
    EXPECT_TRUE(sent.ok()) << sent.status().ToString();
    return sent.ok() ? sent->event_ids[0] : "";
  }
  std::string Relate(std::string_view sender, std::string_view rel_type,
                     std::string_view target, std::string_view more = "",
                     std::optional<Timestamp> ts = {}) {
    return Send(sender,
                fmt::format(R"({{{}"m.relates_to":{{"event_id":"{}",)"
                            R"("rel_type":"{}"}}}})",
                            more, target, rel_type),
                ts);
  }
  std::string Edit(std::string_view target, std::optional<Timestamp> ts = {}) {
    return Relate("@alice:x", kRelReplace, target,
                  R"("m.new_content":{"body":"new"},)", ts);
  }
  void Redact(const std::string& event_id) {
    EventDraft draft =
        MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
    draft.redacts = event_id;
    ASSERT_TRUE(server_.Send(room_, draft).ok());
  }
  // Nothing if there is no row.
  std::optional<RelationSummary> Summary(std::string_view target) {
    OpenReader reader(server_);
    return reader->RelationSummaries(reader.Head(room_), {&target, 1})
        .value()[0];
  }
  std::string IdOf(EventIdx idx) {
    if (idx == 0) return "";
    OpenReader reader(server_);
    const auto events = reader->Events(reader.Head(room_), {&idx, 1});
    EXPECT_TRUE(events.ok()) << events.status().ToString();
    return events.ok() ? (*events)[0]->event_id() : "";
  }
  std::vector<std::string> Children(std::string_view target,
                                    std::string_view rel_type = "") {
    OpenReader reader(server_);
    std::vector<std::string> ids;
    const auto related =
        reader->Relations(reader.Head(room_), target, {.rel_type = rel_type})
            .value();
    for (const RelatedEvent& event : related) {
      ids.push_back(IdOf(event.idx));
    }
    return ids;
  }

  std::unique_ptr<Store> store_ = NewMemoryStore(RoomSchema());
  RoomServer server_{*store_};
  std::string room_ = server_.MakeRoom("11");
  std::string root_ = Send("@alice:x", R"({"body":"root"})");
};

TEST_F(RelationsTest, ListsWhatRelatesNewestFirst) {
  ASSERT_TRUE(server_.SetMember(room_, "@bob:x", "@bob:x", "join").ok());
  const std::string a = Relate("@bob:x", "m.reference", root_);
  const std::string b = Relate("@alice:x", "org.x", root_);
  const std::string c = Relate("@bob:x", "m.reference", root_);
  EXPECT_THAT(Children(root_), ElementsAre(c, b, a));
  EXPECT_THAT(Children(root_, "m.reference"), ElementsAre(c, a));
  EXPECT_THAT(Children(a), IsEmpty());
  const auto summary = Summary(root_);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->children, 3);
  EXPECT_EQ(summary->references, 2);
  EXPECT_EQ(IdOf(summary->target_idx), root_);
  EXPECT_FALSE(Summary(a));
}

TEST_F(RelationsTest, ARedactedEventRelatesNoMore) {
  const std::string a = Relate("@alice:x", "m.reference", root_);
  const std::string b = Relate("@alice:x", "m.reference", root_);
  Redact(a);
  EXPECT_THAT(Children(root_), ElementsAre(b));
  EXPECT_EQ(Summary(root_)->references, 1);
  Redact(a);
  EXPECT_EQ(Summary(root_)->references, 1) << "redacted twice, counted once";
  Redact(b);
  EXPECT_FALSE(Summary(root_));
  EXPECT_THAT(Children(root_), IsEmpty());
}

TEST_F(RelationsTest, TheNewestEditIsTheOneWithTheGreatestTimeThenId) {
  const std::string late = Edit(root_, Timestamp{2000});
  EXPECT_EQ(IdOf(Summary(root_)->edit), late);
  Edit(root_, Timestamp{1000});
  EXPECT_EQ(IdOf(Summary(root_)->edit), late);
  const std::string same = Edit(root_, Timestamp{2000});
  EXPECT_EQ(IdOf(Summary(root_)->edit), std::max(late, same));
}

TEST_F(RelationsTest, WithoutItsNewestEditAnEventHasTheOneBefore) {
  const std::string first = Edit(root_, Timestamp{1000});
  const std::string second = Edit(root_, Timestamp{2000});
  Relate("@alice:x", kRelReplace, root_);  // Without new content.
  Redact(second);
  EXPECT_EQ(IdOf(Summary(root_)->edit), first);
  Redact(first);
  EXPECT_EQ(Summary(root_)->edit, 0u);
  EXPECT_EQ(Summary(root_)->children, 1);
}

TEST_F(RelationsTest, OtherPeoplesEditsDoNotCount) {
  ASSERT_TRUE(server_.SetMember(room_, "@bob:x", "@bob:x", "join").ok());
  Relate("@bob:x", kRelReplace, root_, R"("m.new_content":{"body":"x"},)");
  EXPECT_EQ(Summary(root_)->edit, 0u);
}

TEST_F(RelationsTest, ThreadsKnowTheirSizeLastEventAndPeople) {
  ASSERT_TRUE(server_.SetMember(room_, "@bob:x", "@bob:x", "join").ok());
  const std::string other = Send("@alice:x", "{}");
  const std::string a = Relate("@bob:x", kRelThread, root_);
  Relate("@alice:x", kRelThread, other);
  const std::string b = Relate("@bob:x", kRelThread, root_);
  EXPECT_EQ(Summary(root_)->threaded, 2);
  EXPECT_EQ(IdOf(Summary(root_)->thread_last), b);
  OpenReader reader(server_);
  const RoomHead head = reader.Head(room_);
  const auto threads = reader->Threads(head, INT64_MAX, 10).value();
  ASSERT_EQ(threads.size(), 2u);
  EXPECT_EQ(threads[0].target, root_);
  EXPECT_EQ(threads[1].target, other);
  EXPECT_EQ(reader->Threads(head, threads[0].thread_pos - 1, 10).value().size(),
            1u);
  const std::vector<std::string_view> roots = {root_, other};
  EXPECT_THAT(reader->ThreadShares(head, "@bob:x", roots).value(),
              ElementsAre(2, 0));
  EXPECT_THAT(reader->ThreadUsers(head, root_, 10).value(),
              ElementsAre(std::pair<std::string, int64_t>("@bob:x", 2)));

  Redact(b);
  EXPECT_EQ(Summary(root_)->threaded, 1);
  EXPECT_EQ(IdOf(Summary(root_)->thread_last), a);
  Redact(a);
  EXPECT_FALSE(Summary(root_));
  OpenReader later(server_);
  EXPECT_EQ(later->Threads(head, INT64_MAX, 10).value().size(), 1u);
  EXPECT_THAT(later->ThreadUsers(head, root_, 10).value(), IsEmpty());
}

// The drafts of one request are one batch, so that everything below happens
// before the store knows of any of it.
TEST_F(RelationsTest, WhatComesAndGoesInOneBatchLeavesTheIndexRight) {
  const std::string kept = Edit(root_, Timestamp{1000});
  RoomRequest request;
  request.room_id = room_;
  request.user_id = "@alice:x";
  const auto edit = [&](std::string body, int64_t ts) {
    EventDraft draft = MakeDraft(
        kTypeMessage, "@alice:x", std::nullopt,
        fmt::format(R"({{"m.new_content":{{"body":"{}"}},"m.relates_to":{{)"
                    R"("event_id":"{}","rel_type":"m.replace"}}}})",
                    body, root_));
    draft.origin_server_ts = Timestamp{ts};
    return draft;
  };
  request.prepare = [&](const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    change.drafts = {edit("a", 3000), edit("b", 2000)};
    EventDraft redaction =
        MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
    redaction.redacts = kept;
    change.drafts.push_back(redaction);
    return change;
  };
  const auto sent = server_.writer.SendAndWait(std::move(request));
  ASSERT_TRUE(sent.ok()) << sent.status().ToString();
  EXPECT_EQ(Summary(root_)->children, 2);
  EXPECT_EQ(IdOf(Summary(root_)->edit), sent->event_ids[0]);
  Redact(sent->event_ids[0]);
  EXPECT_EQ(IdOf(Summary(root_)->edit), sent->event_ids[1]);
}

TEST_F(RelationsTest, FindsWhoRelatesHow) {
  ASSERT_TRUE(server_.SetMember(room_, "@bob:x", "@bob:x", "join").ok());
  Relate("@bob:x", kRelThread, root_);
  OpenReader reader(server_);
  const RoomHead head = reader.Head(room_);
  const auto related = [&](std::vector<std::string> senders,
                           std::vector<std::string> types) {
    return reader->IsRelatedTo(head, root_, senders, types).value();
  };
  EXPECT_TRUE(related({}, {}));
  EXPECT_TRUE(related({"@bob:x"}, {}));
  EXPECT_TRUE(related({"@alice:x", "@bob:x"}, {"m.reference", "m.thread"}));
  EXPECT_TRUE(related({}, {"m.thread"}));
  EXPECT_FALSE(related({"@alice:x"}, {}));
  EXPECT_FALSE(related({"@bob:x"}, {"m.reference"}));
  EXPECT_FALSE(related({}, {"m.reference"}));
}

TEST_F(RelationsTest, AnnotationsAreFoundUntilRedacted) {
  const auto has = [&](std::string_view key) {
    bool found = false;
    RoomRequest request;
    request.room_id = room_;
    request.prepare = [&](const RoomView& view) -> Result<RoomChange> {
      MC_ASSIGN_OR_RETURN(
          found, view.HasAnnotation(root_, "@alice:x", "m.reaction", key));
      return RoomChange();
    };
    EXPECT_TRUE(server_.writer.SendAndWait(std::move(request)).ok());
    return found;
  };
  const std::string id =
      Send("@alice:x",
           fmt::format(R"({{"m.relates_to":{{"event_id":"{}","key":"👍",)"
                       R"("rel_type":"m.annotation"}}}})",
                       root_),
           {}, "m.reaction");
  EXPECT_TRUE(has("👍"));
  EXPECT_FALSE(has("👎"));
  Redact(id);
  EXPECT_FALSE(has("👍"));
}

TEST_F(RelationsTest, EventsAreReadByTheirTime) {
  const std::string c = Send("@alice:x", R"({"n":3})", Timestamp{3000});
  const std::string a = Send("@alice:x", R"({"n":1})", Timestamp{1000});
  const std::string b = Send("@alice:x", R"({"n":2})", Timestamp{2000});
  const std::string b2 = Send("@alice:x", R"({"n":4})", Timestamp{2000});
  OpenReader reader(server_);
  const RoomHead head = reader.Head(room_);
  const auto ids = [&](RoomReader::TimeRange range) {
    std::vector<std::string> found;
    const auto events = reader->ByTime(head, range).value();
    for (const StoredEvent& event : events) {
      found.push_back(event.event->event_id());
    }
    return found;
  };
  EXPECT_THAT(ids({.ts = 1500, .limit = 3}), ElementsAre(b, b2, c));
  EXPECT_THAT(ids({.ts = 2000, .backwards = true, .limit = 3}),
              ElementsAre(b2, b, a));
  const EventIdx first =
      reader->ByTime(head, {.ts = 2000, .limit = 1}).value()[0].idx;
  EXPECT_THAT(ids({.ts = 2000, .limit = 2, .beyond = first}),
              ElementsAre(b2, c));
}

TEST_F(RelationsTest, TheLogHasTheEventsOfAllRooms) {
  const Position before = store_->LastPosition();
  const std::string other = server_.MakeRoom("12");
  const std::string a = Send("@alice:x", "{}");
  ASSERT_TRUE(server_.Say(other, "@alice:x", "hi").ok());
  OpenReader reader(server_);
  const auto log = reader->Log(before, 100).value();
  ASSERT_EQ(log.size(), 6u) << "four events make a room";
  EXPECT_EQ(log[0].room->room_id, other);
  EXPECT_EQ(log[4].stored.event->event_id(), a);
  EXPECT_EQ(log[4].room->room_id, room_);
  EXPECT_EQ(log[5].room->room_id, other);
  const auto rest = reader->Log(log[3].stored.pos, 1).value();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].stored.event->event_id(), a);
}

}  // namespace
}  // namespace matrixcore
