// Between rows and the values of the index of relations.
#pragma once

#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

RelatedEvent RelatedFromRow(const Row& row);
RelationSummary RelationSummaryFromRow(const Row& row);

}  // namespace matrixcore
