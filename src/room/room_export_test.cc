#include "matrixcore/room/room_export.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"
#include "room/test_room.h"
#include "room/test_stores.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

RoomFileReader ReaderOf(std::string text, size_t piece = 7) {
  auto rest = std::make_shared<std::string>(std::move(text));
  return RoomFileReader([rest, piece](char* buffer, size_t size) {
    const size_t take = std::min({size, piece, rest->size()});
    std::copy_n(rest->data(), take, buffer);
    rest->erase(0, take);
    return Result<size_t>(take);
  });
}

// The first failure of reading it all.
Status ReadAll(std::string text) {
  RoomFileReader reader = ReaderOf(std::move(text), 4096);
  for (;;) {
    auto record = reader.Next();
    if (!record.ok()) return record.status();
    if (!*record) return OkStatus();
  }
}

class RoomExportTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    room_ = server_.MakeRoom("12");
    hello_ = server_.Say(room_, "@alice:x", "hello")->event_ids[0];
    ASSERT_TRUE(server_
                    .Send(room_, MakeDraft(kTypeTopic, "@alice:x", "",
                                           R"({"topic":"tea"})"))
                    .ok());
    WriteBatch batch;
    batch.PutRow(tables::kAliases,
                 {"#tea:x", OpenReader(server_).Head(room_).nid, "@alice:x"});
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }

  RoomExportOptions Options() {
    RoomExportOptions options;
    options.server_name = "x";
    options.now = {1234};
    options.keys = [this](std::string_view, std::string_view key_id,
                          int64_t) -> std::optional<Ed25519PublicKey> {
      if (key_id != server_.key.key_id()) return std::nullopt;
      return server_.key.public_key();
    };
    return options;
  }
  std::string Export(const RoomExportOptions& options) {
    std::string text;
    const auto result =
        ExportRoom(*store_, room_, options, [&text](std::string_view bytes) {
          text += bytes;
          return OkStatus();
        });
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (result.ok()) result_ = *result;
    return text;
  }

  TestStore store_{GetParam(), RoomSchema()};
  RoomServer server_{*store_};
  std::string room_;
  std::string hello_;
  RoomExportResult result_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RoomExportTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(RoomExportTest, WritesTheWholeRoomOneRecordALine) {
  const std::string text = Export(Options());
  const std::vector<std::string> lines = Lines(text);
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(lines[0], fmt::format(R"({{"matrixcore_room":1,"room_id":"{}",)"
                                  R"("room_version":"12","server":"x",)"
                                  R"("written_ts":1234,"scope":"all"}})",
                                  room_));
  EXPECT_THAT(lines[1],
              StartsWith(R"({"key":{"server":"x","key_id":"ed25519:test",)"));
  EXPECT_THAT(lines[2], HasSubstr("m.room.create"));
  // An event is its stored bytes with more at the end.
  const auto located = OpenReader(server_)->Event(hello_).value();
  std::string json = located->stored.event->json();
  json.pop_back();
  EXPECT_EQ(lines[6], json + R"(,"unsigned":{"event_id":")" + hello_ + "\"}}");
  EXPECT_THAT(lines[8], StartsWith(R"({"forward_extremities":["$)"));
  EXPECT_EQ(lines[9], R"({"alias":"#tea:x","creator":"@alice:x"})");
  const size_t before_end = text.size() - lines[10].size() - 1;
  EXPECT_EQ(lines[10],
            fmt::format(R"({{"end":{{"events":6,"sha256":"{}"}}}})",
                        HexEncode(Sha256(text.substr(0, before_end)))));
  EXPECT_EQ(result_.events, 6u);
  EXPECT_EQ(result_.without_key, 0u);
}

TEST_P(RoomExportTest, ReadsBackWhatItWrote) {
  RoomFileReader reader = ReaderOf(Export(Options()));
  size_t events = 0;
  std::vector<std::string> extremities;
  for (;;) {
    auto record = reader.Next();
    ASSERT_TRUE(record.ok()) << record.status().ToString();
    if (!*record) break;
    if (const auto* event = std::get_if<RoomFileEvent>(&**record)) {
      ++events;
      const auto located =
          OpenReader(server_)->Event(event->event->event_id()).value();
      ASSERT_TRUE(located);
      EXPECT_EQ(event->event->json(), located->stored.event->json());
      EXPECT_EQ(event->flags, 0);
    }
    if (const auto* head = std::get_if<RoomFileHead>(&**record)) {
      extremities = head->extremities;
    }
  }
  EXPECT_EQ(events, 6u);
  EXPECT_EQ(extremities, OpenReader(server_).Head(room_).extremities);
}

TEST_P(RoomExportTest, SinceAnEventGivesTheStateBeforeItAndWhatAuthorises) {
  RoomExportOptions options = Options();
  options.since_event_id = hello_;
  const std::vector<std::string> lines = Lines(Export(options));
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_THAT(lines[0], HasSubstr(R"("scope":"since")"));
  for (size_t i = 2; i < 6; ++i) {
    EXPECT_THAT(lines[i], HasSubstr(R"("outlier":true)"));
  }
  EXPECT_THAT(lines[6], StartsWith(R"({"state_before":")" + hello_ + "\""));
  EXPECT_THAT(lines[7], HasSubstr("hello"));
}

