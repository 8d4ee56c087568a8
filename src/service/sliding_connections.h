// The connections of sliding sync: where each stands, between its requests and
// over restarts.
//
// A connection has the state that its client is known to have, since it came
// back with that state's position, and the one after the newest answer, which
// may have got lost.  When the client comes back with the newer position the
// older state is forgotten; when it repeats the older one, the newer is.
//
// Both are stored, as one full state and a few changes to it, one row each: a
// new row is written whenever an answer changes what the client has been sent,
// and nobody waits for that.  If a crash loses the row, the client begins anew
// (M_UNKNOWN_POS); a restart loses nothing.  In memory lie the states of
// connections that were used lately, within a budget.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/sync.h"
#include "matrixcore/service/tokens.h"
#include "service/sliding_state.h"

namespace matrixcore {

// One connection.  Thread-safe.
class SlidingConnection {
 public:
  // A request: from when it came to its answer.
  struct Turn {
    std::shared_ptr<SlidingConnection> connection;
    SlidingStatePtr base;  // What the client has.
    uint64_t number = 0;
  };

  // What a complete answer was made from: as long as all of it is the same,
  // only rooms in which something happened need to be looked at.
  struct Settled {
    size_t rules = 0;     // A hash of what the client asked for.
    int64_t listing = 0;  // The generation of the user's list of rooms.
    int64_t version = -1;
    friend bool operator==(const Settled&, const Settled&) = default;
  };

  int64_t epoch() const { return epoch_; }
  Settled settled() const;
  // Whether no other request came after it.
  bool IsNewest(const Turn& turn) const;
  // Remembers who waits for an answer; gives the one who did before, whose
  // client does not want it any more.
  std::shared_ptr<SyncService::Ticket> ReplaceWaiting(
      const std::shared_ptr<SyncService::Ticket>& ticket);

 private:
  friend class SlidingConnections;
  // A row: a state as a change to that of another version, or a whole one.
  static constexpr int64_t kWhole = -1;
  struct Stored {
    int64_t version = 0;
    int64_t parent = kWhole;
    size_t bytes = 0;
  };

  const Stored* FindStored(int64_t version) const MC_REQUIRES(mutex_);
  // Memory that the connection takes.
  size_t ByteSize() const;
  // The versions from which that one is made, itself among them.
  std::vector<int64_t> Chain(int64_t version) const MC_REQUIRES(mutex_);

  std::string user_id_, device_id_, conn_id_;
  int64_t epoch_ = 0;
  mutable Mutex mutex_;
  SlidingStatePtr base_ MC_GUARDED_BY(mutex_);
  SlidingStatePtr pending_ MC_GUARDED_BY(mutex_);  // May be null.
  int64_t last_version_ MC_GUARDED_BY(mutex_) = 0;
  uint64_t last_turn_ MC_GUARDED_BY(mutex_) = 0;
  Settled settled_ MC_GUARDED_BY(mutex_);
  std::vector<Stored> stored_ MC_GUARDED_BY(mutex_);
  // A row was not written: next time everything is.
  std::atomic<bool> write_failed_ = false;
  std::weak_ptr<SyncService::Ticket> waiting_ MC_GUARDED_BY(mutex_);
};

// Thread-safe.
class SlidingConnections {
 public:
  // Connections that a device may have; the one that was not used for longest
  // goes.
  static constexpr size_t kMaxOfDevice = 16;

  SlidingConnections(Store& store, const Clock& clock, CacheBudget& budget);

  // Begins a turn: with no token on a connection that begins anew.
  // kInvalidArgument M_UNKNOWN_POS for a position of another connection or one
  // that is not known any more.
  Result<SlidingConnection::Turn> Begin(
      const Session& session, const std::string& conn_id,
      const std::optional<SlidingToken>& token);

  // The turn's answer leaves the client with `next`; null: with the state that
  // it has.  `settled` is without its version.  Gives the version that the
  // answer's position names; nothing when another request came meanwhile, so
  // that the answer must not be given.
  std::optional<int64_t> Finish(const SlidingConnection::Turn& turn,
                                const std::shared_ptr<SlidingState>& next,
                                SlidingConnection::Settled settled);

 private:
  using ConnectionPtr = std::shared_ptr<SlidingConnection>;
  Result<ConnectionPtr> BeginAnew(const Session& session,
                                  const std::string& conn_id);
  Result<ConnectionPtr> Load(const Session& session, const std::string& conn_id,
                             const SlidingToken& token);
  // `held`: the connection, once more, as the one whose mutex is held.
  void Persist(SlidingConnection& held, const ConnectionPtr& connection,
               const SlidingState& base, const SlidingState& next)
      MC_REQUIRES(held.mutex_);

  Store& store_;
  const Clock& clock_;
  LruCache<std::string, ConnectionPtr> connections_;
};

// Removes the connections of a device that is deleted.
void RemoveSlidingConnections(WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id);

}  // namespace matrixcore
