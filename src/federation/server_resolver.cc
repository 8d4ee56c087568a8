#include "matrixcore/federation/server_resolver.h"

#include <absl/container/flat_hash_map.h>

#include <utility>
#include <vector>

#include "federation/well_known.h"
#include "matrixcore/base/bytes.h"
#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

constexpr Duration kFailureLifetime = seconds(3600);
constexpr size_t kMaxWellKnownBytes = 50u << 10;

struct Remembered {
  ServerLocation location;
  MonotonicTime expires;
};

// Of the budget of all caches.
constexpr uint32_t kShare = 1;

size_t BytesOf(const Remembered& remembered) {
  return HeapBytes(remembered.location.authority) +
         HeapBytes(remembered.location.host);
}

}  // namespace

struct ServerResolver::Rep : std::enable_shared_from_this<Rep> {
  Rep(const Options& o, HttpClient& h, const Clock& c, CacheBudget& budget)
      : options(o),
        client(h),
        clock(c),
        known(budget, "server_locations", kShare, BytesOf) {}

  void Answer(const std::string& name, Result<HttpResponse> response);

  const Options options;
  HttpClient& client;
  const Clock& clock;
  LruCache<std::string, Remembered> known;
  Mutex mutex;
  // Who waits for the answer of a host that is being asked.
  absl::flat_hash_map<std::string, std::vector<Done>> waiting
      MC_GUARDED_BY(mutex);
};

ServerResolver::ServerResolver(const Options& options, HttpClient& client,
                               const Clock& clock, CacheBudget& budget)
    : rep_(std::make_shared<Rep>(options, client, clock, budget)) {}

ServerResolver::~ServerResolver() = default;

void ServerResolver::Resolve(std::string_view server_name, Done done) {
  const ServerNameParts parts = SplitServerName(server_name);
  if (parts.is_ip || !parts.port.empty()) {
    return done(PlainLocation(server_name));
  }
  const std::string name(server_name);
  if (const auto known = rep_->known.Get(name);
      known && rep_->clock.Monotonic() < known->expires) {
    return done(known->location);
  }
  {
    MutexLock lock(rep_->mutex);
    std::vector<Done>& waiting = rep_->waiting[name];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;
  }
  HttpClient::Outgoing request;
  request.url = "https://" + name + "/.well-known/matrix/server";
  request.headers.Add("Accept", "application/json");
  request.timeout = rep_->options.timeout;
  request.max_response_bytes = kMaxWellKnownBytes;
  rep_->client.Send(std::move(request),
                    [rep = rep_, name](Result<HttpResponse> response) {
                      rep->Answer(name, std::move(response));
                    });
}

void ServerResolver::Rep::Answer(const std::string& name,
                                 Result<HttpResponse> response) {
  Remembered remembered{.location = PlainLocation(name),
                        .expires = clock.Monotonic() + kFailureLifetime};
  if (response.ok()) {
    if (const auto delegated = DelegatedName(*response)) {
      remembered.location = PlainLocation(*delegated);
      remembered.expires = clock.Monotonic() + LifetimeOf(*response);
    }
  }
  known.Put(name, remembered);
  std::vector<Done> waiters;
  {
    MutexLock lock(mutex);
    const auto it = waiting.find(name);
    waiters = std::move(it->second);
    waiting.erase(it);
  }
  for (Done& done : waiters) done(remembered.location);
}

}  // namespace matrixcore
