// SearchService: POST /search (spec: client-server API, "Server Side Search").
//
// The index finds candidates; what a user gets is decided by the events
// themselves: membership, history visibility, ignored users and the filter.
// Waits for the store and the index.  Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/event_filter.h"
#include "matrixcore/service/search_follower.h"

namespace matrixcore {

// How much of a result's surroundings an answer gives.
struct SearchContext {
  size_t before = 5;
  size_t after = 5;
  bool include_profile = false;
};

class SearchService {
 public:
  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
    SearchIndex& index;
    SearchFollower& follower;
  };
  explicit SearchService(const Deps& deps) : deps_(deps) {}

  // The category room_events, field by field.
  struct Query {
    std::string term;
    uint32_t fields = kSearchBody | kSearchName | kSearchTopic;
    // `rooms` also stands for the rooms that they were upgraded from.
    RoomEventFilter filter;
    bool by_rank = true;
    std::optional<SearchContext> context;
    bool include_state = false;
    bool group_by_room = false;
    bool group_by_sender = false;
    std::optional<std::string> next_batch;
  };
  static constexpr size_t kDefaultPage = 10;
  static constexpr size_t kMaxPage = 100;
  static constexpr size_t kMaxContext = 50;
  // A search considers the newest so many texts with its words; `count` and the
  // ranking are about those.
  static constexpr size_t kMaxCandidates = 1000;

  // The value of search_categories.room_events of the answer.  M_INVALID_PARAM
  // for a next_batch that is none of ours.
  Result<std::string> RoomEvents(const Session& session, const Query& query);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
