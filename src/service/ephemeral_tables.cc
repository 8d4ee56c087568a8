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

std::vector<TableSpec> EphemeralTables() { return {kReceipts}; }

}  // namespace matrixcore::tables
