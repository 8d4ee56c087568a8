// RoomService: making rooms, being in them, and finding them by alias.
//
// Service floor: no HTTP.  Every function is a use case of the client-server
// API; a failure carries the specification's errcode.  All of them wait for the
// store; call them on a lane, not on an event loop.  Those that return a result
// wait for the commit too; those that take a `done` answer when it is durable,
// and no thread waits: a room's policy server or an identity server may take
// its time. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/identity.h"

namespace matrixcore {

// What a member event says of a user.
struct MemberProfile {
  std::optional<std::string> displayname;
  std::optional<std::string> avatar_url;
};
// Reads it from the global profile of a local user; empty for one without.
Result<MemberProfile> ReadMemberProfile(Snapshot& snapshot,
                                        std::string_view user_id);

// POST /createRoom, field by field (spec: "Creation").  JSON values are objects
// or arrays of the request's body; they are read during the call only.
struct NewRoom {
  enum class Preset { kUnset, kPrivateChat, kTrustedPrivateChat, kPublicChat };
  Preset preset = Preset::kUnset;  // Unset: follows `listed`.
  bool listed = false;             // visibility "public"
  bool is_direct = false;
  std::string room_version;  // "": the configured default.
  std::optional<std::string> alias_localpart;
  std::optional<std::string> name;
  std::optional<std::string> topic;
  std::vector<std::string> invite;
  std::vector<ThirdPartyInvitee> invite_3pid;
  json::Value creation_content;
  json::Value initial_state;
  json::Value power_level_content_override;
  // The whole request, by which a repeated one with invite_3pid is known.
  json::Value body = {};
};

// POST /rooms/{roomId}/upgrade.
struct RoomUpgrade {
  std::string new_version;
  // Ignored by versions that have no creators beside the first.
  std::vector<std::string> additional_creators;
};

struct InviteKey;  // service/third_party_proof.h

// POST /join.
struct JoinRequest {
  std::string room_id_or_alias;
  std::optional<std::string> reason;
  // third_party_signed, or a missing Value; read during the call only.
  json::Value third_party_signed;
  // The request's body, or a missing Value; read during the call only.  Fields
  // that the specification does not define become part of the member event.
  json::Value body = {};
};

// A change of someone's membership.
struct MembershipChange {
  std::string room_id;
  std::string target;  // The user; for join, leave and knock the asker.
  std::optional<std::string> reason;
};

class RoomService {
 public:
  struct Options {
    std::string server_name;
    std::string default_room_version;
  };
  struct Deps {
    Store& store;
    RoomCaches& caches;
    RoomWriter& writer;
    const Clock& clock;
    Random& random;
    Executor& background;  // Goes on when an identity server has answered.
    IdentityClient& identity;
  };
  RoomService(Options options, Deps deps)
      : options_(std::move(options)), deps_(std::move(deps)) {}

  using Done = UniqueFunction<void(Status)>;
  using RoomDone = UniqueFunction<void(Result<std::string> room_id)>;

  // Makes the room with everything in it in one commit and returns its id.
  // M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE (alias), M_INVALID_ROOM_STATE
  // (the initial state does not pass the auth rules), M_INVALID_PARAM,
  // M_BAD_JSON, M_BAD_ALIAS (initial_state), M_INVITE_BLOCKED.  `invite_3pid`
  // must be empty.
  Result<std::string> CreateRoom(const Session& session, const NewRoom& room);
  // The same with invite_3pid: those who are known to their identity servers
  // become ordinary invitees; the others are invited once the room is there.
  // `room` and what it views are kept alive by `owner` until `done` is called.
  // After a failure the same request of the same device goes on with the room
  // that the first one made.
  void CreateRoom(const Session& session, const NewRoom& room,
                  std::shared_ptr<void> owner, RoomDone done);

