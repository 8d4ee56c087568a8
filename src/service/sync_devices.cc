#include "service/sync_devices.h"

#include "matrixcore/event/types.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/keys.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

Result<bool> IsEncrypted(RoomReader& reader, const RoomHead& room,
                         StateSnap snap) {
  MC_ASSIGN_OR_RETURN(const StateKeyNum key,
                      reader.KeyNum(room, kTypeEncryption, ""));
  if (key == 0) return false;
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader.State(room, snap));
  return state->Find(key) != 0;
}

}  // namespace

void WriteDeviceLists(json::Writer& out, const DeviceLists& lists) {
  out.BeginObject().Key("changed").BeginArray();
  for (const std::string& user : lists.changed) out.String(user);
  out.EndArray().Key("left").BeginArray();
  for (const std::string& user : lists.left) out.String(user);
  out.EndArray().EndObject();
}

Status WriteKeyCounts(json::Writer& out, Snapshot& snapshot,
                      const Session& session) {
  MC_ASSIGN_OR_RETURN(const KeyService::Counts counts,
                      KeyService::OneTimeKeyCounts(snapshot, session.user_id,
                                                   session.device_id));
  out.Key("device_one_time_keys_count").BeginObject();
  for (const auto& [algorithm, count] : counts) out.Field(algorithm, count);
  out.EndObject();
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> unused,
                      KeyService::UnusedFallbackAlgorithms(
                          snapshot, session.user_id, session.device_id));
  out.Key("device_unused_fallback_key_types").BeginArray();
  for (const std::string& algorithm : unused) out.String(algorithm);
  out.EndArray();
  return OkStatus();
}

Status DeviceListFinder::Entered(const RoomHead& room) {
  MC_ASSIGN_OR_RETURN(const bool encrypted,
                      IsEncrypted(reader_, room, room.state));
  return encrypted ? AddAllMembers(room, &met_) : OkStatus();
}

Status DeviceListFinder::Stayed(const RoomHead& room, StateSnap from,
                                StateSnap to,
                                const std::vector<MemberChange>& changes) {
  MC_ASSIGN_OR_RETURN(const bool encrypted, IsEncrypted(reader_, room, to));
  if (!encrypted) return OkStatus();
  MC_ASSIGN_OR_RETURN(const bool before, IsEncrypted(reader_, room, from));
  if (!before) MC_RETURN_IF_ERROR(AddAllMembers(room, &met_));
  for (const MemberChange& change : changes) {
    if (change.after == Membership::kJoin) {
      met_.insert(change.user_id);
    } else if (change.before == Membership::kJoin) {
      lost_.insert(change.user_id);
    }
  }
  return OkStatus();
}

Status DeviceListFinder::Left(const RoomHead& room, StateSnap end) {
  MC_ASSIGN_OR_RETURN(const bool encrypted, IsEncrypted(reader_, room, end));
  if (!encrypted) return OkStatus();
  MC_RETURN_IF_ERROR(AddAllMembers(room, &lost_));
  // Others may have gone since, or are invited again.
  for (const Membership gone : {Membership::kLeave, Membership::kBan,
                                Membership::kInvite, Membership::kKnock}) {
    MC_ASSIGN_OR_RETURN(std::vector<MembershipRow> members,
                        reader_.Members(room.nid, gone));
    for (MembershipRow& member : members) {
      if (member.pos > since_) lost_.insert(std::move(member.user_id));
    }
  }
  lost_.erase(user_id_);
  return OkStatus();
}

Status DeviceListFinder::LookAt(const UserRoom& row, const RoomHead& room) {
  const bool joined = row.membership == Membership::kJoin;
  if (!joined || row.pos > since_) {
    MC_ASSIGN_OR_RETURN(const MembershipPast past,
                        ReadMembershipPast(reader_, room, row.idx, since_));
    if (!joined) {
      const bool was_in =
          past.at_since == Membership::kJoin || past.joined_since;
      return was_in && past.left ? Left(room, past.left->after) : OkStatus();
    }
    if (past.at_since != Membership::kJoin) return Entered(room);
  }
  MC_ASSIGN_OR_RETURN(const StateSnap known,
                      reader_.StateAtPosition(room, since_));
  if (known == room.state) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<MemberChange> changes,
                      ReadMemberChanges(reader_, room, known, room.state));
  return Stayed(room, known, room.state, changes);
}

Result<DeviceLists> DeviceListFinder::Find() {
  DeviceLists lists;
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> updated,
                      ReadDeviceListChanges(reader_.snapshot(), since_));
  lists.changed = std::move(met_);
  lists.changed.erase(user_id_);
  for (const std::string& user : updated) {
    MC_ASSIGN_OR_RETURN(const bool shares, SharesRoom(user));
    if (shares) lists.changed.insert(user);
  }
  // Spec: "Cross-signing": what the user has signed, which others do not see.
  MC_ASSIGN_OR_RETURN(
      std::vector<std::string> signed_users,
      CrossSigningService::OwnChanges(reader_.snapshot(), user_id_, since_));
  for (std::string& user : signed_users) lists.changed.insert(std::move(user));
  for (const std::string& user : lost_) {
    MC_ASSIGN_OR_RETURN(const bool shares, SharesEncryptedRoom(user));
    if (!shares) lists.left.insert(user);
  }
  return lists;
}

Result<std::vector<RoomNid>> DeviceListFinder::CommonRooms(
    std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> theirs,
                      reader_.RoomsOf(user_id));
  std::vector<RoomNid> common;
  for (const MembershipRow& row : theirs) {
    if (row.membership != Membership::kJoin) continue;
    const UserRoom* mine = FindRoom(*rooms_, row.room);
    if (mine != nullptr && mine->membership == Membership::kJoin) {
      common.push_back(row.room);
    }
  }
  return common;
}

Result<bool> DeviceListFinder::SharesEncryptedRoom(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> common, CommonRooms(user_id));
  for (const RoomNid nid : common) {
    auto known = encrypted_.find(nid);
    if (known == encrypted_.end()) {
      MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> room,
                          reader_.Head(nid));
      bool encrypted = false;
      if (room) {
        MC_ASSIGN_OR_RETURN(encrypted,
                            IsEncrypted(reader_, *room, room->state));
      }
      known = encrypted_.emplace(nid, encrypted).first;
    }
    if (known->second) return true;
  }
  return false;
}

Result<bool> DeviceListFinder::SharesRoom(std::string_view user_id) {
  if (user_id == user_id_) return true;
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> common, CommonRooms(user_id));
  return !common.empty();
}

Status DeviceListFinder::AddAllMembers(const RoomHead& room,
                                       std::set<std::string>* users) {
  MC_ASSIGN_OR_RETURN(std::vector<MembershipRow> members,
                      reader_.Members(room.nid, Membership::kJoin));
  for (MembershipRow& member : members) {
    users->insert(std::move(member.user_id));
  }
  return OkStatus();
}

}  // namespace matrixcore
