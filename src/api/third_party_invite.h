// Invites by e-mail or phone (spec: client-server API, "Third-party invites").
#pragma once

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"

namespace matrixcore::api {

// The answer to an Invite3pid object: they need an identity server, and this
// server asks none.  M_THREEPID_DENIED; M_MISSING_PARAM and M_BAD_JSON for an
// object that is not complete.
Status ThirdPartyInvite(json::Value invite);

}  // namespace matrixcore::api
