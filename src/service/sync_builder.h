// SyncBuilder: makes one sync answer from one snapshot.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/service/event_filter.h"
#include "matrixcore/service/restored.h"
#include "matrixcore/service/sync.h"
#include "matrixcore/service/to_device.h"
#include "service/event_fields.h"
#include "service/lazy_members.h"
#include "service/sync_block.h"
#include "service/sync_devices.h"
#include "service/sync_rooms.h"
#include "service/sync_writer.h"
#include "service/told_counts.h"

namespace matrixcore {

// A filter in the form that answers are made with.  Immutable.
struct PreparedFilter {
  SyncFilter filter;
  EventFields fields;
  size_t timeline_limit = 10;
};

// What all answers of one server share.
struct SyncShared {
  Store& store;
  const Clock& clock;
  RoomCaches& caches;
  const RoomActivity& activity;
  const EphemeralService& ephemeral;
  const PresenceService* presence;  // May be null.
  UserRooms rooms;
  LazyMembers lazy;
  ToldCounts told_counts;
  LostTimes lost;
};

struct SyncQuery {
  const Session& session;
  const PreparedFilter& filter;
  std::optional<StreamToken> since;
  bool full_state = false;
  bool use_state_after = false;
  // In the place of `since`: a token of a time that was undone.  The client is
  // told everything, as if it came for the first time, and in a way that takes
  // the place of what it has.
  struct Undone {
    StreamToken token;
    Position last_known = 0;  // The newest position before that time.
  };
  std::optional<Undone> undone = std::nullopt;
};

struct SyncAnswer {
  std::string body;
  StreamToken next;
  // Nothing is new: a client that can wait should.
  bool empty = false;
};

// Takes the snapshot and makes the answer.
Result<SyncAnswer> BuildSync(SyncShared& shared, const SyncQuery& query);

// The same for GET /keys/changes; `query` has a `since`.
Result<std::string> BuildKeyChanges(SyncShared& shared, const SyncQuery& query);

// The machinery of BuildSync.  Used once.
class SyncBuilder {
 public:
  // `typing`: what changed, read before the snapshot was taken.
  SyncBuilder(SyncShared& shared, const SyncQuery& query, Snapshot& snapshot,
              TypingNews typing);

  Result<SyncAnswer> Build();
  Result<std::string> BuildKeyChanges();

 private:
  // The rooms that may have news, by section.
  struct Candidates {
    std::vector<UserRoom> join, invite, knock, leave;
  };
  using BlockMaker = Result<std::optional<RoomBlock>> (SyncBuilder::*)(
      const UserRoom& row, RoomHead head);
  using BlockWriter = Status (SyncWriter::*)(const RoomBlock& block);

  bool initial() const { return !query_.since; }
  Position since() const { return query_.since ? query_.since->position : 0; }
  const SyncFilter::Room& room_filter() const { return filter_.room; }

  Status Load();
  Status FindCandidates();
  Result<std::vector<std::optional<RoomHead>>> Heads(
      const std::vector<UserRoom>& rows);

  Status WriteRooms();
  Status WriteBlocks(std::string_view section,
                     const std::vector<UserRoom>& rows, BlockMaker make,
                     BlockWriter write);
  Status WriteStripped(std::string_view section, std::string_view key,
                       const std::vector<UserRoom>& rows);
  void OpenSection(std::string_view section, bool* open);
  Status WritePresence();
  // Of users whom the answer makes the user meet.
  Result<bool> IsNewContact(const std::string& user_id);
  Status ReadToDevice();
  void WriteToDevice();
  Status LookAtDevices(const std::vector<UserRoom>& rows);
  Status WriteKeys();

  Result<std::optional<RoomBlock>> MakeJoined(const UserRoom& row,
                                              RoomHead head);
  Result<std::optional<RoomBlock>> MakeLeft(const UserRoom& row, RoomHead head);
  // The state at `since`, before the timeline's range.
  Result<StateSnap> StateAtSince(const RoomHead& room, const Timeline& timeline,
                                 StateSnap end);
  Result<bool> NameWasRedacted(const RoomHead& room);
  Status AddSummary(RoomBlock& block, StateSnap known, bool newly);
  Status AddState(RoomBlock& block, StateSnap known, StateSnap start,
                  StateSnap end);
  Status AddEphemeral(RoomBlock& block, bool newly);
  Status AddAccountData(RoomBlock& block, bool newly);
  Status AddUnread(RoomBlock& block);
  // With use_state_after, what a left room says of the user's own membership.
  Status AddOwnMembership(RoomBlock& block, EventIdx idx);
  Timeline OwnEvents(const MembershipPast& past) const;

  SyncShared& shared_;
  const SyncQuery& query_;
  const SyncFilter& filter_;
  const std::string& user_id_;
  RoomReader reader_;
  const TypingNews typing_;
  SyncAnswer answer_;
  json::Writer out_;
  SyncWriter writer_;

  UserRooms::List rooms_;
  IgnoredUsers ignored_;
  std::vector<AccountDatum> account_data_;  // By room; global ones first.
  std::vector<ToDeviceMessage> to_device_;
  Candidates candidates_;
  std::optional<DeviceListFinder> devices_;
  std::vector<RoomNid> new_rooms_;        // Joined since the token.
  std::set<std::string> new_neighbours_;  // Joined one of the user's rooms.
  bool rooms_open_ = false;
};

}  // namespace matrixcore
