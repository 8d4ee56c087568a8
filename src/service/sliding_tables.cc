#include "matrixcore/service/sliding_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kSlidingStates{
    .name = "sliding_states",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"conn_id", kText},
                {"version", kInt64},
                {"epoch", kInt64},
                {"parent", kInt64},
                {"used", kInt64},
                {"state", kBlob}},
    .key_columns = 4,
    .large_rows = true,
};

const TableSpec kForgets{
    .name = "forgets",
    .columns = {{"user_id", kText}, {"pos", kInt64}},
    .key_columns = 1,
    .since = 2,
};

std::vector<TableSpec> SlidingTables() { return {kSlidingStates, kForgets}; }

}  // namespace matrixcore::tables
