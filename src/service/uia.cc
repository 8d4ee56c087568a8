#include "matrixcore/service/uia.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {
namespace {

constexpr size_t kSessionIdLength = 24;
// Of the fields that a session keeps; longer ones must be repeated.
constexpr size_t kMaxFieldBytes = 2048;

// A session as it is kept.
struct UiaSession {
  std::string id;
  std::string operation;
  std::string user_id;
  // SHA-256 of the request's other fields; nothing while there were none.
  std::optional<Sha256Digest> body;
  std::string fields;
  // Completed stages, in order, with what is remembered of them.
  std::vector<std::pair<std::string, std::string>> completed;
  MonotonicTime expires;
  bool busy = false;     // Its operation is being done.
  std::string result;    // Of one that has ended; "" while it has not.
  std::string possible;  // The result, if it did end and nobody knows.
};

// The fields of a request beside `auth`, canonical; "" if there are none.
Result<std::string> FieldsOf(json::Value body) {
  json::Object object = json::Object::From(body);
  object.Erase("auth");
  if (object.empty()) return std::string();
  return json::Canonical(object.ToJson(), json::NumberRule::kLax);
}

bool HasCompleted(const UiaSession& session, std::string_view type) {
  return std::any_of(session.completed.begin(), session.completed.end(),
                     [type](const auto& stage) { return stage.first == type; });
}

// How many stages of `flow` are complete, if the completed ones are its first.
std::optional<size_t> Progress(const UiaSession& session, const UiaFlow& flow) {
  if (session.completed.size() > flow.size()) return std::nullopt;
  for (size_t i = 0; i < session.completed.size(); ++i) {
    if (session.completed[i].first != flow[i]) return std::nullopt;
  }
  return session.completed.size();
}

bool IsComplete(const UiaSession& session, const std::vector<UiaFlow>& flows) {
  return std::any_of(flows.begin(), flows.end(), [&](const UiaFlow& flow) {
    return Progress(session, flow) == flow.size();
  });
}

bool IsNextStage(const UiaSession& session, const std::vector<UiaFlow>& flows,
                 std::string_view type) {
  return std::any_of(flows.begin(), flows.end(), [&](const UiaFlow& flow) {
    const std::optional<size_t> done = Progress(session, flow);
    return done && *done < flow.size() && flow[*done] == type;
  });
}

std::string Challenge(const UiaSession& session,
                      const std::vector<UiaFlow>& flows, const Status& error) {
  std::string out;
  json::Writer w(&out);
  w.BeginObject();
  if (!error.ok()) {
    w.Field("errcode", error.errcode().empty() ? std::string_view("M_FORBIDDEN")
                                               : error.errcode());
    w.Field("error", error.message());
  }
  if (!session.completed.empty() || !error.ok()) {
    w.Key("completed").BeginArray();
    for (const auto& [type, value] : session.completed) w.String(type);
    w.EndArray();
  }
  w.Key("flows").BeginArray();
  for (const UiaFlow& flow : flows) {
    w.BeginObject().Key("stages").BeginArray();
    for (const std::string& stage : flow) w.String(stage);
    w.EndArray().EndObject();
  }
  w.EndArray();
  w.RawField("params", "{}");
  w.Field("session", session.id);
  w.EndObject();
  return out;
}

Status Refuse(std::string_view errcode, std::string message) {
  return Status(StatusCode::kPermissionDenied, errcode, std::move(message));
}

}  // namespace

struct UiaService::Rep {
  Rep(const Options& o, const Clock& c, Random& r)
      : options(o), clock(c), random(r) {}

  using List = std::list<UiaSession>;
  UiaSession* Find(std::string_view id) MC_REQUIRES(mutex);
  UiaSession& Open(const UiaRequest& request) MC_REQUIRES(mutex);
  void Touch(UiaSession& session) MC_REQUIRES(mutex);
  void Prune() MC_REQUIRES(mutex);
  Result<UiaSession*> Take(const UiaRequest& request, json::Value auth,
                           const std::string& fields, Status* complaint)
      MC_REQUIRES(mutex);

