// What the RoomWriter keeps of a room between commits, and the work of putting
// requests into one batch.  For the room floor only.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/room/room_writer.h"
#include "room/policy_round.h"
#include "room/relation_work.h"
#include "room/room_caches.h"

namespace matrixcore {

// One room in the writer's memory.  Only the holder of the room's lease touches
// it.  After a failed commit it is thrown away and loaded again.
struct LoadedRoom {
  // A link of the base chain of the current state (see tables::StateSnaps).
  struct Link {
    StateSnap snap = 0;
    uint32_t height = 0;
    std::vector<StateDeltaEntry> delta;
  };

  RoomHead head;                  // With everything in the open batch.
  RoomHead committed;             // What the store has.
  std::vector<EventIdx> current;  // The current state, by key number.
  std::vector<Link> lineage;      // Oldest first; ends at head.state.
  // Whether it has, or had while it was loaded, an m.room.policy.
  bool has_policy = false;
  // Users of a policy server that are joined, with those of the open batch.
  struct ServerMembers {
    std::string server;
    int64_t joined = 0;
  };
  std::optional<ServerMembers> policy_members;
  // Numbers given in the open batch.
  std::map<StateKey, StateKeyNum> new_keys;
  // Events that a view handed out as pointers, by number.
  absl::flat_hash_map<EventIdx, EventPtr> hot;
  std::unique_ptr<RoomExtra> extra;  // The commit observer's.

  static Result<std::unique_ptr<LoadedRoom>> Load(RoomReader& reader,
                                                  RoomHead head);
  // Without the observer's memory.
  std::unique_ptr<LoadedRoom> Clone() const;
  // Memory that the room takes between commits.
  size_t ByteSize() const;
  // Makes `changes` the next state; gives the row of its snapshot: height, base
  // and delta.
  struct NewSnap {
    StateSnap snap = 0;
    StateSnap parent = 0;
    StateSnap base = 0;
    uint32_t height = 0;
    std::string delta;
  };
  NewSnap PushState(const StateDeltaEntry& change);
};

// Builds one batch for one room.
class RoomWork : private RoomAddition {
 public:
  struct Env {
    Store& store;
    RoomCaches& caches;
    const JoinedUsers& joined;
    const Clock& clock;
    Random& random;
    const SigningKey& key;
    const std::string& server_name;
    CommitObserver* observer = nullptr;
  };

  // `room` outlives the work.
  RoomWork(const Env& env, LoadedRoom& room);
  ~RoomWork() override;

  // Reads the answers of earlier transactions, for all requests at once.  Most
  // transactions are new, so a first attempt does without: the batch requires
  // that they are.
  Status LoadTransactions(std::span<const RoomRequest* const> requests);

  // What became of a request: events of the batch by their place in it, or an
  // event that was there before.
  struct Outcome {
    size_t first = 0;
    size_t count = 0;
    std::string existing = {};  // An event id; then count is 0.
    bool repeated = false;
    // What the room's policy server has yet to say: then the batch must not be
    // committed.
    std::vector<PolicyQuestion> questions = {};
  };
  // On failure the batch and the room are as before.
  Result<Outcome> Process(const RoomRequest& request);
  Result<Outcome> ProcessCreate(const CreateRoomRequest& request);

  bool empty() const { return events_.empty() && !head_changed_; }

  using NewEvent = AddedEvent;
  const std::vector<NewEvent>& new_events() const { return events_; }
  struct MemberChange {
    std::string user_id;
    bool local = false;
    bool joined = false;
  };
  const std::vector<MemberChange>& member_changes() const { return members_; }
  const std::vector<EventIdx>& redacted() const { return redacted_; }
  // The stand-in for the number of a room that is being created.
  std::optional<PositionRef> new_room() const { return new_room_; }

  // Lets the observer add its rows.  On failure the room is of no use any more.
  Status AddObserverRows();
  // Completes the batch with the room's head.
  WriteBatch Finish();

 private:
  class View;
  struct Draft;

  // The outcome of a transaction that is known to be a repeat.
  std::optional<Outcome> FindRepeated(const RoomRequest& request) const;
  Result<Outcome> Add(const RoomRequest& request);

  // RoomAddition
  const RoomHead& room() const override { return room_.head; }
  BatchCell room_cell() const override { return RoomCell(); }
  std::span<const AddedEvent> events() const override { return events_; }
  Result<const Event*> StateEvent(std::string_view type,
                                  std::string_view state_key) override {
    return CurrentEvent(type, state_key);
  }
  Result<std::optional<StoredEvent>> FindEvent(
      std::string_view event_id) override {
    return FindEventIn(event_id, {});
  }
  Result<RoomReader*> Reader() override;
  // Null for a room that is being made.
  Result<RoomReader*> StoredRoom();

  // An event of `also`, of the batch, or of the room.
  Result<std::optional<StoredEvent>> FindEventIn(
      std::string_view event_id, std::span<const NewEvent> also);
  Result<const Event*> LoadEvent(EventIdx idx);
  Result<StateKeyNum> FindKey(std::string_view type,
                              std::string_view state_key);
  Result<const Event*> CurrentEvent(std::string_view type,
                                    std::string_view state_key);
  Status AddDraft(const EventDraft& draft, View& view, Draft& work);
  Status AddReferenceHashes(const View& view,
                            const std::vector<AuthEvent>& auth_events,
                            EventPlace& place);
  Status Authorise(const Event& event,
                   const std::vector<AuthEvent>& auth_events, const View& view);
  // Adds the policy server's signature, or the question for it.
  Status AddPolicySignature(const View& view, Draft& work, EventPtr* event);
  Result<int64_t> JoinedUsersOf(std::string_view server, const Draft& work);
  Status FindRedactionTarget(const Event& event, Draft& work);
  Status UpdatePreview(const View& view, Draft& work);
  void SetListed(bool listed);
  void Apply(Draft&& work, const RoomRequest* request);
  void ApplyState(NewEvent& added);
  void ApplyRedaction(Draft& work);
  BatchCell RoomCell() const;

  const Env env_;
  LoadedRoom& room_;
  WriteBatch batch_;
  std::optional<PositionRef> new_room_;
  bool head_changed_ = false;
  std::unique_ptr<Snapshot> snapshot_;
  std::unique_ptr<RoomReader> reader_;
  std::vector<NewEvent> events_;
  std::vector<MemberChange> members_;
  std::vector<EventIdx> redacted_;
  RelationWork relations_;
  // Event id by (user, device, scope, transaction id).
  std::map<std::vector<std::string>, std::string> transactions_;
};

}  // namespace matrixcore