TEST_P(RoomExportTest, StateOnlyGivesTheCurrentStateAndNoMessages) {
  RoomExportOptions options = Options();
  options.state_only = true;
  const std::string text = Export(options);
  EXPECT_THAT(text, HasSubstr(R"("scope":"state")"));
  EXPECT_THAT(text, HasSubstr("tea"));
  EXPECT_THAT(text, Not(HasSubstr("hello")));
  EXPECT_EQ(result_.events, 5u);
  EXPECT_TRUE(ReadAll(text).ok());
}

TEST_P(RoomExportTest, CountsEventsThatTheFileDoesNotProve) {
  RoomExportOptions options = Options();
  options.keys = nullptr;
  EXPECT_THAT(Export(options), Not(HasSubstr("public_key")));
  EXPECT_EQ(result_.without_key, 6u);
}

TEST_P(RoomExportTest, EndsWhenTheSinkFails) {
  const auto result = ExportRoom(*store_, room_, Options(), [](auto) {
    return Status(StatusCode::kUnavailable, "disk full");
  });
  EXPECT_EQ(result.status().message(), "disk full");
  EXPECT_EQ(
      ExportRoom(*store_, "!none:x", Options(), [](auto) { return OkStatus(); })
          .status()
          .code(),
      StatusCode::kNotFound);
}

TEST_P(RoomExportTest, ATornFileIsRefused) {
  const std::string text = Export(Options());
  EXPECT_TRUE(ReadAll(text).ok());
  for (size_t size = 0; size < text.size(); ++size) {
    const Status status = ReadAll(text.substr(0, size));
    ASSERT_EQ(status.code(), StatusCode::kDataLoss) << size;
  }
}

TEST_P(RoomExportTest, AChangedFileIsRefused) {
  const std::string text = Export(Options());
  std::string renamed = text;
  renamed.replace(renamed.find("#tea:x"), 6, "#tee:x");
  EXPECT_THAT(ReadAll(renamed).message(),
              HasSubstr("line 11: the SHA-256 of the lines before"));
  std::string forged = text;
  forged.replace(forged.find("@alice:x"), 8, "@alicf:x");
  EXPECT_THAT(ReadAll(forged).message(), HasSubstr("it was changed"));
  std::string shorter = text;
  const size_t line = shorter.find('\n', shorter.find("hello"));
  shorter.erase(shorter.rfind('\n', line - 1),
                line - shorter.rfind('\n', line - 1));
  EXPECT_THAT(ReadAll(shorter).message(),
              HasSubstr("says that it has 6 events, but has 5"));
  EXPECT_THAT(ReadAll(text + "{}\n").message(),
              HasSubstr("a line stands after the end record"));
}

TEST(RoomFileReader, SaysWhatIsNotARoomFile) {
  EXPECT_THAT(ReadAll("{}\n").message(), HasSubstr("this is no room file"));
  EXPECT_THAT(ReadAll("hello\n").message(), StartsWith("line 1: "));
  EXPECT_THAT(ReadAll("").message(), HasSubstr("no end record"));
  EXPECT_THAT(ReadAll("{\"matrixcore_room\":2}\n").message(),
              HasSubstr("the file has format 2"));
  EXPECT_THAT(
      ReadAll(R"({"matrixcore_room":1,"room_id":"!a","room_version":"99",)"
              R"("server":"x","scope":"all"})"
              "\n")
          .message(),
      HasSubstr("unknown room version 99"));
}

}  // namespace
}  // namespace matrixcore
