// Files of rooms, for the tests of what reads them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/event/signing.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_file.h"

namespace matrixcore {

inline RoomFileReader ReaderOf(std::string text) {
  auto rest = std::make_shared<std::string>(std::move(text));
  return RoomFileReader([rest](char* buffer, size_t size) {
    const size_t take = std::min({size, size_t{10'000}, rest->size()});
    std::copy_n(rest->data(), take, buffer);
    rest->erase(0, take);
    return Result<size_t>(take);
  });
}

// Files of tests/vectors, one of each kind of room version.
inline constexpr std::array kForkedRooms = {
    "genroom/v1-s1/pdus.jsonl",   "genroom/v2-s13/pdus.jsonl",
    "genroom/v3-s13/pdus.jsonl",  "genroom/v6-s13/pdus.jsonl",
    "genroom/v9-s13/pdus.jsonl",  "genroom/v10-s13/pdus.jsonl",
    "genroom/v11-s13/pdus.jsonl", "genroom/v12-s13/pdus.jsonl"};

// Generated rooms with forks, merges and conflicts, from the lines of such a
// file, with signatures that can be verified.
inline std::string ForkedRoomFile(const std::vector<std::string>& lines,
                                  Random& random) {
  const json::Document create = json::Document::Parse(lines[0]).value();
  const RoomVersionRules& rules =
      *FindRoomVersion(create.root()["content"]["room_version"].StringOr("1"));
  std::string text;
  RoomFileWriter writer([&text](std::string_view bytes) {
    text += bytes;
    return OkStatus();
  });
  std::map<std::string, SigningKey> keys;
  std::set<std::string> ends;
  for (const std::string& line : lines) {
    EventPtr event = Event::Parse(line, rules).value();
    if (ends.empty()) {
      EXPECT_TRUE(
          writer
              .Write(RoomFileHeader{
                  .room_id = event->room_id(), .rules = &rules, .server = "y"})
              .ok());
    }
    for (const std::string& server : RequiredSigners(*event)) {
      const auto [key, made] =
          keys.try_emplace(server, SigningKey::Generate(random, "vector"));
      if (made) {
        EXPECT_TRUE(writer
                        .Write(RoomFileKey{server, key->second.key_id(),
                                           key->second.public_key()})
                        .ok());
      }
      event = SignEvent(*event, server, key->second).value();
    }
    for (const std::string& prev : event->prev_events()) ends.erase(prev);
    ends.insert(event->event_id());
    EXPECT_TRUE(writer.Write(RoomFileEvent{.event = event}).ok());
  }
  EXPECT_TRUE(
      writer.Write(RoomFileHead{.extremities = {ends.begin(), ends.end()}})
          .ok());
  EXPECT_TRUE(writer.Finish().ok());
  return text;
}

}  // namespace matrixcore
