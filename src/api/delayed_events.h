// Scheduling delayed events through the endpoints that send events (MSC4140, as
// it was first).
#pragma once

#include <optional>
#include <string>

#include "matrixcore/api/router.h"

namespace matrixcore::api {

// Whether the request asks for a delay.
bool WantsDelay(const Call& call);
// Schedules what the request would send; `state_key` of a state event, `txn_id`
// of others.
Result<Reply> ScheduleInstead(Call& call, std::optional<std::string> state_key,
                              std::string txn_id);

}  // namespace matrixcore::api
