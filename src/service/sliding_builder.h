// SlidingBuilder: makes one answer of sliding sync from one snapshot.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/json/writer.h"
#include "matrixcore/service/sliding_sync.h"
#include "service/sliding_config.h"
#include "service/sliding_connections.h"
#include "service/sliding_lists.h"
#include "service/sliding_room.h"
#include "service/sliding_writer.h"
#include "service/sync_builder.h"

namespace matrixcore {

// What all answers of sliding sync share, beside what those of /v3/sync do.
struct SlidingShared {
  SlidingShared(Store& store, const Clock& clock, const RoomActivity& activity,
                CacheBudget& budget)
      : numbers(budget),
        listings(budget, activity, numbers),
        bumps(budget),
        connections(store, clock, budget),
        serials(clock.Now().ms) {}

  RoomNumbers numbers;
  RoomListings listings;
  BumpStamps bumps;
  SlidingConnections connections;
  std::atomic<int64_t> serials;  // Of answers; grows over restarts.
};

// Stands for the connection where /v3/sync has a device: for lazy-loading.
Session LazySessionOf(const SlidingRequest& request);

// A hash of everything that says which rooms a request is about, and how.
size_t RulesOf(const SlidingRequest& request);

struct SlidingQuery {
  const SlidingRequest& request;
  size_t rules = 0;                   // RulesOf(request).
  std::optional<SlidingToken> since;  // Nothing in the first request.
  const SlidingConnection::Turn& turn;
};

struct SlidingAnswer {
  std::string body;
  // Nothing is new: a client that can wait should.
  bool empty = false;
  // If it is empty and not given: from where to look on.
  SlidingToken next;
};

// Takes the snapshot and makes the answer.  An answer that is empty when the
// caller `may_wait` leaves the connection as it is, and has no body.  kAborted
// when another request of the connection came meanwhile; else the errors of the
// store, and kInvalidArgument M_UNKNOWN_POS when the connection has to begin
// anew.
Result<SlidingAnswer> BuildSliding(SyncShared& shared, SlidingShared& sliding,
                                   const SlidingQuery& query, bool may_wait);

// The machinery of BuildSliding.  Used once.
class SlidingBuilder {
 public:
  SlidingBuilder(SyncShared& shared, SlidingShared& sliding,
                 const SlidingQuery& query, Snapshot& snapshot,
                 TypingNews typing);

  Result<SlidingAnswer> Build(bool may_wait);

 private:
  // The lists in whose windows a room is.
  using Windows = std::bitset<SlidingRequest::kMaxLists>;
  // A room that some rule asks for and that may have news.
  struct Wanted {
    ListedRoom listed;
    Windows windows;
    const SlidingSubscription* subscription = nullptr;
    const SentRoom* before = nullptr;
  };
  // One that was looked at.
  struct Looked {
    Wanted wanted;
    std::string room_id;
    SentRoom sent;
    Position from = 0;
    bool initial = false;
    bool expanded = false;
    // Event ids, where the timeline has more than what is new.
    std::vector<std::string> timeline;
  };
  // What is wanted of the rooms that match the same rules.
  struct Config {
    Windows windows;
    const SlidingSubscription* subscription = nullptr;
    CombinedConfig config;
    uint16_t number = 0;
  };

  bool first() const { return !query_.since; }
  Position since() const { return first() ? 0 : query_.since->stream.position; }
  const SlidingState& base() const { return *query_.turn.base; }

  Status Load();
  Status FindChanged();
  bool Changed(RoomNid room) const;
  Status SelectRooms();
  bool KnewRoom(const ListedRoom& room) const;
  std::vector<size_t> PlacesToLookAt() const;
  Result<std::vector<Windows>> PlaceInLists(const std::vector<size_t>& places);
  bool NeedsLook(const Wanted& wanted, const Config& config) const;
  Result<const Config*> ConfigOf(const Wanted& wanted);
  Status LookAtRooms();
  Status LookAt(const Wanted& wanted, const Config& config, RoomHead head);
  // Rooms that the client has and that have news, but are out of its view.
  Status NoteOutOfView();
  Result<bool> HasNews(const ListedRoom& listed, const RoomHead& head);

  // Extensions: sliding_extensions.cc.
  Status WriteExtensions();
  bool InScope(const SlidingExtensions::Scope& scope,
               const Wanted& wanted) const;
  const TypingUsers* TypingChange(RoomNid room) const;
  bool HasAccountData(std::string_view room_id) const;
  Status WriteToDevice();
  Status WriteE2ee();
  Status WriteAccountData();
  Status WriteReceipts();
  Result<std::vector<Receipt>> ReadReceipts(Looked& room);
  Status WriteTyping();
  Status WriteThreadSubscriptions();
  void OpenExtension(std::string_view name);

  // Null when the client is left with what it has.
  std::shared_ptr<SlidingState> NextState();
  std::string Body() const;

  SyncShared& shared_;
  SlidingShared& sliding_;
  const SlidingQuery query_;
  const SlidingRequest& request_;
  const SlidingExtensions& extensions_;
  const std::string& user_id_;
  RoomReader reader_;
  const TypingNews typing_;
  SlidingToken next_;
  StreamToken lazy_token_;
  Session lazy_session_;

  UserRooms::List user_rooms_;
  RoomListings::List listing_;
  IgnoredUsers ignored_;
  std::vector<AccountDatum> account_data_;  // Since the position, by room.
  // Rooms in which something may have happened since; nothing: any may.
  std::optional<std::vector<RoomNid>> active_;
  std::vector<RoomNid> changed_;  // Those and others, sorted.
  // Rooms without news need not be looked at.
  bool settled_ = false;
  bool settles_ = true;         // The next time.
  std::vector<size_t> counts_;  // By list.
  std::vector<Wanted> wanted_;
  std::vector<Wanted> out_of_view_;  // Changed, and the client has them.
  std::deque<Config> configs_;
  std::vector<std::string> config_texts_;  // By number.

  std::vector<Looked> looked_;
  std::vector<SentRoom> sent_;  // Entries that change.
  bool news_ = false;
  std::string rooms_;  // The members of "rooms".
  std::string extensions_out_;
  json::Writer rooms_writer_;
  json::Writer extensions_writer_;
  SlidingWriter writer_;
};

}  // namespace matrixcore
