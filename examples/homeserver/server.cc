#include "server.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "data_dir.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/local.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/executor.h"
#include "memory_plan.h"

namespace matrixcore::server {
namespace {

size_t Threads(int64_t configured, size_t automatic) {
  return configured > 0 ? static_cast<size_t>(configured) : automatic;
}

std::unique_ptr<Executor> NewLane(const char* name, const LaneConfig& lane,
                                  size_t automatic, int niceness = 0) {
  return NewThreadPool(name, Threads(lane.threads, automatic),
                       static_cast<size_t>(lane.queue), niceness);
}

}  // namespace

// In the order of making; destroyed in the reverse order.
struct Server::Parts {
  explicit Parts(const Config& c) : config(c) {}

  Config config;
  std::unique_ptr<Logger> log;
  std::unique_ptr<Clock> clock = NewSystemClock();
  std::unique_ptr<Random> random = NewSystemRandom();
  std::unique_ptr<Metrics> metrics = NewMetrics();
  // Outlives all that keeps something in it.
  std::unique_ptr<CacheBudget> caches;
  std::unique_ptr<CacheAccount> page_caches;
  // Shared with the metrics.
  std::shared_ptr<SqlitePageCounts> page_counts =
      std::make_shared<SqlitePageCounts>();
  std::optional<SigningKey> signing_key;
  std::unique_ptr<Store> store;
  std::unique_ptr<Cache> cache;
  std::unique_ptr<BlobStore> blobs;
  std::unique_ptr<SearchIndex> search;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<Bus> bus;
  std::unique_ptr<Timers> timers;
  std::unique_ptr<Executor> interactive;
  std::unique_ptr<Executor> background;
  std::unique_ptr<Executor> rooms;
  std::unique_ptr<HttpClient> federation;
  std::unique_ptr<HttpClient> outbound;
  std::unique_ptr<Homeserver> homeserver;
  std::unique_ptr<HttpServer> http;
  size_t search_cache_bytes = 0;
  bool stopped = false;

