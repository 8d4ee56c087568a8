#include "service/legacy_news.h"

#include <algorithm>
#include <utility>

#include "service/sync_writer.h"

namespace matrixcore {

void WritePresenceEvent(json::Writer& out, const Presence& user,
                        Timestamp now) {
  out.BeginObject();
  out.Key("content").BeginObject();
  PresenceService::WriteMembers(out, user, now);
  out.Field("user_id", user.user_id);
  out.EndObject();
  out.Field("sender", user.user_id);
  out.Field("type", "m.presence");
  out.EndObject();
}

Result<std::vector<RoomNid>> JoinedRoomsOf(RoomReader& reader,
                                           const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader.RoomsOf(user_id));
  std::vector<RoomNid> rooms;
  for (const MembershipRow& row : rows) {
    if (row.membership == Membership::kJoin) rooms.push_back(row.room);
  }
  std::sort(rooms.begin(), rooms.end());
  return rooms;
}

Result<bool> SharesRoom(RoomReader& reader, const std::string& user_id,
                        const std::vector<RoomNid>& rooms) {
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> theirs,
                      JoinedRoomsOf(reader, user_id));
  return std::any_of(theirs.begin(), theirs.end(), [&rooms](RoomNid room) {
    return std::binary_search(rooms.begin(), rooms.end(), room);
  });
}

Status LegacyNews::AddReceipts(const RoomHead& room) {
  MC_ASSIGN_OR_RETURN(std::vector<Receipt> receipts,
                      EphemeralService::ReceiptsSince(
                          reader_.snapshot(), room.nid, after_, user_id_));
  std::erase_if(receipts, [this](const Receipt& receipt) {
    return IsIgnored(ignored_, receipt.user_id);
  });
  if (!receipts.empty()) {
    receipts_.push_back({room.room_id, std::move(receipts)});
  }
  return OkStatus();
}

void LegacyNews::AddTyping(const RoomHead& room) {
  for (const TypingUsers& changed : typing_.changed) {
    if (changed.room != room.nid) continue;
    std::vector<std::string> users = changed.user_ids;
    std::erase_if(users, [this](const std::string& user) {
      return IsIgnored(ignored_, user);
    });
    typists_.push_back({room.room_id, std::move(users)});
  }
}

Status LegacyNews::AddReceiptsOf(const std::vector<RoomNid>& rooms) {
  MC_ASSIGN_OR_RETURN(const auto heads, reader_.Heads(rooms));
  for (const std::optional<RoomHead>& head : heads) {
    if (!head) continue;
    AddTyping(*head);
    MC_RETURN_IF_ERROR(AddReceipts(*head));
  }
  return OkStatus();
}

Status LegacyNews::AddOwnReceipts() {
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> rooms,
                      JoinedRoomsOf(reader_, user_id_));
  return AddReceiptsOf(rooms);
}

Status LegacyNews::AddOwn() {
  MC_ASSIGN_OR_RETURN(account_data_,
                      ReadAccountData(reader_.snapshot(), user_id_, after_));
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> rooms,
                      JoinedRoomsOf(reader_, user_id_));
  MC_RETURN_IF_ERROR(AddReceiptsOf(rooms));
  MC_ASSIGN_OR_RETURN(std::vector<Presence> users,
                      presence_.Since(reader_.snapshot(), after_));
  for (Presence& user : users) {
    bool told = user.user_id == user_id_;
    if (!told) {
      MC_ASSIGN_OR_RETURN(told, SharesRoom(reader_, user.user_id, rooms));
    }
    if (told) presence_users_.push_back(std::move(user));
  }
  return OkStatus();
}

Status LegacyNews::AddRoom(const RoomHead& room) {
  AddTyping(room);
  MC_RETURN_IF_ERROR(AddReceipts(room));
  MC_ASSIGN_OR_RETURN(std::vector<Presence> users,
                      presence_.Since(reader_.snapshot(), after_));
  for (Presence& user : users) {
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader_.MembershipOf(user.user_id, room.nid));
    if (row && row->membership == Membership::kJoin) {
      presence_users_.push_back(std::move(user));
    }
  }
  return OkStatus();
}

void LegacyNews::Write(json::Writer& out, Timestamp now) const {
  for (const AccountDatum& datum : account_data_) {
    out.BeginObject();
    out.RawField("content", datum.content);
    if (!datum.room_id.empty()) out.Field("room_id", datum.room_id);
    out.Field("type", datum.type);
    out.EndObject();
  }
  for (const RoomReceipts& room : receipts_) {
    // One event for each thread, as in /sync.
    const std::span<const Receipt> all = room.receipts;
    for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      while (end < all.size() && all[end].thread_id == all[begin].thread_id) {
        ++end;
      }
      WriteReceiptEvent(out, all.subspan(begin, end - begin), room.room_id);
    }
  }
  for (const RoomTypists& room : typists_) {
    out.BeginObject();
    out.Key("content").BeginObject().Key("user_ids").BeginArray();
    for (const std::string& user : room.user_ids) out.String(user);
    out.EndArray().EndObject();
    out.Field("room_id", room.room_id);
    out.Field("type", "m.typing");
    out.EndObject();
  }
  for (const Presence& user : presence_users_) {
    WritePresenceEvent(out, user, now);
  }
}

}  // namespace matrixcore
