#include "matrixcore/testing/fake_homeserver.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "fake_homeserver/watched.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/testing/faulty_parts.h"

namespace matrixcore {
namespace {

constexpr size_t kCacheBytes = 32u << 20;
constexpr size_t kMaxQueued = 10'000;

[[noreturn]] void Fail(const std::string& message) {
  std::fputs(("FakeHomeserver: " + message + "\n").c_str(), stderr);
  std::abort();
}

// The real server's answer to a request of ours that must not fail.
FakeHomeserver::User ReadUser(const HttpResponse& response,
                              std::string password) {
  Result<json::Document> body = json::Document::Parse(response.body);
  if (response.status != 200 || !body.ok()) {
    Fail(fmt::format("{}: {}", response.status, response.body));
  }
  const json::Value root = body->root();
  return {.user_id = std::string(root["user_id"].StringOr("")),
          .device_id = std::string(root["device_id"].StringOr("")),
          .access_token = std::string(root["access_token"].StringOr("")),
          .password = std::move(password)};
}

}  // namespace

FakeHomeserverOptions::FakeHomeserverOptions() {
  homeserver.server_name = "fake.example";
  homeserver.registration.min_password_length = 1;
  homeserver.rate_limits.enabled = false;
  homeserver.password_cost = {.passes = 1, .memory_bytes = 8192};
  if (const char* const text = std::getenv("MATRIXCORE_FAULT_SEED")) {
    faults.emplace().seed = std::strtoull(text, nullptr, 10);
  }
}

// What outlives a restart, then what does not.
struct FakeHomeserver::Rep {
  explicit Rep(FakeHomeserverOptions o)
      : options(std::move(o)),
        time(options.start),
        random(NewSeededRandom(options.seed)),
        null_log(NewNullLogger()),
        key(SigningKey::Generate(*random, "fake")),
        memory(NewMemoryStore(MatrixSchema())),
        store(*memory, activity),
        caches(kCacheBytes),
        cache(NewMemoryCache(time, caches)),
        blobs(NewMemoryBlobStore()),
        search(NewMemorySearchIndex()),
        faults(options.faults ? options.faults->seed : 0,
               options.faults ? options.faults->rates : FaultRates()) {
    Begin();
  }
  ~Rep() {
    End();
    memory->Close();  // What is under way ends while all of this is here.
  }

  void Begin();
  void End();
  struct Attempt;

  const FakeHomeserverOptions options;
  SimTime time;
  std::unique_ptr<Random> random;
  std::unique_ptr<Logger> null_log;
  SigningKey key;
  Activity activity;
  std::unique_ptr<Store> memory;
  WatchedStore store;
  CacheBudget caches;
  std::unique_ptr<Cache> cache;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<SearchIndex> search;

  // What the server gets: the above, with faults.
  FaultInjector faults;
  FaultyStore faulty_store{store, faults};
  FaultyCache faulty_cache{*cache, faults};
  FaultyBlobStore faulty_blobs{*blobs, faults};
  FaultySearchIndex faulty_search{*search, faults};

  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<Bus> bus;
  std::unique_ptr<FaultyCoordinator> faulty_coordinator;
  std::unique_ptr<FaultyBus> faulty_bus;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<WatchedExecutor> interactive, background, rooms;
  std::unique_ptr<Homeserver> server;
  std::atomic<bool> ending{false};
};

void FakeHomeserver::Rep::Begin() {
  // A server that finds its store unavailable does not start; here it shall.
  const FaultInjector::Pause pause(faults);
  ending = false;
  coordinator = NewMemoryCoordinator(time);
  faulty_coordinator =
      std::make_unique<FaultyCoordinator>(*coordinator, faults);
  bus = NewMemoryBus();
  faulty_bus = std::make_unique<FaultyBus>(*bus, faults);
  metrics = NewMetrics();
  const auto lane = [this](const char* name, size_t threads) {
    return std::make_unique<WatchedExecutor>(
        NewThreadPool(name, threads, kMaxQueued), activity);
  };
  interactive = lane("fake-requests", 2);
  background = lane("fake-slow", 1);
  rooms = lane("fake-rooms", 1);
  Result<std::unique_ptr<Homeserver>> made = Homeserver::Create(
      options.homeserver,
      {.store = faulty_store,
       .cache = faulty_cache,
       .blobs = faulty_blobs,
       .search = faulty_search,
       .coordinator = *faulty_coordinator,
       .bus = *faulty_bus,
       .clock = time,
       .random = *random,
       .interactive = *interactive,
       .background = *background,
       .rooms = *rooms,
       .timers = time,
       .signing_key = key,
       .log = options.log == nullptr ? *null_log : *options.log,
       .metrics = *metrics,
       .caches = caches,
       .federation = options.network,
       .outbound = options.network});
  if (!made.ok()) Fail(made.status().ToString());
  server = std::move(made).value();
}

void FakeHomeserver::Rep::End() {
  ending = true;
  server->Shutdown();
  interactive->Shutdown();
  background->Shutdown();
  rooms->Shutdown();
  server.reset();
}

// A request that is sent again while faults answer it.
struct FakeHomeserver::Rep::Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(Rep& r, HttpRequest q, std::promise<HttpResponse> p)
      : rep(r), request(std::move(q)), promise(std::move(p)) {
    if (!rep.options.faults) return;
    left = rep.options.faults->repeats;
    if (left > 0 && request.method == HttpMethod::kPost) {
      pause.emplace(rep.faults, Fault::kCommitAnswerLost);
    }
  }