  const Options options;
  const Clock& clock;
  Random& random;
  Mutex mutex;
  List sessions MC_GUARDED_BY(mutex);  // The least recently used first.
  absl::flat_hash_map<std::string, List::iterator, StringHash, StringEq> by_id
      MC_GUARDED_BY(mutex);
};

UiaService::UiaService(const Options& options, const Clock& clock,
                       Random& random)
    : rep_(std::make_unique<Rep>(options, clock, random)) {}

UiaService::~UiaService() = default;

UiaSession* UiaService::Rep::Find(std::string_view id) {
  const auto it = by_id.find(id);
  return it == by_id.end() ? nullptr : &*it->second;
}

void UiaService::Rep::Touch(UiaSession& session) {
  session.expires = clock.Monotonic() + options.lifetime;
  sessions.splice(sessions.end(), sessions, by_id.find(session.id)->second);
}

void UiaService::Rep::Prune() {
  const MonotonicTime now = clock.Monotonic();
  while (!sessions.empty() && (sessions.front().expires <= now ||
                               sessions.size() >= options.max_sessions)) {
    by_id.erase(sessions.front().id);
    sessions.pop_front();
  }
}

UiaSession& UiaService::Rep::Open(const UiaRequest& request) {
  UiaSession session;
  session.id = random.AlphaNumeric(kSessionIdLength);
  session.operation = request.operation;
  session.user_id = request.user_id;
  sessions.push_back(std::move(session));
  by_id.emplace(sessions.back().id, std::prev(sessions.end()));
  return sessions.back();
}

// The session of the request.  A client whose session is gone gets a new one.
Result<UiaSession*> UiaService::Rep::Take(const UiaRequest& request,
                                          json::Value auth,
                                          const std::string& fields,
                                          Status* complaint) {
  std::optional<Sha256Digest> body;
  if (!fields.empty()) body = Sha256(fields);
  const json::Value id = auth["session"];
  if (!id.IsMissing() && !id.IsNull() && !id.IsString()) {
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  "'auth.session' must be a string");
  }
  UiaSession* session = id.IsString() ? Find(*id.AsString()) : nullptr;
  if (session == nullptr || !session->result.empty()) {
    if (id.IsString()) *complaint = Refuse("M_UNKNOWN", "Unknown session");
    session = &Open(request);
  } else if (session->operation != request.operation ||
             session->user_id != request.user_id ||
             (session->body && session->body != body)) {
    return Refuse("M_FORBIDDEN", "The session was begun for another request");
  } else if (session->busy) {
    return Status(StatusCode::kAborted, "the session's request is being done");
  }
  if (!session->body && body) {
    session->body = body;
    if (request.keep_fields && fields.size() <= kMaxFieldBytes) {
      session->fields = fields;
    }
  }
  Touch(*session);
  return session;
}