  // Replaces a room by one of another version and returns the new one's id
  // (spec: "Room Upgrades").  It gets the old one's power levels, join rules,
  // history visibility, guest access, name, topic, avatar, encryption, server
  // ACL, bans and place in the directory; never its members.  The old one keeps
  // its local aliases until its tombstone takes them, as the last step.  The
  // same request again, within a week, goes on where the first one failed, and
  // once it is done gives the same room.  M_UNSUPPORTED_ROOM_VERSION,
  // M_INVALID_PARAM (a creator that is no user id), M_NOT_FOUND for an unknown
  // room, M_FORBIDDEN without the power to send its tombstone.
  Result<std::string> Upgrade(const Session& session, std::string_view room_id,
                              const RoomUpgrade& upgrade);

  // --- Membership (spec: "Room membership") ---
  // M_FORBIDDEN whenever the auth rules say no; M_NOT_FOUND for a room to join
  // that does not exist; M_BAD_STATE for an impossible change (unbanning
  // someone who is not banned).  Doing again what is already so is ok.

  // Joins a room by id or alias; returns the room id.  Restricted rooms: the
  // server authorises the join when one of its users may invite.  Who comes
  // from the room that this one replaces keeps their settings.
  // M_GUEST_ACCESS_FORBIDDEN for guests; M_FORBIDDEN also for a proof of a
  // third party that goes with no invite, or whose key is valid no more, which
  // is asked where the invite says; M_BAD_JSON for a malformed one.
  void Join(const Session& session, const JoinRequest& request, RoomDone done);
  void Knock(const Session& session, std::string_view room_id_or_alias,
             const std::optional<std::string>& reason, RoomDone done);
  // M_INVITE_BLOCKED by someone who wants no invites.
  void Invite(const Session& session, const MembershipChange& change,
              Done done);
  // Invites the user to whom the address belongs, or, when its identity server
  // knows none, has the invitation kept there (spec: "Third-party invites").
  // M_FORBIDDEN before anybody is asked, and what IdentityClient says.
  void InviteByThirdParty(const Session& session, const std::string& room_id,
                          const ThirdPartyInvitee& invitee, Done done);
  void Leave(const Session& session, const MembershipChange& change, Done done);
  void Kick(const Session& session, const MembershipChange& change, Done done);
  void Ban(const Session& session, const MembershipChange& change, Done done);
  void Unban(const Session& session, const MembershipChange& change, Done done);
  // Hides a left room from its user for good (until a new invite or join).
  // M_UNKNOWN while the user is still in it.
  Status Forget(const Session& session, std::string_view room_id);
  // The ids of the rooms that the user is joined to.
  Result<std::vector<std::string>> JoinedRooms(const Session& session);

  // --- Aliases (spec: "Room aliases") ---
  // M_INVALID_PARAM for a malformed alias or one of another server, M_UNKNOWN
  // 409 when it is taken, M_NOT_FOUND for an unknown room.
  Status CreateAlias(const Session& session, std::string_view alias,
                     std::string_view room_id);
  // By its creator, or whoever may change the room's canonical alias.  Takes it
  // out of that first, if the user may.
  void DeleteAlias(const Session& session, const std::string& alias, Done done);
  // M_NOT_FOUND.
  Result<std::string> ResolveAlias(std::string_view alias);
  // For members, and for everybody when the room is world-readable.
  Result<std::vector<std::string>> Aliases(const Session& session,
                                           std::string_view room_id);

  // --- Room directory entry of one room ---
  Result<bool> IsListed(std::string_view room_id);
  // Whoever may change the canonical alias.
  Status SetListed(const Session& session, std::string_view room_id,
                   bool listed);

 private:
  // Whether the change is needed, or why it cannot be.
  using MembershipCheck =
      std::function<Result<bool>(const RoomView& view, Membership now)>;

