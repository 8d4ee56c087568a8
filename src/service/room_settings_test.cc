#include "service/room_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/backends/memory.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RoomSettingsTest : public ::testing::Test {
 protected:
  RoomSettingsTest() {
    Schema schema;
    schema.version = tables::kSchemaVersion;
    schema.tables = tables::AccountTables();
    store_ = NewMemoryStore(schema);
  }
  ~RoomSettingsTest() override { store_->Close(); }

  void Put(std::string_view room, std::string_view type, std::string content) {
    WriteBatch batch;
    AccountDataService::AddRow(batch, "@a:x", room, type, std::move(content));
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  std::vector<RoomSetting> Settings() {
    const auto snapshot = store_->NewSnapshot();
    return SettingsForReplacement(**snapshot, "@a:x", "!old:x", "!new:x")
        .value();
  }

  std::unique_ptr<Store> store_;
};

TEST_F(RoomSettingsTest, WithoutSettingsThereIsNothingToDo) {
  EXPECT_THAT(Settings(), IsEmpty());
  Put("", "m.direct", R"({"@b:x":["!other:x"]})");
  Put("", "m.push_rules", R"({"global":{"room":[{"rule_id":"!other:x"}]}})");
  EXPECT_THAT(Settings(), IsEmpty());
}

TEST_F(RoomSettingsTest, TagsAreTakenOverUnlessThereAreSome) {
  Put("!old:x", "m.tag", R"({"tags":{"u.a":{}}})");
  EXPECT_THAT(Settings(), ElementsAre(RoomSetting{"!new:x", "m.tag",
                                                  R"({"tags":{"u.a":{}}})"}));
  Put("!new:x", "m.tag", R"({"tags":{}})");
  EXPECT_THAT(Settings(), IsEmpty());
}

TEST_F(RoomSettingsTest, DirectChatsGetTheNewRoomOnce) {
  Put("", "m.direct", R"({"@b:x":["!old:x"],"@c:x":["!c:x"],"bad":7})");
  EXPECT_THAT(Settings(),
              ElementsAre(RoomSetting{
                  "", "m.direct",
                  R"({"@b:x":["!old:x","!new:x"],"@c:x":["!c:x"],"bad":7})"}));
  Put("", "m.direct", R"({"@b:x":["!old:x","!new:x"]})");
  EXPECT_THAT(Settings(), IsEmpty());
}

TEST_F(RoomSettingsTest, PushRulesOfTheRoomAreCopiedWithTheirConditions) {
  Put("", "m.push_rules",
      R"({"global":{"override":[{"actions":[],"conditions":[)"
      R"({"key":"room_id","kind":"event_match","pattern":"!old:x"}],)"
      R"("rule_id":"!old:x"}],"room":[{"actions":["notify"],)"
      R"("rule_id":"!old:x"}],"sender":[]}})");
  EXPECT_THAT(
      Settings(),
      ElementsAre(RoomSetting{
          "", "m.push_rules",
          R"({"global":{"override":[{"actions":[],"conditions":[)"
          R"({"key":"room_id","kind":"event_match","pattern":"!old:x"}],)"
          R"("rule_id":"!old:x"},{"actions":[],"conditions":[)"
          R"({"key":"room_id","kind":"event_match","pattern":"!new:x"}],)"
          R"("rule_id":"!new:x"}],"room":[{"actions":["notify"],)"
          R"("rule_id":"!old:x"},{"actions":["notify"],)"
          R"("rule_id":"!new:x"}],"sender":[]}})"}));
}

}  // namespace
}  // namespace matrixcore
