#include "matrixcore/room/tables.h"

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_tool_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kRooms{
    .name = "rooms",
    .columns = {{"nid", kInt64},
                {"room_id", kText},
                {"version", kText},
                {"creator", kText},
                {"generation", kInt64},
                {"extremities", kText},
                {"depth", kInt64},
                {"last_idx", kInt64},
                {"last_key", kInt64},
                {"last_snap", kInt64},
                {"state", kInt64},
                {"joined", kInt64},
                {"invited", kInt64},
                {"last_pos", kInt64},
                {"max_ts", kInt64},
                {"public", kInt64}},
    .key_columns = 1,
    .indexes = {{"room_id", {Rooms::kRoomId}, true},
                {"public", {Rooms::kPublic, Rooms::kJoined}}},
};

const TableSpec kRoomPreviews{
    .name = "room_previews",
    .columns = {{"room", kInt64},
                {"name", kText},
                {"topic", kText},
                {"canonical_alias", kText},
                {"avatar_url", kText},
                {"join_rule", kText},
                {"world_readable", kInt64},
                {"guest_can_join", kInt64},
                {"type", kText},
                {"encryption", kText},
                {"allowed", kText}},
    .key_columns = 1,
};

const TableSpec kRoomCounters{
    .name = "room_counters",
    .columns = {{"name", kText}, {"value", kInt64}},
    .key_columns = 1,
};

const TableSpec kEvents{
    .name = "events",
    .columns = {{"room", kInt64},
                {"idx", kInt64},
                {"pos", kInt64},
                {"event_id", kText},
                {"type", kText},
                {"sender", kText},
                {"state_key", kText, true},
                {"state_before", kInt64},
                {"state_after", kInt64},
                {"replaces", kInt64},
                {"flags", kInt64},
                {"redacted_by", kInt64},
                {"txn_device", kText, true},
                {"txn_id", kText, true},
                {"ts", kInt64},
                {"max_ts", kInt64},
                {"json", kText}},
    .key_columns = 2,
    .indexes = {{"event_id", {Events::kEventId}, true},
                {"log", {Events::kPos}}},
    .large_rows = true,
};

const TableSpec kLateEvents{
    .name = "late_events",
    .columns = {{"room", kInt64}, {"ts", kInt64}, {"idx", kInt64}},
    .key_columns = 3,
};

const TableSpec kStateKeys{
    .name = "state_keys",
    .columns = {{"room", kInt64},
                {"num", kInt64},
                {"type", kText},
                {"state_key", kText}},
    .key_columns = 2,
    .indexes = {{"name",
                 {StateKeys::kRoom, StateKeys::kType, StateKeys::kStateKey},
                 true}},
};

const TableSpec kStateSnaps{
    .name = "state_snaps",
    .columns = {{"room", kInt64},
                {"snap", kInt64},
                {"parent", kInt64},
                {"base", kInt64},
                {"height", kInt64},
                {"delta", kBlob}},
    .key_columns = 2,
};

const TableSpec kAuthEdges{
    .name = "auth_edges",
    .columns = {{"room", kInt64}, {"idx", kInt64}, {"auth", kBlob}},
    .key_columns = 2,
    .since = 3,
};

const TableSpec kMemberships{
    .name = "memberships",
    .columns = {{"user_id", kText},
                {"room", kInt64},
                {"membership", kInt64},
                {"idx", kInt64},
                {"pos", kInt64},
                {"forgotten", kInt64}},
    .key_columns = 2,
    .indexes = {{"room", {Memberships::kRoom, Memberships::kMembership}},
                {"pos", {Memberships::kUser, Memberships::kPos}}},
};

const TableSpec kAliases{
    .name = "aliases",
    .columns = {{"alias", kText}, {"room", kInt64}, {"creator", kText}},
    .key_columns = 1,
    .indexes = {{"room", {Aliases::kRoom}}},
};

const TableSpec kTransactions{
    .name = "transactions",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"scope", kText},
                {"txn_id", kText},
                {"result", kText},
                {"ts", kInt64}},
    .key_columns = 4,
    .indexes = {{"ts", {Transactions::kTs}}},
};

const TableSpec kRelations{
    .name = "relations",
    .columns = {{"room", kInt64},
                {"target", kText},
                {"pos", kInt64},
                {"idx", kInt64},
                {"rel_type", kText},
                {"type", kText},
                {"sender", kText},
                {"key", kText, true}},
    .key_columns = 3,
    .indexes = {{"rel_type",
                 {Relations::kRoom, Relations::kTarget, Relations::kRelType,
                  Relations::kPos}},
                {"sender",
                 {Relations::kRoom, Relations::kTarget, Relations::kSender,
                  Relations::kRelType, Relations::kType, Relations::kKey}}},
};

const TableSpec kRelationTargets{
    .name = "relation_targets",
    .columns = {{"room", kInt64},
                {"target", kText},
                {"idx", kInt64},
                {"children", kInt64},
                {"refs", kInt64},
                {"edit", kInt64},
                {"edit_ts", kInt64},
                {"edit_id", kText, true},
                {"threaded", kInt64},
                {"thread_last", kInt64},
                {"thread_pos", kInt64, true}},
    .key_columns = 2,
    .indexes = {{"thread",
                 {RelationTargets::kRoom, RelationTargets::kThreadPos}}},
};

const TableSpec kThreadUsers{
    .name = "thread_users",
    .columns = {{"room", kInt64},
                {"root", kText},
                {"user_id", kText},
                {"events", kInt64}},
    .key_columns = 3,
};

const TableSpec kErasures{
    .name = "erasures",
    .columns = {{"user_id", kText}, {"pos", kInt64}},
    .key_columns = 1,
};

const TableSpec kRoomCuts{
    .name = "room_cuts",
    .columns = {{"room", kInt64},
                {"idx", kInt64},
                {"pos", kInt64},
                {"ts", kInt64}},
    .key_columns = 1,
    .since = 2,
};

const TableSpec kRoomSigningKeys{
    .name = "room_signing_keys",
    .columns = {{"room", kInt64},
                {"server", kText},
                {"key_id", kText},
                {"key", kText}},
    .key_columns = 3,
    .since = 2,
};

const TableSpec kStagedRooms{
    .name = "staged_rooms",
    .columns = {{"nid", kInt64},
                {"room_id", kText},
                {"purpose", kInt64},
                {"ts", kInt64}},
    .key_columns = 1,
    .indexes = {{"room_id", {StagedRooms::kRoomId}}},
    .since = 2,
};

const TableSpec kBlockedRooms{
    .name = "blocked_rooms",
    .columns = {{"room_id", kText}, {"user_id", kText}, {"ts", kInt64}},
    .key_columns = 1,
    .since = 2,
};

std::vector<TableSpec> RoomTables() {
  return {kRooms,           kRoomPreviews, kRoomCounters, kEvents,
          kLateEvents,      kStateKeys,    kStateSnaps,   kAuthEdges,
          kMemberships,     kAliases,      kTransactions, kRelations,
          kRelationTargets, kThreadUsers,  kErasures,     kRoomCuts,
          kRoomSigningKeys, kStagedRooms,  kBlockedRooms};
}

}  // namespace matrixcore::tables
