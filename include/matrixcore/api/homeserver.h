// Homeserver: a complete Matrix homeserver without sockets and without a store
// of its own.  main() gives it real parts; the fake homeserver of the test kit
// gives it memory backends and a simulated clock; both talk to it through
// HttpHandler.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/executor.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/time.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/cache/cache.h"
#include "matrixcore/coord/bus.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/crypto/password.h"
#include "matrixcore/http/message.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Requests a second and at once, for one class of requests; counted for each
// user, or for each address when nobody is logged in.
struct RateLimitRule {
  double per_second = 0;  // 0: no limit.
  int64_t burst = 0;
};

struct HomeserverOptions {
  std::string server_name = "localhost";
  // The base URL that clients are told in .well-known and at login; "" to tell
  // them none.
  std::string public_base_url;
  std::string default_room_version = "12";

  // What /.well-known/matrix/support tells; nothing when all of it is empty.
  struct Support {
    struct Contact {
      std::string role = "m.role.admin";
      std::string matrix_id = {};  // At least one of these two.
      std::string email_address = {};
    };
    std::vector<Contact> contacts = {};
    std::string page = {};  // A URL.
  } support;
  // The policy server that this host name has, for /.well-known: its unpadded
  // base64 ed25519 key; "" for none.
  std::string policy_server_key;

  struct Registration {
    bool enabled = true;
    bool guests = false;
    bool require_token = false;  // m.login.registration_token
    std::string shared_secret;   // "" disables the operators' endpoint.
    size_t min_password_length = 8;
  } registration;

  struct RateLimits {
    bool enabled = true;
    RateLimitRule login{0.2, 10};
    RateLimitRule registration{0.2, 10};
    RateLimitRule message{20, 100};
    RateLimitRule join{2, 30};
    RateLimitRule report{0.1, 20};
    RateLimitRule other{50, 200};
  } rate_limits;

  // Whether users see who is online.
  bool presence = true;
  struct DelayedEvents {
    Duration max_delay = std::chrono::hours(7 * 24);
    size_t max_scheduled = 100;  // Of a user; 0: nobody may.
  } delayed_events;

  // What one user may keep on the server.
  struct UserLimits {
    size_t devices = 1000;
    int64_t to_device_queue_bytes = int64_t{64} << 20;  // Of a device.
    int64_t backup_keys = 2'000'000;                    // Of a key backup.
  } user_limits;

  PasswordCost password_cost;
  int64_t access_token_lifetime_ms = 300'000;  // For clients that refresh.
  Duration max_sync_timeout = seconds(120);
  size_t max_json_body_bytes = 1u << 20;
  std::vector<std::string> admin_users;  // Full user ids.
  // Who may see /metrics: those whose address starts with one of these.
  std::vector<std::string> metrics_addresses = {"127.", "::1"};
};

// Everything that the server needs from outside; all of it outlives the server.
struct HomeserverDeps {
  // Opened with MatrixSchema().  While the server lives nobody else writes to
  // it (see store/recall_store.h).
  Store& store;
  Cache& cache;
  BlobStore& blobs;
  SearchIndex& search;  // Follows the store; may be empty at first.
  Coordinator& coordinator;
  Bus& bus;
  const Clock& clock;
  Random& random;
  Executor& interactive;  // Requests.
  Executor& background;   // Password hashes, searches and other slow work.
  Executor& rooms;        // Draining of room queues; resumption of syncs.
  Timers& timers;
  const SigningKey& signing_key;
  Logger& log;
  Metrics& metrics;
  CacheBudget& caches;  // The memory of everything that may be forgotten.
  // For requests to other homeservers, and to those that users choose (identity
  // servers): their targets are strangers' words, so both must refuse addresses
  // that are not public.  Null: nobody is reached, and what needs them fails.
  HttpClient* federation = nullptr;
  HttpClient* outbound = nullptr;
};

// The tables of all floors, for opening a store.
const Schema& MatrixSchema();

// Thread-safe.  Its executors must run nothing of it any more when it is
// destroyed: call Shutdown(), then shut them down, then destroy it.
class Homeserver : public HttpHandler {
 public:
  // kFailedPrecondition when the store belongs to another server name, or an
  // option is invalid; the message names it.
  static Result<std::unique_ptr<Homeserver>> Create(HomeserverOptions options,
                                                    const HomeserverDeps& deps);
  ~Homeserver() override;

  void Handle(HttpRequest request, Responder respond) override;

  // Answers parked syncs, refuses new work with M_UNKNOWN 503, completes what
  // is queued.  The store stays open.
  void Shutdown();

 private:
  struct Rep;
  explicit Homeserver(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
