// To-device messages: a queue for each device (spec: client-server API,
// "Send-to-Device messaging").
//
// Guarantees: a message that Send or Deliver reported is on disk and stands in
// the queue of every device that it was for, that exists and whose queue is not
// full; a queue keeps the order of commits; nothing leaves a queue but by
// Acknowledge, by a sync whose `since` proves that the message arrived, or with
// its device.
//
// /sync reads the queues by itself.  A bridge or another reader that has no
// HTTP uses Read and Acknowledge, and the Notifier to wait:
//
//   uint64_t seen = notifier.Version();  // Before reading.
//   auto messages = to_device.Read(user, device, after, 100);
//   if (messages->empty()) {
//     notifier.Park(user, Notifier::Hears::kAllButPresence, seen,
//                   MonotonicTime::Never(), look_again);
//   } else {
//     ... handle them ...
//     to_device.Acknowledge(user, device, messages->back().pos);
//   }
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct ToDeviceMessage {
  Position pos = 0;
  std::string json = {};  // {"content", "sender", "type"}
};

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class ToDeviceService {
 public:
  struct Deps {
    Store& store;  // With the tables of accounts and of rooms (transactions).
    const Clock& clock;
    Notifier& notifier;
    std::string server_name = {};
  };
  struct Options {
    int64_t max_queue_bytes = int64_t{64} << 20;  // Of one device.
  };
  // Registers with `accounts`, so that a queue goes with its device.
  ToDeviceService(Options options, Deps deps, AccountService& accounts);

  // --- Limits: M_TOO_LARGE ---
  static constexpr size_t kMaxMessageBytes = 65536;      // One event.
  static constexpr size_t kMaxDevices = 10'000;          // Of one request.
  static constexpr size_t kMaxRequestBytes = 16u << 20;  // To all of them.
  // What one sync answer holds at most.
  static constexpr size_t kMaxInAnswer = 100;

  // PUT /sendToDevice/{eventType}/{txnId}.  `messages` is user -> device ->
  // content; the device "*" stands for all devices of the user that are not
  // named themselves.  Users and devices that do not exist are passed over, and
  // so are devices whose queue is full, unless nobody else is left.  The same
  // transaction id of the same device for the same type does nothing and is ok.
  // Errors: kInvalidArgument M_BAD_JSON, M_INVALID_PARAM (the type); kTooLarge
  // M_TOO_LARGE; kResourceExhausted M_LIMIT_EXCEEDED (all queues are full).
  Status Send(const Session& session, std::string_view type,
              std::string_view txn_id, json::Value messages);
  // The same from another server (an m.direct_to_device EDU) or a bridge:
  // `message_id` is what tells two messages of a sender apart.
  Status Deliver(std::string_view sender, std::string_view type,
                 std::string_view message_id, json::Value messages);

  // Messages for users of another server, as one m.direct_to_device EDU wants
  // them.
  struct Remote {
    std::string_view server;
    std::string_view sender;
    std::string_view type;
    std::string_view message_id;
    std::string_view messages;  // JSON: user -> device -> content.
  };
  // Puts the messages into the queue for that server, in the batch that
  // delivers the local ones; it may be called again after a lost race.  Without
  // a hook such messages go nowhere.  Set while the server is composed.
  using RemoteHook = std::function<Status(WriteBatch&, const Remote&)>;
  void OnRemote(RemoteHook hook) { remote_ = std::move(hook); }

  // --- The queue of a device ---
  // The oldest messages after a position, at most `limit`.
  Result<std::vector<ToDeviceMessage>> Read(std::string_view user_id,
                                            std::string_view device_id,
                                            Position after, size_t limit);
  static Result<std::vector<ToDeviceMessage>> Read(Snapshot& snapshot,
                                                   std::string_view user_id,
                                                   std::string_view device_id,
                                                   Position after,
                                                   size_t limit);
  // Forgets the messages up to a position, that one included.
  Status Acknowledge(std::string_view user_id, std::string_view device_id,
                     Position up_to);
  // Adds to `batch` what removes the oldest messages up to a position, at most
  // `limit`; says how many.  Its commit is kAborted if somebody else has
  // removed them meanwhile.
  static Result<size_t> AddRemoval(Snapshot& snapshot, WriteBatch& batch,
                                   std::string_view user_id,
                                   std::string_view device_id, Position up_to,
                                   size_t limit);

 private:
  struct Sending;
  Status Commit(const Sending& sending, json::Value messages);

  const Options options_;
  const Deps deps_;
  RemoteHook remote_;
};

}  // namespace matrixcore
