// What /events and the initial syncs tell beside the events of rooms: receipts,
// typing, account data, presence.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/presence.h"
#include "service/sync_account.h"

namespace matrixcore {

// Of one user, at one snapshot, after a position.
class LegacyNews {
 public:
  LegacyNews(RoomReader& reader, const PresenceService& presence,
             const std::string& user_id, const IgnoredUsers& ignored,
             Position after, TypingNews typing = {})
      : reader_(reader),
        presence_(presence),
        user_id_(user_id),
        ignored_(ignored),
        after_(after),
        typing_(std::move(typing)) {}

  // Of the rooms that the user is joined to, of those in them, and the user's
  // own account data.
  Status AddOwn();
  // Of one room and of those in it.
  Status AddRoom(const RoomHead& room);
  // Only the receipts of those rooms.
  Status AddOwnReceipts();
  Status AddReceipts(const RoomHead& room);

  bool empty() const {
    return receipts_.empty() && typists_.empty() && account_data_.empty() &&
           presence_users_.empty();
  }
  // As elements of an array.
  void Write(json::Writer& out, Timestamp now) const;

 private:
  struct RoomReceipts {
    std::string room_id;
    std::vector<Receipt> receipts;
  };
  struct RoomTypists {
    std::string room_id;
    std::vector<std::string> user_ids;
  };
  Status AddReceiptsOf(const std::vector<RoomNid>& rooms);
  void AddTyping(const RoomHead& room);

  RoomReader& reader_;
  const PresenceService& presence_;
  const std::string& user_id_;
  const IgnoredUsers& ignored_;
  const Position after_;
  const TypingNews typing_;
  std::vector<RoomTypists> typists_;
  std::vector<RoomReceipts> receipts_;
  std::vector<AccountDatum> account_data_;
  std::vector<Presence> presence_users_;
};

// An m.presence event; its content names the user, as it did when these
// endpoints were new.
void WritePresenceEvent(json::Writer& out, const Presence& user, Timestamp now);

// Whether two users are joined to a room, one of `rooms`, which are sorted.
Result<bool> SharesRoom(RoomReader& reader, const std::string& user_id,
                        const std::vector<RoomNid>& rooms);
// The rooms that somebody is joined to, sorted.
Result<std::vector<RoomNid>> JoinedRoomsOf(RoomReader& reader,
                                           const std::string& user_id);

}  // namespace matrixcore
