// For the tests of sliding sync: requests in few words, and answers read by
// path.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/service/sliding_sync.h"
#include "service/sync_world.h"

namespace matrixcore {

// An answer, or what went wrong.
struct Slid {
  Answer answer = {};
  Status status = {};

  std::string pos() const {
    return std::string(answer.At({"pos"}).StringOr(""));
  }
  json::Value Room(std::string_view room) const {
    return answer.At({"rooms", room});
  }
  std::vector<std::string> Rooms() const {
    std::vector<std::string> ids;
    for (const auto [id, room] : answer.At({"rooms"}).members()) {
      ids.emplace_back(id);
    }
    return ids;
  }
  std::vector<std::string> Timeline(std::string_view room) const {
    return Answer::Names(Room(room)["timeline"]);
  }
  std::vector<std::string> State(std::string_view room) const {
    return Answer::Names(Room(room)["required_state"]);
  }
  int64_t Count(std::string_view list) const {
    return answer.At({"lists", list, "count"}).AsInt().value_or(-1);
  }
};

class SlidingTest : public ::testing::Test {
 protected:
  std::unique_ptr<SlidingRequest> Parse(std::string_view user,
                                        std::string_view body,
                                        std::string_view pos,
                                        SlidingForm form) {
    const auto document = json::Document::ParseView(body);
    EXPECT_TRUE(document.ok()) << body;
    Result<SlidingRequest> request =
        ParseSlidingRequest(document->root(), form, SyncWorld::Of(user));
    EXPECT_TRUE(request.ok()) << request.status().ToString();
    if (!request.ok()) return nullptr;
    if (!pos.empty()) request->pos.emplace(pos);
    return std::make_unique<SlidingRequest>(*std::move(request));
  }
  Slid Slide(std::string_view user, std::string_view body,
             std::string_view pos = {},
             SlidingForm form = SlidingForm::kMsc4186) {
    std::optional<Result<std::string>> answer;
    world_.sync.SlidingSync(
        Parse(user, body, pos, form),
        [&answer](Result<std::string> got) { answer.emplace(std::move(got)); });
    EXPECT_TRUE(answer.has_value()) << "the sync waits";
    if (!answer) return {};
    if (!answer->ok()) return {Answer(), answer->status()};
    return {Answer(**answer), OkStatus()};
  }
  // All rooms, with that much of each.
  static std::string All(size_t limit = 10, std::string_view state = "[{}]",
                         std::string_view more = "") {
    return fmt::format(R"({{"lists":{{"all":{{"timeline_limit":{},)"
                       R"("required_state":{{"include":{}}}}}}}{}}})",
                       limit, state, more);
  }
  static std::string Window(size_t first, size_t last, size_t limit = 10) {
    return fmt::format(
        R"({{"lists":{{"w":{{"range":[{},{}],"timeline_limit":{},)"
        R"("required_state":{{}}}}}}}})",
        first, last, limit);
  }

  SyncWorld world_;
};

}  // namespace matrixcore
