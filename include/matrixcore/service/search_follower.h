// SearchFollower: keeps a full-text index in step with what rooms say.
//
// It follows the log: behind every commit, in the background, it reads the
// events after the position that the index says it has come to, and gives their
// texts to the index together with the position of the last one.  So senders
// never wait for the index, and after a crash (also of the index alone) it goes
// on where the index stands.  Applying an event twice does no harm.
//
// What is indexed (spec: "Server Side Search"): content.body of m.room.message,
// content.name of m.room.name, content.topic and the plain text of m.topic of
// m.room.topic.  An edited message has the text of its newest edit, and the
// edit no document of its own; a redacted one has none.  Nothing of encrypted
// rooms, and nothing is left of a room once it is encrypted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The bits of SearchDocument::field.
enum SearchField : uint32_t {
  kSearchBody = 1,
  kSearchName = 2,
  kSearchTopic = 4,
};

// Thread-safe.
class SearchFollower {
 public:
  struct Deps {
    Store& store;
    RoomCaches& caches;
    SearchIndex& index;
    Executor& background;
    Timers& timers;
    const Clock& clock;
    Logger& log;
    Metrics& metrics;
  };
  explicit SearchFollower(const Deps& deps);
  // Returns when nothing runs any more.
  ~SearchFollower();

  // Something was committed: follows within kDelay.
  void Wake();
  static constexpr Duration kDelay = seconds(1);

  // Follows now, on this thread, by at most `max_events`: a search calls it, so
  // that it finds what its user has just sent.
  Status CatchUp(size_t max_events);

  // No more work in the background.
  void Shutdown();

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
