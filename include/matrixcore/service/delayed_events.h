// Delayed events: what the server sends on behalf of users later (MSC4140;
// unstable).
//
// A delayed event is a row until it is sent, so that none is lost by a restart.
// One timer waits for the next one that falls due.  Sending one twice is
// impossible: its id is the transaction id.  What the sender may do counts when
// it is sent: the power, but also a guest's limits, a suspension, a rate limit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/messages.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct DelayedEvent {
  std::string delay_id;
  std::string room_id;
  std::string type;
  std::optional<std::string> state_key;
  std::string content;  // A JSON object.
  int64_t delay_ms = 0;
  Timestamp scheduled_at;  // Or restarted.
  // Of one that is finalised: when, and either the id of the event, or why it
  // could not be sent (a JSON object), or neither when it was cancelled.
  std::optional<Timestamp> finalised_at;
  std::optional<std::string> event_id;
  std::optional<std::string> error;
};

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class DelayedEventService {
 public:
  struct Options {
    int64_t max_delay_ms = 7 * 86'400'000;
    size_t max_scheduled = 100;  // Of a user; 0: nobody may.
    // What is finalised is forgotten after this, or when a user has so many.
    int64_t retention_ms = 7 * 86'400'000;
    size_t max_finalised = 1000;
  };
  struct Deps {
    Store& store;
    const Clock& clock;
    Timers& timers;
    Random& random;
    Executor& executor;  // Sends what falls due.
    MessageService& messages;
    AccountService& accounts;
    Logger& log;
    // Whether a user may send one more event now; null: always.  Asked for what
    // falls due, so that nobody stores up a flood.
    std::function<bool(const Session& session)> may_send = {};
  };
  DelayedEventService(const Options& options, const Deps& deps);
  ~DelayedEventService();

  const Options& options() const;
  // Begins to send what is due, also what fell due while the server was away.
  void Start();

  struct Request {
    std::string room_id;
    std::string type;
    std::optional<std::string> state_key = {};
    std::string content;
    int64_t delay_ms = 0;
    std::string txn_id = {};  // "" for none.
  };
  struct Scheduled {
    std::string delay_id;
    // Too many wait: when the next of them is sent.  Then there is no id.
    std::optional<Timestamp> retry_at = {};
  };
  // kInvalidArgument M_INVALID_PARAM for a bad delay or type, kPermissionDenied
  // M_FORBIDDEN for a delay beyond the maximum and when nobody may, kTooLarge
  // M_TOO_LARGE.
  Result<Scheduled> Schedule(const Session& session, Request request);

  enum class Action { kSend, kCancel, kRestart };
  static std::optional<Action> ParseAction(std::string_view name);
  using Done = UniqueFunction<void(Status)>;
  // Ok also when that has happened already.  kNotFound M_NOT_FOUND;
  // kAlreadyExists M_UNKNOWN when it is finalised otherwise; of kSend, why the
  // event cannot be sent, which then stays scheduled.
  void Manage(const Session& session, const std::string& delay_id,
              Action action, Done done);

  // kNotFound M_NOT_FOUND.
  Result<DelayedEvent> Get(const Session& session, const std::string& delay_id);
  // Those that wait, in the order of their sending.
  Result<std::vector<DelayedEvent>> List(const Session& session);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;  // Shared with what is under way.
};

}  // namespace matrixcore