  Status OpenLog();
  Status OpenData();
  Status OpenSecrets();
  Status PlanCaches(size_t threads);
  Status OpenStore();
  Status StartHomeserver();
  void ShowPageCounts();
  Status StartHttp(const std::vector<int>& sockets);
};

Status Server::Parts::OpenLog() {
  MC_ASSIGN_OR_RETURN(log, NewLogger(config.log));
  log->Info("server", "starting",
            {{"server_name", config.homeserver.server_name},
             {"config", config.file},
             {"data_dir", config.data_dir}});
  for (const std::string& key : config.reserved) {
    log->Warn("config", "key has no effect in this version", {{"key", key}});
  }
  return OkStatus();
}

Status Server::Parts::OpenSecrets() {
  const std::string key_file = PathBelow(config.data_dir, "signing.key");
  MC_ASSIGN_OR_RETURN(signing_key, LoadOrMakeSigningKey(key_file, *random));
  std::vector<std::string> private_files = {key_file};
  HomeserverOptions::Registration& registration =
      config.homeserver.registration;
  if (!config.shared_secret_enabled) {
    registration.shared_secret.clear();
  } else if (registration.shared_secret.empty()) {
    const std::string file =
        PathBelow(config.data_dir, config.shared_secret_file);
    MC_ASSIGN_OR_RETURN(registration.shared_secret,
                        LoadOrMakeSecret(file, *random));
    private_files.push_back(file);
  }
  for (const std::string& file : private_files) {
    if (ReadableByOthers(file)) {
      log->Warn("server", "secret file is readable by others: chmod 600",
                {{"file", file}});
    }
  }
  return OkStatus();
}

Status Server::Parts::PlanCaches(size_t threads) {
  SqliteOptions& sqlite = config.sqlite;
  // Every worker may hold a snapshot, and two more for checks and maintenance.
  sqlite.readers = Threads(config.readers, threads + 2);
  MC_ASSIGN_OR_RETURN(const MemoryPlan plan,
                      PlanMemory(config, sqlite.readers));
  sqlite.writer_cache_bytes = plan.writer_pages;
  sqlite.reader_cache_bytes = plan.reader_pages;
  search_cache_bytes = plan.search_pages;
  caches = std::make_unique<CacheBudget>(
      static_cast<size_t>(config.cache_budget_bytes));
  page_caches = std::make_unique<CacheAccount>(
      *caches, "sqlite_pages", 0, [](size_t) { return size_t{0}; });
  page_caches->Add(static_cast<ptrdiff_t>(plan.all_pages), 0);
  sqlite.page_counts = page_counts.get();
  return OkStatus();
}

Status Server::Parts::OpenStore() {
  SqliteOptions options = config.sqlite;
  options.logger = log.get();
  const std::string path = PathBelow(config.data_dir, config.database_path);
  MC_ASSIGN_OR_RETURN(store, OpenSqliteStore(path, MatrixSchema(), options));
  return OkStatus();
}

Status Server::Parts::OpenData() {
  MC_RETURN_IF_ERROR(PrepareDataDir(config.data_dir));
  MC_RETURN_IF_ERROR(OpenSecrets());
  const size_t cores = std::max(std::thread::hardware_concurrency(), 1u);
  const size_t interactive_threads =
      Threads(config.interactive.threads, std::max<size_t>(2 * cores, 4));
  const size_t background_threads =
      Threads(config.background.threads, std::max<size_t>(cores, 2));
  const size_t room_threads =
      Threads(config.rooms.threads, std::max<size_t>(cores, 2));
  MC_RETURN_IF_ERROR(
      PlanCaches(interactive_threads + background_threads + room_threads));
  MC_RETURN_IF_ERROR(OpenStore());
  cache = NewMemoryCache(*clock, *caches);
  MC_ASSIGN_OR_RETURN(blobs,
                      OpenLocalBlobStore(PathBelow(config.data_dir, "media")));
  MC_ASSIGN_OR_RETURN(
      search, OpenSqliteSearchIndex(PathBelow(config.data_dir, "search.db"),
                                    search_cache_bytes, page_counts.get()));
  coordinator = NewMemoryCoordinator(*clock);
  bus = NewMemoryBus();
  timers = NewThreadTimers(*clock);
  interactive = NewLane("interactive", config.interactive, interactive_threads);
  // Hashing passwords and indexing for search can wait when messages come.
  constexpr int kBackgroundNiceness = 10;
  background = NewLane("background", config.background, background_threads,
                       kBackgroundNiceness);
  rooms = NewLane("rooms", config.rooms, room_threads);
  return OkStatus();
}

Status Server::Parts::StartHomeserver() {
  MC_ASSIGN_OR_RETURN(federation,
                      NewCurlClient(config.federation, *clock, *log, *metrics));
  MC_ASSIGN_OR_RETURN(outbound,
                      NewCurlClient(config.outbound, *clock, *log, *metrics));
  const HomeserverDeps deps{.store = *store,
                            .cache = *cache,
                            .blobs = *blobs,
                            .search = *search,
                            .coordinator = *coordinator,
                            .bus = *bus,
                            .clock = *clock,
                            .random = *random,
                            .interactive = *interactive,
                            .background = *background,
                            .rooms = *rooms,
                            .timers = *timers,
                            .signing_key = *signing_key,
                            .log = *log,
                            .metrics = *metrics,
                            .caches = *caches,
                            .federation = federation.get(),
                            .outbound = outbound.get()};
  MC_ASSIGN_OR_RETURN(homeserver, Homeserver::Create(config.homeserver, deps));
  ShowPageCounts();
  return OkStatus();
}

// In the place of the hits and misses of an account that nobody counts for.
void Server::Parts::ShowPageCounts() {
  const MetricLabels labels = {{"cache", "sqlite_pages"}};
  metrics->AddCounterCallback(
      "matrixcore_cache_hits_total", "Look-ups that a cache answered", labels,
      [counts = page_counts] { return static_cast<double>(counts->hits); });
  metrics->AddCounterCallback(
      "matrixcore_cache_misses_total", "Look-ups that a cache could not answer",
      labels,
      [counts = page_counts] { return static_cast<double>(counts->misses); });
}

Status Server::Parts::StartHttp(const std::vector<int>& sockets) {
  if (sockets.size() > config.listeners.size()) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format("the service manager passes {} sockets for {} listeners;"
                    " configure a listener for each",
                    sockets.size(), config.listeners.size())};
  }
  HttpServerOptions options;
  options.limits = config.limits;
  options.threads = static_cast<size_t>(config.event_loops);
  options.trusted_proxies = config.trusted_proxies;
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerConfig& from = config.listeners[i];
    HttpListener listener;
    listener.address = from.address;
    listener.port = static_cast<uint16_t>(from.port);
    if (from.tls) {
      listener.tls = TlsFiles{.certificate = from.tls_certificate,
                              .private_key = from.tls_private_key};
    }
    if (i < sockets.size()) listener.inherited_socket = sockets[i];
    options.listeners.push_back(std::move(listener));
  }
  MC_ASSIGN_OR_RETURN(http, HttpServer::Start(std::move(options), *homeserver,
                                              *clock, *random, *log, *metrics));
  for (const HttpEndpoint& endpoint : http->endpoints()) {
    log->Info("server", "listening",
              {{"address", endpoint.address},
               {"port", endpoint.port},
               {"tls", endpoint.tls}});
  }
  return OkStatus();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const Config& config,
                                              const std::vector<int>& sockets) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Parts>(config)));
  Parts& parts = *server->parts_;
  MC_RETURN_IF_ERROR(parts.OpenLog());
  Status status = parts.OpenData();
  if (status.ok()) status = parts.StartHomeserver();
  if (status.ok()) status = parts.StartHttp(sockets);
  if (!status.ok()) {
    parts.log->Error("server", "cannot start", {{"error", status.message()}});
    return status;
  }
  return server;
}

const std::vector<HttpEndpoint>& Server::endpoints() const {
  return parts_->http->endpoints();
}

void Server::Reload() {
  parts_->log->Flush();
  const Status status = parts_->http->ReloadCertificates();
  if (status.ok()) {
    parts_->log->Info("server", "reloaded");
  } else {
    parts_->log->Error("server", "certificates are unchanged",
                       {{"error", status.message()}});
  }
}

void Server::Stop() {
  if (std::exchange(parts_->stopped, true)) return;
  if (parts_->log) parts_->log->Info("server", "stopping");
  if (parts_->http) parts_->http->StopAccepting();
  if (parts_->homeserver) parts_->homeserver->Shutdown();
  if (parts_->http) parts_->http->Stop(parts_->config.graceful_stop);
  for (Executor* lane : {parts_->interactive.get(), parts_->background.get(),
                         parts_->rooms.get()}) {
    if (lane != nullptr) lane->Shutdown();
  }
  // What still waits for others hears that it waits in vain.
  parts_->federation.reset();
  parts_->outbound.reset();
  parts_->homeserver.reset();
  if (parts_->search) parts_->search->Close();
  if (parts_->store) parts_->store->Close();
  if (parts_->log) {
    parts_->log->Info("server", "stopped");
    parts_->log->Flush();
  }
}

}  // namespace matrixcore::server
