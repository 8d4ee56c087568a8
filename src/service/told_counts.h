// ToldCounts: what unread counts a device was told of a room, and when, so that
// a change of nothing (a user reads the own message) is no news.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/unread.h"

namespace matrixcore {

// Thread-safe.  Forgets what was not used for longest; then counts are told
// again.
class ToldCounts {
 public:
  explicit ToldCounts(CacheBudget& budget)
      : told_(budget, "told_counts", kShare, BytesOf) {}

  // An answer as of `now` brings these counts.
  void Note(const Session& session, RoomNid room, Position now,
            const Unread& unread) {
    std::string key = Key(session, room);
    // A client may sync in two loops: what both were told counts from the first
    // time on.
    if (Had(session, room, now, unread)) return;
    told_.Put(key, std::make_shared<const Told>(
                       Told{now, unread.main, unread.threads}));
  }
  // Whether the device had these same counts at `since`.  Of answers that got
  // lost nothing counts: their `now` lies after the token that is used again.
  bool Had(const Session& session, RoomNid room, Position since,
           const Unread& unread) {
    const auto told = told_.Get(Key(session, room));
    return told && (*told)->at <= since && (*told)->main == unread.main &&
           (*told)->threads == unread.threads;
  }

 private:
  struct Told {
    Position at = 0;
    UnreadCount main;
    std::vector<std::pair<std::string, UnreadCount>> threads;
  };
  // Of the budget of all caches.
  static constexpr uint32_t kShare = 3;
  static size_t BytesOf(const std::shared_ptr<const Told>& told) {
    size_t bytes = SharedBlock<Told>() +
                   HeapBlock(told->threads.capacity() *
                             sizeof(std::pair<std::string, UnreadCount>));
    for (const auto& [root, count] : told->threads) bytes += HeapBytes(root);
    return bytes;
  }

  static std::string Key(const Session& session, RoomNid room) {
    std::string key = session.user_id;
    key.push_back('\0');
    key.append(session.device_id);
    key.push_back('\0');
    key.append(std::to_string(room));
    return key;
  }

  LruCache<std::string, std::shared_ptr<const Told>> told_;
};

}  // namespace matrixcore
