#include "matrixcore/service/ephemeral_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kReceipts{
    .name = "receipts",
    .columns = {{"room", kInt64},
                {"type", kText},
                {"user_id", kText},
                {"thread", kText},
                {"event_id", kText},
                {"event_pos", kInt64},
                {"ts", kInt64},
                {"pos", kInt64}},
    .key_columns = 4,
    .indexes = {{"pos", {Receipts::kRoom, Receipts::kPos}}},
};

const TableSpec kPresence{
    .name = "presence",
    .columns = {{"user_id", kText},
                {"state", kInt64},
                {"status_msg", kText, true},
                {"last_active", kInt64, true},
                {"currently_active", kInt64},
                {"pos", kInt64}},
    .key_columns = 1,
    .indexes = {{"pos", {PresenceTable::kPos}},
                {"state", {PresenceTable::kState}}},
};

const TableSpec kDelayedEvents{
    .name = "delayed_events",
    .columns = {{"user_id", kText},
                {"delay_id", kText},
                {"room_id", kText},
                {"type", kText},
                {"state_key", kText, true},
                {"content", kText},
                {"delay_ms", kInt64},
                {"scheduled_at", kInt64},
                {"send_at", kInt64, true},
                {"finalised_at", kInt64, true},
                {"event_id", kText, true},
                {"error", kText, true}},
    .key_columns = 2,
    .indexes = {{"send_at", {DelayedEvents::kSendAt}},
                {"user", {DelayedEvents::kUser, DelayedEvents::kSendAt}},
                {"finalised",
                 {DelayedEvents::kUser, DelayedEvents::kFinalisedAt}}},
    .large_rows = true,
};

std::vector<TableSpec> EphemeralTables() {
  return {kReceipts, kPresence, kDelayedEvents};
}

}  // namespace matrixcore::tables
