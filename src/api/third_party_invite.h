// Invites by e-mail or phone (spec: client-server API, "Third-party invites").
#pragma once

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/identity.h"

namespace matrixcore::api {

// An Invite3pid object.  M_MISSING_PARAM and M_BAD_JSON for one that is not
// complete.
Result<ThirdPartyInvitee> ReadThirdPartyInvite(json::Value invite);

}  // namespace matrixcore::api
