// User-interactive authentication around an endpoint function.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "matrixcore/api/router.h"
#include "matrixcore/service/uia.h"

namespace matrixcore::api {

// For operations that keep them: gives a call that brings nothing but `auth`
// the fields with which its session was begun.
Status RestoreFields(Call& call, std::string_view operation);

// Runs `act` once the client has completed a flow; until then, answers 401 with
// what there is to do.  `operation` is the route's; together with the path and
// the user it is what the session is bound to.  `act` gets the session's id.
Result<Reply> WithUia(
    Call& call, std::string_view operation, std::vector<UiaFlow> flows,
    const UiaStageCheck& check,
    const std::function<Result<Reply>(const std::string& session)>& act,
    bool keep_fields = false);

// What UiaService remembers of the same request, which has been done before.
std::string ResultOfCall(Call& call, std::string_view operation);

// The same for whoever is logged in and gives their password again
// (m.login.password).  Slow: for the background lane.
Result<Reply> WithPassword(Call& call, std::string_view operation,
                           const std::function<Result<Reply>()>& act);

// The user whom a login or an m.login.password stage names: `identifier` of
// type m.id.user, or the deprecated `user`.  kInvalidArgument M_MISSING_PARAM,
// M_BAD_JSON; kPermissionDenied M_FORBIDDEN for a third-party identifier that
// no account here has; M_UNKNOWN for an identifier of an unknown type.
Result<std::string> IdentifiedUser(const Call& call, json::Value object);

}  // namespace matrixcore::api
