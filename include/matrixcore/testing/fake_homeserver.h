// FakeHomeserver: a whole homeserver inside a test.
//
// The real handlers over memory backends, with simulated time and seeded
// randomness, ready in a few milliseconds, without a port, a file or a
// container:
//
//   FakeHomeserver server;
//   const FakeHomeserver::User alice = server.Register("alice");
//   HttpResponse rooms = server.Get(alice, "/_matrix/client/v3/joined_rooms");
//   server.Advance(seconds(30));
//
// It is an HttpHandler: give it to an HttpServer (net/http_server.h) and
// clients of any language can use it; give it to an InProcessNetwork and it is
// a server that others federate with.  See
// docs/embedding-the-fake-homeserver.md.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/api/homeserver.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/http/message.h"
#include "matrixcore/store/store.h"
#include "matrixcore/testing/faults.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {

struct FakeHomeserverOptions {
  FakeHomeserverOptions();

  // Made for tests: open registration, no rate limits, passwords of any length
  // hashed at the lowest cost.  Change what the test is about.
  HomeserverOptions homeserver;
  uint64_t seed = 1;
  Timestamp start{1'700'000'000'000};
  // Where the server logs; nowhere by default.  Outlives the server.
  Logger* log = nullptr;
  // How the server reaches others, homeservers and identity servers alike;
  // nobody by default.  Outlives the server.
  HttpClient* network = nullptr;

  // Lets the parts below the server (store, cache, blobs, search, leases, bus)
  // fail at random; see testing/faults.h.
  struct Faults {
    uint64_t seed = 1;
    FaultRates rates = FaultRates::All(20);
    // Requests that are answered 500, 503 or 504 are sent again, as a client
    // does, so often at most; 0 to see every answer.  While a POST is under way
    // no answer of a commit is lost: sent again it could happen twice.
    int repeats = 100;
  };
  // Nothing fails by default; with the environment variable
  // MATRIXCORE_FAULT_SEED=7 all of a program's fake homeservers begin with
  // Faults{.seed = 7}, so that whole test programs can be run under faults.
  std::optional<Faults> faults;
};

// Thread-safe, except that one thread at a time calls Advance and Restart.
// Functions that send a request wait for its answer in real time; a request
// that waits for something itself (a long poll) is started with Start.
class FakeHomeserver final : public HttpHandler {
 public:
  explicit FakeHomeserver(FakeHomeserverOptions options = {});
  ~FakeHomeserver() override;

  // --- Requests ---
  void Handle(HttpRequest request, Responder respond) override;

  struct User {
    std::string user_id;
    std::string device_id;
    std::string access_token;
    std::string password;
  };
  // A target is a path with its query; "" is the token of nobody.
  HttpResponse Call(HttpMethod method, std::string_view target,
                    std::string body = "", std::string_view access_token = "");
  std::future<HttpResponse> Start(HttpMethod method, std::string_view target,
                                  std::string body = "",
                                  std::string_view access_token = "");
  HttpResponse Get(const User& user, std::string_view target);
  HttpResponse Post(const User& user, std::string_view target,
                    std::string body = "{}");
  HttpResponse Put(const User& user, std::string_view target,
                   std::string body = "{}");
  HttpResponse Delete(const User& user, std::string_view target,
                      std::string body = "");

  // --- Users ---
  // Through the real endpoints.  The program ends with a message when the
  // server refuses: a test that expects a refusal makes the request itself.
  User Register(std::string_view localpart,
                std::string password = "correct horse battery");
  // A new device of a user.
  User Login(const User& user);

  // --- Time ---
  // Waits until nothing runs any more, then moves on; in between, runs every
  // timer that falls due and waits for what it set off.
  void Advance(Duration by);
  // Waits until the server has nothing to do but to wait for requests or time.
  void Settle();
  SimTime& time();

  // --- Faults ---
  // What options.faults asked for, and how often it happened; to pause it.
  FaultInjector& faults();
  // Every commit fails with `failure` and writes nothing, until it is ok again.
  void FailCommits(Status failure);
  // Every new snapshot fails, until it is ok again.
  void FailReads(Status failure);
  // Shuts the server down and starts it again over the same store.  Requests
  // under way are answered first, long polls with nothing new.
  void Restart();

  // Without faults.
  Store& store();
  const HomeserverOptions& options() const;
  const std::string& server_name() const { return options().server_name; }
  // The Prometheus text of the server's metrics.
  std::string MetricsText() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
