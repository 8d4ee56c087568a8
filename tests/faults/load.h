// A mixed load on a homeserver whose parts fail, and a ledger of what it
// acknowledged.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/json/value.h"
#include "matrixcore/testing/conformance.h"
#include "matrixcore/testing/fake_homeserver.h"

namespace matrixcore {

// A server under faults with some users in one room, who do at random what
// clients do.  Each user's calls come one after the other; an answer that a
// client may repeat (500, 503, 504) is repeated, as it stands, until there is
// another.  All that is wrong goes to `findings`.
class FaultyLoad {
 public:
  static constexpr size_t kUsers = 3;

  FaultyLoad(uint64_t seed, const FaultRates& rates, Findings& findings);

  // One step of a user; his own thread may call it.
  void Step(size_t user);
  // For steps of several threads at once: nothing is traced.
  void NoTrace() { traced_ = false; }
  // Shuts the server down and starts it again.  While no step runs.
  void Restart();
  // Compares what the server has, now without faults, with the ledger.
  void Check();

  // What was done and answered, in order, and which faults there were: equal
  // for equal runs.  Only one thread must have run steps.
  const std::string& trace() const { return trace_; }
  std::string faults() const { return server_->faults().Summary(); }
  // How many requests succeeded that wrote something.
  int acknowledged() const { return acknowledged_; }

 private:
  using User = FakeHomeserver::User;

  // What one user was told.  Only his thread touches it.
  struct Client {
    User user;
    std::unique_ptr<Random> random;
    int next = 0;
    std::map<std::string, std::string> messages;  // Body: event id.
    // What was acknowledged last: of his own state key, and account data.
    std::string topic;
    std::string account_data;
    std::set<std::string> uploaded_keys;
    std::vector<std::string> claimed_keys;  // Of the next user.
    std::set<std::string> sent_to_device;   // To the next user.
    std::vector<std::string> got_to_device;
    std::string refresh_token;
    std::string since;
    std::vector<std::string> synced;  // Event ids of messages.
  };

  // An answer, once it is none of a fault; "" with a finding when there is
  // none.
  HttpResponse Ask(Client& client, HttpMethod method, const std::string& target,
                   const std::string& body, std::string_view what);
  json::Document AskJson(Client& client, HttpMethod method,
                         const std::string& target, const std::string& body,
                         std::string_view what);
  void CheckClear(const HttpResponse& response, std::string_view what);

  void SetUp(uint64_t seed);
  void Send(Client& client);
  void SetTopic(Client& client);
  void SetAccountData(Client& client);
  void UploadKeys(Client& client);
  void ClaimKey(Client& client);
  void SendToDevice(Client& client);
  void Refresh(Client& client);
  void Sync(Client& client);
  void ReadBack(Client& client);

  void CheckLatest(Client& client, const std::string& acknowledged,
                   const std::string& target, std::string_view what);
  void CheckMessages();
  void CheckKeys();
  void CheckToDevice();
  Client& NextOf(const Client& client);
  std::string RoomPath(std::string_view rest) const;

  Findings& findings_;
  std::unique_ptr<FakeHomeserver> server_;
  std::string room_;
  std::vector<Client> clients_;
  std::string trace_;
  bool traced_ = true;
  std::atomic<int> acknowledged_{0};
};

}  // namespace matrixcore
