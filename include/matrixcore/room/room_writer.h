// RoomWriter: the only way into a room.
//
// Requests for a room queue behind its lease.  Whoever holds the lease drains
// the queue: each request's events are built, authorised against the state
// before them, hashed and signed; all of them go to the store in one batch, one
// commit; then each request is answered.  A request is answered only after its
// events are durable.  The batch requires that the room's generation is
// unchanged, so data stays correct even if a lease is lost; the writer then
// reads the room again and retries.
//
// No network or disk is waited for under the room's mutex.  Lock order: lease,
// then store.
//
// In a room with a policy server (spec: server-server API, "Policy Servers")
// the events are built, shown to that server while the room's other requests
// wait and nobody holds the lease, then built again with its signatures.  An
// event that it does not sign is not sent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/base/executor.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/event/event.h"
#include "matrixcore/room/commit_observer.h"
#include "matrixcore/room/policy_signer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The room as a request finds it: the state with every event before it in the
// queue applied.  Valid during RoomRequest::prepare only.
class RoomView : public StateSource {
 public:
  virtual const std::string& room_id() const = 0;
  virtual const RoomVersionRules& rules() const = 0;
  // StateSource::Find: the current state event, loaded as needed; null when
  // absent or unreadable (the request then fails with the store's error). The
  // membership of a user now.
  virtual Membership MembershipOf(std::string_view user_id) const = 0;
  // Local users that are joined and for whom `wanted` says true; the first
  // such.
  virtual std::optional<std::string> FindJoinedLocal(
      const std::function<bool(std::string_view user_id)>& wanted) const = 0;
  // The event with that id if this room has it, also one earlier in the queue.
  virtual Result<std::optional<StoredEvent>> FindEvent(
      std::string_view event_id) const = 0;
  // Whether `sender` has annotated an event with that type and key, in events
  // that were not redacted.
  virtual Result<bool> HasAnnotation(std::string_view target,
                                     std::string_view sender,
                                     std::string_view type,
                                     std::string_view key) const = 0;
};

// An event that a request brought into the room (or found there: see
// `existing`).
struct SentEvent {
  EventPtr event;
  Position pos = 0;
  EventIdx idx = 0;
};

// Scope and id of a transaction (spec: "Transaction identifiers").
struct TransactionKey {
  std::string device_id;
  std::string scope;  // The request's path without the transaction id.
  std::string txn_id;
};

// What the room's policy server said of the events of a request.  Kept by the
// writer between asking and sending; of no interest to others.
struct PolicyTurn {
  struct Answer {
    EventPtr event = {};      // As it was shown.
    std::string server = {};  // "" when nobody had to be asked.
    Ed25519Signature signature = {};
  };
  int rounds = 0;
  std::vector<Answer> answers = {};  // In the order of the request's events.
};

// What a request puts in the room: drafts in order, all of them or none.
struct RoomChange {
  std::vector<EventDraft> drafts;
  // Nothing to send: answer with this event of the room instead.
  std::string existing_event_id;
  // Sets whether the room stands in the directory.
  std::optional<bool> listed;
  // Further rows that become durable together with the events.  Called once the
  // batch has the events; `first` is the position of the first draft.
  std::function<void(WriteBatch& batch, PositionRef first)> also;
};

struct RoomRequest {
  std::string room_id;
  // The local user who asks; the sender of a transaction.
  std::string user_id;
  std::optional<TransactionKey> txn;
  // Looks at the room and says what to send, or why not.  Runs under the room's
  // lease, on one of the writer's threads, possibly more than once (after a
  // lost race); so it must not block and must not have effects of its own.
  std::function<Result<RoomChange>(const RoomView& room)> prepare;
  // Called once.  The events in the order of the drafts; a repeated transaction
  // gives the events of the first time (only their id is certain to be known).
  // Errors: kNotFound without an errcode (no such room), kPermissionDenied
  // M_FORBIDDEN (auth rules; the message names the rule), what prepare or
  // BuildEvent said, what the room's policy server said, kResourceExhausted
  // (queue full), kUnavailable.
  struct Answer {
    std::vector<std::string> event_ids;
    std::vector<SentEvent> events;  // Empty for a repeat or an existing event.
    Position position = 0;          // The log position that contains them.
    bool repeated = false;
  };
  UniqueFunction<void(Result<Answer>)> done;

  PolicyTurn policy = {};
};