Result<UiaService::Outcome> UiaService::Authorise(const UiaRequest& request,
                                                  const UiaStageCheck& check) {
  const json::Value auth = request.body["auth"];
  const bool tries = !auth.IsMissing() && !auth.IsNull();
  if (tries && !auth.IsObject()) {
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  "'auth' must be an object");
  }
  const json::Value type = auth["type"];
  if (!type.IsMissing() && !type.IsNull() && !type.IsString()) {
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  "'auth.type' must be a string");
  }
  MC_ASSIGN_OR_RETURN(const std::string fields, FieldsOf(request.body));

  Outcome outcome;
  Status complaint;
  bool check_stage = false;
  {
    MutexLock lock(rep_->mutex);
    rep_->Prune();
    MC_ASSIGN_OR_RETURN(UiaSession * session,
                        rep_->Take(request, auth, fields, &complaint));
    outcome.session = session->id;
    // A completed stage is not tried again.
    if (complaint.ok() && type.IsString() &&
        !HasCompleted(*session, *type.AsString())) {
      check_stage = IsNextStage(*session, request.flows, *type.AsString());
      if (!check_stage) {
        complaint = Refuse("M_UNRECOGNIZED", "This stage is not offered now");
      }
    }
  }
  // A check may be slow: it runs outside the lock.
  std::string value;
  if (check_stage) {
    Result<std::string> checked = check(*type.AsString(), auth);
    if (checked.ok()) {
      value = std::move(checked).value();
    } else {
      complaint = checked.status();
      if (complaint.code() != StatusCode::kPermissionDenied &&
          complaint.code() != StatusCode::kUnauthenticated) {
        return complaint;
      }
    }
  }
  MutexLock lock(rep_->mutex);
  UiaSession* session = rep_->Find(outcome.session);
  if (session == nullptr || session->busy) {
    return Status(StatusCode::kAborted, "the session has ended meanwhile");
  }
  if (check_stage && complaint.ok() &&
      IsNextStage(*session, request.flows, *type.AsString())) {
    session->completed.emplace_back(*type.AsString(), std::move(value));
  }
  if (tries && complaint.ok() && IsComplete(*session, request.flows)) {
    session->busy = true;
    outcome.allowed = true;
  } else {
    outcome.challenge = Challenge(*session, request.flows, complaint);
  }
  return outcome;
}

void UiaService::Finish(const std::string& id, bool succeeded) {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->by_id.find(id);
  if (it == rep_->by_id.end()) return;
  if (!it->second->result.empty()) return;
  if (succeeded) {
    rep_->sessions.erase(it->second);
    rep_->by_id.erase(it);
  } else {
    it->second->busy = false;
  }
}

void UiaService::NotePossible(const std::string& id, std::string result) {
  MutexLock lock(rep_->mutex);
  UiaSession* session = rep_->Find(id);
  if (session != nullptr) session->possible = std::move(result);
}

void UiaService::FinishWith(const std::string& id, std::string result) {
  MutexLock lock(rep_->mutex);
  UiaSession* session = rep_->Find(id);
  if (session == nullptr) return;
  session->busy = false;
  session->fields.clear();
  session->completed.clear();
  session->result = std::move(result);
}

std::string UiaService::ResultOf(const UiaRequest& request) {
  const Result<std::string> fields = FieldsOf(request.body);
  if (!fields.ok()) return "";
  MutexLock lock(rep_->mutex);
  rep_->Prune();
  const UiaSession* session =
      rep_->Find(request.body["auth"]["session"].StringOr(""));
  if (session == nullptr || session->operation != request.operation ||
      session->user_id != request.user_id || session->body != Sha256(*fields)) {
    return "";
  }
  return session->result.empty() ? session->possible : session->result;
}

std::string UiaService::Fields(std::string_view id,
                               std::string_view operation) {
  MutexLock lock(rep_->mutex);
  rep_->Prune();
  const UiaSession* session = rep_->Find(id);
  if (session == nullptr || session->operation != operation) return "";
  return session->fields;
}

std::string UiaService::StageValue(const std::string& id,
                                   std::string_view type) {
  MutexLock lock(rep_->mutex);
  const UiaSession* session = rep_->Find(id);
  if (session == nullptr) return "";
  for (const auto& [stage, value] : session->completed) {
    if (stage == type) return value;
  }
  return "";
}

size_t UiaService::CountStageValue(std::string_view type,
                                   std::string_view value) {
  MutexLock lock(rep_->mutex);
  rep_->Prune();
  size_t count = 0;
  for (const UiaSession& session : rep_->sessions) {
    for (const auto& [stage, kept] : session.completed) {
      if (stage == type && kept == value) ++count;
    }
  }
  return count;
}

size_t UiaService::size() {
  MutexLock lock(rep_->mutex);
  rep_->Prune();
  return rep_->sessions.size();
}

}  // namespace matrixcore
