// Notifier: wakes those who wait for something to happen to a user.
//
// A waiter costs no thread.  The pattern that loses no wake-up:
//
//   const uint64_t seen = notifier.Version();      // first
//   ... take a snapshot, look, find nothing ...
//   notifier.Park(user, Hears::kEverything, seen, deadline, resume);
//                                                  // resumes at once if news
//                                                  // came in between
//
// It may wake someone for nothing, never too few.  Resumptions run on the
// executor, in batches, never inside a call of the Notifier; an executor that
// was shut down drops them.
//
// Memory: about 250 bytes for each parked waiter beside what `resume` holds.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

class Notifier : public RoomListener {
 public:
  enum class Wake { kPublished, kDeadline, kCancelled, kShutdown };
  using Resume = UniqueFunction<void(Wake)>;
  using Id = uint64_t;
  // What is published.  Presence changes often and tells most waiters nothing,
  // so a waiter may be deaf to it.
  enum class News : uint8_t { kPresence, kAnythingElse };
  enum class Hears : uint8_t { kEverything, kAllButPresence };

  // `store` is the one whose news are published; `executor` runs the
  // resumptions.
  Notifier(const Store& store, const JoinedUsers& joined, Executor& executor,
           Timers& timers, const Clock& clock, Metrics& metrics);
  ~Notifier() override;

  // The number of publications so far.
  uint64_t Version() const;

  // Whether nothing that was published for `user_id`, and that `hears` lets
  // through, can have been committed after `since`: then the `seen` to park
  // with.  Nothing when something was,
  // and when that is not known: for positions from before this Notifier, of the
  // future, or long ago.  What is published without a commit (typing) does not
  // count: look for it afterwards.
  std::optional<uint64_t> QuietSince(std::string_view user_id, Hears hears,
                                     Position since) const;
  // Whether news of a room would wake the user.
  bool Concerns(RoomNid room, std::string_view user_id) const;

  // Calls `resume` once, on the executor: when something for `user_id` is or
  // was published after `seen`, at `deadline`, when cancelled, or at Shutdown.
  Id Park(std::string user_id, Hears hears, uint64_t seen,
          MonotonicTime deadline, Resume resume);
  // Resumes the waiter with kCancelled; nothing happens if it was resumed
  // before.
  void Cancel(Id id);

  // Something happened to these users / to all local members of a room.  A room
  // whose members JoinedUsers does not know concerns everybody.  To be called
  // once the thing is visible in a new snapshot.
  void PublishUsers(std::span<const std::string> user_ids,
                    News news = News::kAnythingElse);
  void PublishRoom(RoomNid room, std::span<const std::string> also = {},
                   News news = News::kAnythingElse);
  // Something happened that may concern everybody.
  void PublishAll(News news = News::kAnythingElse);
  void OnCommit(const RoomCommit& commit) override;

  // Resumes everybody and everybody who parks later, with kShutdown.
  void Shutdown();
  size_t parked() const;

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;  // Shared with a timer that is running.
};

// Publishes news of a user to them and to everybody who shares a room.
void PublishToContacts(Store& store, RoomCaches& caches, Notifier& notifier,
                       const std::string& user_id,
                       Notifier::News news = Notifier::News::kAnythingElse);

}  // namespace matrixcore