  Status CheckInvitee(std::string_view user_id) const;
  Status CheckInitialState(const NewRoom& room,
                           std::string_view own_alias) const;
  Status CheckLocalAlias(std::string_view alias) const;
  // Without its `done`.  `keys`: one of them must be valid, if there are any.
  Result<RoomRequest> JoinRequestOf(const Session& session,
                                    const JoinRequest& join,
                                    std::vector<InviteKey>& keys);
  void SendIfValid(RoomRequest request, std::vector<InviteKey> keys);
  Result<RoomHead> FindRoom(RoomReader& reader, std::string_view id_or_alias);
  // The room that it leads to, "" if there is none any more.
  Result<std::string> CheckMayDelete(const Session& session,
                                     const std::string& alias);
  void RemoveAlias(const std::string& alias, Done done);
  Result<bool> MayNameRoom(RoomReader& reader, const RoomHead& head,
                           const Session& session);
  // `more` are further members of the content: name and JSON.
  Result<std::string> MemberContent(
      std::string_view membership, std::string_view user_id,
      const std::optional<std::string>& reason,
      const std::vector<std::pair<std::string, std::string>>& more = {});
  Result<std::vector<EventDraft>> CreationDrafts(const Session& session,
                                                 const NewRoom& room,
                                                 const RoomVersionRules& rules,
                                                 const std::string& alias);
  void ChangeMembership(const Session& session, const MembershipChange& change,
                        Result<std::string> content, MembershipCheck check,
                        Done done);

  // --- Third-party invites ---
  Status CheckMayInvite(const Session& session, const std::string& room_id);
  Result<ThirdPartyInvitation> InvitationTo(const Session& session,
                                            const std::string& room_id);
  // What goes with an invitation into the room, in one commit.
  using MoreRows = std::function<void(WriteBatch& batch)>;
  void StoreInvite(const Session& session, const std::string& room_id,
                   const ThirdPartyInvitee& invitee, MoreRows also, Done done);
  void AddStoredInvite(const Session& session, const std::string& room_id,
                       const IdentityClient::Stored& stored, MoreRows also,
                       Done done);
  void GoOn(Task task);
  using CreationRows =
      std::function<void(WriteBatch& batch, const std::string& room_id)>;
  Result<std::string> CreateRoom(const Session& session, const NewRoom& room,
                                 const CreationRows& also);
  struct Creation;
  Result<bool> FindBegun(Creation& creation);
  Status NoteInvited(const Creation& creation);
  void LookUpInvitees(std::shared_ptr<Creation> creation);
  void CreateWithInvitees(std::shared_ptr<Creation> creation);
  void StoreInvites(std::shared_ptr<Creation> creation);

  // --- Upgrades ---
  struct OldRoom;
  struct Succession;
  Result<Succession> FindSuccession(RoomReader& reader, const Session& session,
                                    const OldRoom& old, Row key);
  Result<OldRoom> ReadOldRoom(RoomReader& reader, std::string_view room_id);
  Status CheckMayUpgrade(RoomReader& reader, const OldRoom& old,
                         const Session& session);
  std::string SuccessorContent(const Session& session, const OldRoom& old,
                               const RoomVersionRules& rules,
                               const std::vector<std::string>& more_creators);
  Result<std::vector<EventDraft>> SuccessorDrafts(
      const Session& session, const OldRoom& old, const RoomVersionRules& rules,
      const std::vector<std::string>& more_creators);
  Result<std::string> MakeSuccessor(
      const Session& session, const OldRoom& old, const RoomVersionRules& rules,
      const std::vector<std::string>& more_creators,
      const Succession& succession);
  Status SendRemainingBans(const Session& session, const OldRoom& old,
                           const std::string& new_room,
                           const std::string& lasting_levels);
  Status TakeOverSettings(const std::string& user_id,
                          const std::string& old_room,
                          const std::string& new_room);
  Status CloseOldRoom(const Session& session, const OldRoom& old,
                      const Succession& succession,
                      const std::string& new_room);

  const Options options_;
  const Deps deps_;
};

}  // namespace matrixcore