  void Send() {
    rep.server->Handle(HttpRequest(request),
                       Responder([self = shared_from_this()](HttpResponse r) {
                         self->OnAnswer(std::move(r));
                       }));
  }

  void OnAnswer(HttpResponse response) {
    const bool failed = response.status == 500 || response.status == 503 ||
                        response.status == 504;
    if (failed && left-- > 0 && !rep.ending) return Send();
    pause.reset();
    promise.set_value(std::move(response));
  }

  Rep& rep;
  const HttpRequest request;
  std::promise<HttpResponse> promise;
  int left = 0;
  std::optional<FaultInjector::Pause> pause;
};

FakeHomeserver::FakeHomeserver(FakeHomeserverOptions options)
    : rep_(std::make_unique<Rep>(std::move(options))) {}

FakeHomeserver::~FakeHomeserver() = default;

void FakeHomeserver::Handle(HttpRequest request, Responder respond) {
  rep_->server->Handle(std::move(request), std::move(respond));
}

std::future<HttpResponse> FakeHomeserver::Start(HttpMethod method,
                                                std::string_view target,
                                                std::string body,
                                                std::string_view access_token) {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.body = std::move(body);
  request.remote_address = "127.0.0.1";
  if (!access_token.empty()) {
    request.headers.Add("Authorization",
                        fmt::format("Bearer {}", access_token));
  }
  std::promise<HttpResponse> promise;
  std::future<HttpResponse> future = promise.get_future();
  std::make_shared<Rep::Attempt>(*rep_, std::move(request), std::move(promise))
      ->Send();
  return future;
}

HttpResponse FakeHomeserver::Call(HttpMethod method, std::string_view target,
                                  std::string body,
                                  std::string_view access_token) {
  return Start(method, target, std::move(body), access_token).get();
}

HttpResponse FakeHomeserver::Get(const User& user, std::string_view target) {
  return Call(HttpMethod::kGet, target, "", user.access_token);
}
HttpResponse FakeHomeserver::Post(const User& user, std::string_view target,
                                  std::string body) {
  return Call(HttpMethod::kPost, target, std::move(body), user.access_token);
}
HttpResponse FakeHomeserver::Put(const User& user, std::string_view target,
                                 std::string body) {
  return Call(HttpMethod::kPut, target, std::move(body), user.access_token);
}
HttpResponse FakeHomeserver::Delete(const User& user, std::string_view target,
                                    std::string body) {
  return Call(HttpMethod::kDelete, target, std::move(body), user.access_token);
}

FakeHomeserver::User FakeHomeserver::Register(std::string_view localpart,
                                              std::string password) {
  const FaultInjector::Pause pause(rep_->faults);
  std::string body;
  json::Writer(&body)
      .BeginObject()
      .Field("username", localpart)
      .Field("password", password)
      .RawField("auth", R"({"type":"m.login.dummy"})")
      .EndObject();
  return ReadUser(
      Call(HttpMethod::kPost, "/_matrix/client/v3/register", std::move(body)),
      std::move(password));
}

FakeHomeserver::User FakeHomeserver::Login(const User& user) {
  const FaultInjector::Pause pause(rep_->faults);
  std::string body;
  json::Writer w(&body);
  w.BeginObject().Field("type", "m.login.password");
  w.Key("identifier").BeginObject().Field("type", "m.id.user");
  w.Field("user", user.user_id).EndObject();
  w.Field("password", user.password).EndObject();
  return ReadUser(
      Call(HttpMethod::kPost, "/_matrix/client/v3/login", std::move(body)),
      user.password);
}

void FakeHomeserver::Settle() { rep_->activity.WaitIdle(); }

void FakeHomeserver::Advance(Duration by) {
  Settle();
  const MonotonicTime end = rep_->time.Monotonic() + by;
  while (rep_->time.Step(end)) Settle();
}

SimTime& FakeHomeserver::time() { return rep_->time; }

FaultInjector& FakeHomeserver::faults() { return rep_->faults; }
void FakeHomeserver::FailCommits(Status failure) {
  rep_->store.FailCommits(std::move(failure));
}
void FakeHomeserver::FailReads(Status failure) {
  rep_->store.FailReads(std::move(failure));
}

void FakeHomeserver::Restart() {
  rep_->End();
  rep_->Begin();
}

Store& FakeHomeserver::store() { return rep_->store; }
const HomeserverOptions& FakeHomeserver::options() const {
  return rep_->options.homeserver;
}
std::string FakeHomeserver::MetricsText() const {
  return rep_->metrics->Text();
}

}  // namespace matrixcore