// A room to be made: its create event and all that belongs to it, in one
// commit.
struct CreateRoomRequest {
  const RoomVersionRules* rules = nullptr;
  std::string creator;
  // Before version 12, where the id is not the create event's hash.
  std::string room_id;
  // The first one is the create event.
  std::vector<EventDraft> drafts;
  bool listed = false;
  // Like RoomChange::also; `room` stands for the new room's nid.
  std::function<void(WriteBatch& batch, PositionRef room,
                     const std::string& room_id)>
      also;
  UniqueFunction<void(Result<RoomRequest::Answer>, std::string room_id)> done;

  PolicyTurn policy = {};
};

// What was committed to a room, for those who tell clients and servers.
struct RoomCommit {
  RoomNid room = 0;
  std::string room_id;
  std::vector<SentEvent> events;
  Position position = 0;
  // Local users whose membership these events changed.
  std::vector<std::string> members_changed;
};

// Hears of every commit, in order for one room, after it is durable and visible
// and before the requests are answered.  Called on the store's thread: short.
class RoomListener {
 public:
  virtual ~RoomListener() = default;
  virtual void OnCommit(const RoomCommit& commit) = 0;
};

// Which rooms may have changed since a position: lets a reader skip the others
// without reading them.  Thread-safe.
class RoomActivity {
 public:
  // `start` is the store's last position when the server started.
  explicit RoomActivity(Position start);
  ~RoomActivity();
  // A commit to the room is under way: until Committed or Failed the room may
  // have changed since any position.
  void Pending(RoomNid room);
  void Committed(RoomNid room, Position pos);
  void Failed(RoomNid room);
  // False only if nothing in the room (events, receipts) changed after `since`
  // as far as any snapshot taken before this call can see.
  bool MayHaveChangedSince(RoomNid room, Position since) const;
  // Those rooms, in no order, without a look at each of a user's: nothing when
  // that is not known, for positions before the start or long ago.  A room that
  // was being created when the snapshot was taken may be missing; its members'
  // rows are as new as the room.
  std::optional<std::vector<RoomNid>> ChangedSince(Position since) const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// Local users that are joined to rooms, for whoever wakes them.  Loaded with
// the room, kept by its writer.  Thread-safe.
class JoinedUsers {
 public:
  // The names count as part of the budget, which makes the caches smaller;
  // null: they do not.
  explicit JoinedUsers(CacheBudget* budget = nullptr);
  ~JoinedUsers();
  bool Contains(RoomNid room, std::string_view user_id) const;
  size_t Count(RoomNid room) const;
  // Calls `visit` for each; under a lock: short, must not call back.
  void ForEach(
      RoomNid room,
      const std::function<void(std::string_view user_id)>& visit) const;
  bool Loaded(RoomNid room) const;
  void Load(RoomNid room, std::vector<std::string> users);
  void Set(RoomNid room, std::string_view user_id, bool joined);

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// Thread-safe.
class RoomWriter {
 public:
  struct Options {
    std::string server_name;
    size_t max_queued_per_room = 1000;
    // Requests drained into one commit at most.
    size_t max_batch = 128;
    // How long the answer to a transaction id is remembered.  Looked after
    // while requests come in, at most once an hour; an idle server does
    // nothing.
    Duration transaction_life = std::chrono::hours(7 * 24);
  };
  struct Deps {
    Store& store;
    Coordinator& coordinator;
    Executor& executor;  // Runs the draining; PostAdmitted is used.
    const Clock& clock;
    Random& random;
    const SigningKey& signing_key;
    RoomCaches& caches;
    RoomActivity& activity;
    JoinedUsers& joined;
    RoomListener& listener;
    Logger& log;
    Metrics& metrics;
    CommitObserver* observer = nullptr;
    // Null: nobody can be asked, and rooms with a policy server take no events.
    PolicySigner* policy = nullptr;
  };
  RoomWriter(const Options& options, const Deps& deps);
  ~RoomWriter();

  // Queues the request; `done` is called once, possibly before Send returns.
  void Send(RoomRequest request);
  void Create(CreateRoomRequest request);

  // The same, waiting; not on the writer's executor nor in a `done`.
  Result<RoomRequest::Answer> SendAndWait(RoomRequest request);
  struct Created {
    std::string room_id;
    RoomRequest::Answer answer;
  };
  Result<Created> CreateAndWait(CreateRoomRequest request);

  // Brings the room and its JoinedUsers into memory, for someone who publishes
  // to its members without writing an event.
  void EnsureLoaded(const std::string& room_id,
                    UniqueFunction<void(Status)> done);

  // Refuses new requests, returns when all queued ones are answered.
  void Drain();

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
