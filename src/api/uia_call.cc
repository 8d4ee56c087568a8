#include "api/uia_call.h"

#include <utility>

#include "api/params.h"
#include "matrixcore/api/services.h"
#include "matrixcore/json/object.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/outcomes.h"

namespace matrixcore::api {

namespace {

std::string OperationOf(const Call& call, std::string_view operation) {
  std::string name(operation);
  for (const std::string& value : call.path) name.append("\n").append(value);
  return name;
}

}  // namespace

Status RestoreFields(Call& call, std::string_view operation) {
  const json::Value auth = call.root()["auth"];
  const auto session = auth["session"].AsString();
  if (!session || call.root().size() != 1) return OkStatus();
  const std::string fields =
      call.services.uia.Fields(*session, OperationOf(call, operation));
  if (fields.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const json::Document begun,
                      json::Document::ParseView(fields));
  json::Object body = json::Object::From(begun.root());
  body.SetRaw("auth", std::string(auth.raw()));
  MC_ASSIGN_OR_RETURN(call.body, json::Document::Parse(body.ToJson()));
  return OkStatus();
}

Result<Reply> WithUia(
    Call& call, std::string_view operation, std::vector<UiaFlow> flows,
    const UiaStageCheck& check,
    const std::function<Result<Reply>(const std::string& session)>& act,
    bool keep_fields) {
  UiaRequest request;
  request.operation = OperationOf(call, operation);
  request.keep_fields = keep_fields;
  if (call.session) request.user_id = call.user_id();
  request.body = call.root();
  request.flows = std::move(flows);
  MC_ASSIGN_OR_RETURN(const UiaService::Outcome outcome,
                      call.services.uia.Authorise(request, check));
  if (!outcome.allowed) {
    Reply reply = JsonReply(outcome.challenge);
    reply.status = 401;
    return reply;
  }
  Result<Reply> result = act(outcome.session);
  const bool succeeded = result.ok() && result->status < 400;
  // A session that the client was never told of holds nothing for it to use
  // when it makes the request again.
  const bool unknown =
      IsPassing(result.status()) && !call.root()["auth"]["session"].IsString();
  call.services.uia.Finish(outcome.session, succeeded || unknown);
  return result;
}

std::string ResultOfCall(Call& call, std::string_view operation) {
  UiaRequest request;
  request.operation = OperationOf(call, operation);
  if (call.session) request.user_id = call.user_id();
  request.body = call.root();
  return call.services.uia.ResultOf(request);
}

Result<Reply> WithPassword(Call& call, std::string_view operation,
                           const std::function<Result<Reply>()>& act) {
  const auto check = [&call](std::string_view,
                             json::Value auth) -> Result<std::string> {
    MC_ASSIGN_OR_RETURN(const std::string user, IdentifiedUser(call, auth));
    MC_ASSIGN_OR_RETURN(const std::string_view password,
                        RequiredString(auth, "password"));
    if (user != call.user_id()) {
      // Trying again would not help.
      return Status(StatusCode::kFailedPrecondition, "M_FORBIDDEN",
                    "These are the credentials of another user");
    }
    MC_RETURN_IF_ERROR(call.services.accounts.CheckPassword(user, password));
    return std::string();
  };
  return WithUia(call, operation, {{"m.login.password"}}, check,
                 [&act](const std::string&) { return act(); });
}

Result<std::string> IdentifiedUser(const Call& call, json::Value object) {
  MC_ASSIGN_OR_RETURN(const json::Value identifier,
                      OptionalObject(object, "identifier"));
  const AccountService& accounts = call.services.accounts;
  if (identifier.IsMissing()) {
    MC_ASSIGN_OR_RETURN(const auto user, OptionalString(object, "user"));
    if (user) return accounts.FullUserId(*user);
    MC_ASSIGN_OR_RETURN(const auto medium, OptionalString(object, "medium"));
    if (medium) return Forbidden("Invalid username or password");
    return MissingParam("identifier");
  }
  MC_ASSIGN_OR_RETURN(const auto type, OptionalString(identifier, "type"));
  if (type == "m.id.thirdparty" || type == "m.id.phone" ||
      (!type && !identifier["medium"].IsMissing())) {
    return Forbidden("Invalid username or password");
  }
  if (!type) return MissingParam("identifier.type");
  if (*type != "m.id.user") {
    return Status(StatusCode::kInvalidArgument, "M_UNKNOWN",
                  "Unknown type of identifier");
  }
  MC_ASSIGN_OR_RETURN(const std::string_view user,
                      RequiredString(identifier, "user"));
  return accounts.FullUserId(user);
}

}  // namespace matrixcore::api
