// One room of a sliding sync answer (MSC4186, "Room results").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/sliding_sync.h"
#include "matrixcore/service/unread.h"
#include "service/lazy_members.h"
#include "service/sliding_config.h"
#include "service/sliding_lists.h"
#include "service/sliding_state.h"
#include "service/sync_timeline.h"

namespace matrixcore {

// What is told of a room.  A value.
struct SlidingRoom {
  RoomHead head;
  Membership membership = Membership::kNone;
  std::vector<std::string_view> lists;  // Those in whose window it is.
  // Everything is told, not what is new.
  bool initial = false;
  bool membership_changed = false;
  Position bump_stamp = 0;  // 0: as before.
  std::optional<bool> is_dm;

  // Of rooms that the user is not and was not in: the stripped state there, or
  // (0) no more than the own member event.
  std::optional<StateSnap> stripped;
  StoredEvent member;  // Of those and of rooms that the user left.

  // Of the others.  A name or an avatar of "" was removed.
  std::optional<std::string> name, avatar;
  struct Hero {
    std::string user_id, displayname, avatar_url;
  };
  std::optional<std::vector<Hero>> heroes;
  struct Counts {
    int64_t joined = 0, invited = 0;
  };
  std::optional<Counts> counts;
  std::optional<UnreadCount> unread;
  std::vector<StoredEvent> required_state;
  std::vector<StateKey> deleted_state;
  Timeline timeline;
  size_t num_live = 0;
  bool expanded_timeline = false;

  bool empty() const {
    return !initial && !membership_changed && bump_stamp == 0 && !is_dm &&
           !name && !avatar && !heroes && !counts && !unread &&
           required_state.empty() && deleted_state.empty() &&
           timeline.events.empty() && !timeline.limited && !expanded_timeline;
  }
};

// Where rooms last had activity that counts for their place in a client's list:
// messages and what is like them.  Remembers what it found.  Thread-safe.
class BumpStamps {
 public:
  explicit BumpStamps(CacheBudget& budget)
      : known_(budget, "bump_stamps", kShare, &Stamps::Weightless) {}
  Result<Position> Find(RoomReader& reader, const RoomHead& room);

 private:
  struct Known {
    Position upto = 0, bump = 0;
  };
  using Stamps = LruCache<RoomNid, Known>;
  static constexpr uint32_t kShare = 1;  // Of the budget of all caches.
  Stamps known_;
};

// Makes rooms of one answer, at one snapshot.  Not thread-safe; the references
// outlive it.
class SlidingRoomMaker {
 public:
  struct Query {
    SlidingForm form = SlidingForm::kMsc4186;
    // With the connection's name in place of the device, for lazy-loading.
    const Session& lazy_session;
    const StreamToken& lazy_token;  // Of the answer.
    const std::string& user_id;
    const IgnoredUsers& ignored;
    Position since = 0;  // Of the client's position; 0 in its first request.
    const SlidingState& base;
  };
  SlidingRoomMaker(const Query& query, RoomReader& reader, LazyMembers& lazy,
                   BumpStamps& bumps)
      : query_(query), reader_(reader), lazy_(lazy), bumps_(bumps) {}

  // What to tell of a room, and what its client has then; `sent` keeps the
  // flags of extensions.  `before`: what it has now, null if nothing.  Nothing
  // for a room that must not be told of.
  struct Made {
    SlidingRoom room;
    SentRoom sent;
    // From where on things are new; 0 for a room that is told of anew.
    Position from = 0;
  };
  Result<std::optional<Made>> Make(const ListedRoom& listed, RoomHead head,
                                   const SentRoom* before,
                                   const CombinedConfig& config,
                                   uint16_t config_number);

 private:
  struct Work;
  Status MakeJoined(Work& work);
  Status MakeLeft(Work& work);
  Status MakeStripped(Work& work, bool whole);
  Status AddState(Work& work, StateSnap known, StateSnap end);
  Status AddExpandedState(Work& work, StateSnap end);
  Status AddLazyMembers(Work& work, StateSnap end);
  Status AddDeletedState(Work& work, StateSnap known, StateSnap end);
  Status AddNames(Work& work, StateSnap known, StateSnap end);
  Status AddHeroes(Work& work, StateSnap end);
  Result<bool> NamesWereRedacted(Work& work, StateSnap end);
  Result<StateSnap> Known(const Work& work, StateSnap end);
  void CountLive(Work& work) const;

  const Query query_;
  RoomReader& reader_;
  LazyMembers& lazy_;
  BumpStamps& bumps_;
};

}  // namespace matrixcore
