#include <fmt/format.h>

#include "api/routes.h"
#include "api/test_server.h"
#include "api/versions.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"

namespace matrixcore::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

HttpResponse From(FakeHomeserver& server, std::string_view target,
                  std::string address) {
  HttpRequest request;
  request.target = target;
  request.remote_address = std::move(address);
  std::promise<HttpResponse> promise;
  std::future<HttpResponse> answer = promise.get_future();
  server.Handle(std::move(request), Responder([&promise](HttpResponse r) {
                  promise.set_value(std::move(r));
                }));
  return answer.get();
}

// Spec: GET /.well-known/matrix/support and /.well-known/matrix/policy_server.
TEST(ServerTest, SupportAndPolicyServerAreToldWhenThereAreSome) {
  FakeHomeserver without;
  FakeHomeserverOptions options;
  options.homeserver.support.contacts = {
      {.matrix_id = "@admin:x"},
      {.role = "m.role.security", .email_address = "a@b.example"}};
  options.homeserver.support.page = "https://x/help";
  options.homeserver.policy_server_key = "AAAA";
  FakeHomeserver with(options);
  const std::string support = "/.well-known/matrix/support";
  EXPECT_THAT(without.Call(HttpMethod::kGet, support),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(with.Call(HttpMethod::kGet, support), IsJson(R"({
      "contacts": [
        {"role": "m.role.admin", "matrix_id": "@admin:x"},
        {"role": "m.role.security", "email_address": "a@b.example"}],
      "support_page": "https://x/help"})"));
  const std::string policy = "/.well-known/matrix/policy_server";
  EXPECT_THAT(without.Call(HttpMethod::kGet, policy),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(with.Call(HttpMethod::kGet, policy),
              IsJson(R"({"public_keys": {"ed25519": "AAAA"}})"));
}

TEST(ServerTest, VersionsAreListed) {
  FakeHomeserver server;
  const HttpResponse response =
      server.Call(HttpMethod::kGet, "/_matrix/client/versions");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(At(response, "versions"), StartsWith(R"(["r0.6.1","v1.1")"));
  EXPECT_EQ(At(response, "unstable_features/uk.tcpip.msc4133"), "true");
}

TEST(ServerTest, OnlyVersionsWithAllTheirOperationsAreClaimed) {
  EXPECT_THAT(SpecVersions({}), IsEmpty());
  EXPECT_THAT(SpecVersions({SyncRoutes()}), IsEmpty());
  EXPECT_THAT(SpecVersions(AllRoutes()), Contains("v1.1"));
}

TEST(ServerTest, DiscoveryNeedsAPublicUrl) {
  FakeHomeserver without;
  EXPECT_THAT(without.Call(HttpMethod::kGet, "/.well-known/matrix/client"),
              IsError(404, "M_NOT_FOUND"));
  FakeHomeserverOptions options;
  options.homeserver.public_base_url = "https://m.example";
  FakeHomeserver with(options);
  EXPECT_THAT(with.Call(HttpMethod::kGet, "/.well-known/matrix/client"),
              IsJson(R"({"m.homeserver":{"base_url":"https://m.example"}})"));
}

TEST(ServerTest, Capabilities) {
  FakeHomeserver server;
  const User alice = server.Register("alice");
  const HttpResponse response =
      server.Get(alice, "/_matrix/client/v3/capabilities");
  EXPECT_EQ(TextAt(response, "capabilities/m.room_versions/default"), "12");
  const std::string available =
      At(response, "capabilities/m.room_versions/available");
  for (const std::string_view version : {"1", "6", "11", "12"}) {
    EXPECT_THAT(available, HasSubstr(fmt::format(R"("{}":"stable")", version)));
  }
  EXPECT_EQ(At(response, "capabilities/m.change_password"),
            R"({"enabled":true})");
  EXPECT_EQ(At(response, "capabilities/m.3pid_changes"),
            R"({"enabled":false})");
  EXPECT_THAT(server.Call(HttpMethod::kGet, "/_matrix/client/v3/capabilities"),
              IsError(401, "M_MISSING_TOKEN"));
}

TEST(ServerTest, HealthTellsVersionAndUptime) {
  FakeHomeserver server;
  server.Advance(seconds(90));
  const HttpResponse response = server.Call(HttpMethod::kGet, "/health");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(TextAt(response, "status"), "ok");
  EXPECT_EQ(At(response, "uptime_seconds"), "90");
  EXPECT_NE(TextAt(response, "version"), "");
  EXPECT_EQ(HeaderOf(response, "Cache-Control"), "no-store");
}

TEST(ServerTest, MetricsAreForTheAddressesThatMayLook) {
  FakeHomeserver server;
  const HttpResponse local = From(server, "/metrics", "127.0.0.1");
  EXPECT_EQ(local.status, 200);
  EXPECT_EQ(HeaderOf(local, "Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(local.body, HasSubstr("# TYPE matrixcore_http_requests_in_flight "
                                    "gauge"));
  EXPECT_EQ(From(server, "/metrics", "::1").status, 200);
  EXPECT_THAT(From(server, "/metrics", "192.0.2.7"),
              IsError(403, "M_FORBIDDEN"));
}

TEST(ServerTest, MetricsShowEveryCacheAndTheBudget) {
  FakeHomeserver server;
  server.Register("alice");
  const std::string text = From(server, "/metrics", "127.0.0.1").body;
  using ::testing::HasSubstr;
  EXPECT_THAT(text, HasSubstr("matrixcore_cache_budget_bytes 33554432\n"));
  for (const char* cache :
       {"bump_stamps", "events", "filters", "general", "joined_users",
        "lazy_members", "push_rules", "recalled_reads", "recent_notices",
        "room_lists", "room_numbers", "rooms", "sliding_connections",
        "state_keys", "states", "timelines", "told_counts", "tokens",
        "user_rooms"}) {
    for (const char* figure :
         {"hits_total", "misses_total", "bytes", "entries"}) {
      EXPECT_THAT(text, HasSubstr(std::string("matrixcore_cache_") + figure +
                                  "{cache=\"" + cache + "\"} "));
    }
  }
}

// --- Making a server ---

class CreateTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Homeserver>> Create(HomeserverOptions options) {
    return Homeserver::Create(std::move(options), {.store = *store_,
                                                   .cache = *cache_,
                                                   .blobs = *blobs_,
                                                   .search = *search_,
                                                   .coordinator = *coordinator_,
                                                   .bus = *bus_,
                                                   .clock = time_,
                                                   .random = *random_,
                                                   .interactive = lane_,
                                                   .background = lane_,
                                                   .rooms = lane_,
                                                   .timers = time_,
                                                   .signing_key = key_,
                                                   .log = *log_,
                                                   .metrics = *metrics_,
                                                   .caches = caches_});
  }
  // The answer so far; status 0 when there is none.
  static HttpResponse Ask(Homeserver& server, std::string_view target,
                          SimExecutor& lane) {
    HttpResponse answer;
    answer.status = 0;
    HttpRequest request;
    request.target = target;
    server.Handle(std::move(request), Responder([&answer](HttpResponse r) {
                    answer = std::move(r);
                  }));
    lane.RunAll();
    return answer;
  }

  SimTime time_;
  SimExecutor lane_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  SigningKey key_ = SigningKey::Generate(*random_, "t");
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<Store> store_ = NewMemoryStore(MatrixSchema());
  CacheBudget caches_{8 << 20};
  std::unique_ptr<Cache> cache_ = NewMemoryCache(time_, caches_);
  std::unique_ptr<BlobStore> blobs_ = NewMemoryBlobStore();
  std::unique_ptr<SearchIndex> search_ = NewMemorySearchIndex();
  std::unique_ptr<Coordinator> coordinator_ = NewMemoryCoordinator(time_);
  std::unique_ptr<Bus> bus_ = NewMemoryBus();
};

TEST_F(CreateTest, BadOptionsAreNamed) {
  const auto failure = [&](auto change) {
    HomeserverOptions options;
    change(options);
    return Create(std::move(options)).status();
  };
  const Status name =
      failure([](HomeserverOptions& o) { o.server_name = "not a name"; });
  EXPECT_EQ(name.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(name.message(), StartsWith("server_name"));
  EXPECT_THAT(failure([](HomeserverOptions& o) {
                o.default_room_version = "99";
              }).message(),
              StartsWith("default_room_version"));
  EXPECT_THAT(failure([](HomeserverOptions& o) {
                o.admin_users = {"@a:elsewhere"};
              }).message(),
              StartsWith("admin_users"));
}

TEST_F(CreateTest, AStoreBelongsToOneServerName) {
  HomeserverOptions options;
  options.server_name = "first.example";
  EXPECT_TRUE(Create(options).ok());
  EXPECT_TRUE(Create(options).ok());
  options.server_name = "second.example";
  const Status refused = Create(options).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("'first.example'"));
}

TEST_F(CreateTest, AFullLaneRefusesAtOnce) {
  SimExecutor full(0);
  HomeserverOptions options;
  auto server = Homeserver::Create(options, {.store = *store_,
                                             .cache = *cache_,
                                             .blobs = *blobs_,
                                             .search = *search_,
                                             .coordinator = *coordinator_,
                                             .bus = *bus_,
                                             .clock = time_,
                                             .random = *random_,
                                             .interactive = full,
                                             .background = full,
                                             .rooms = lane_,
                                             .timers = time_,
                                             .signing_key = key_,
                                             .log = *log_,
                                             .metrics = *metrics_,
                                             .caches = caches_});
  ASSERT_TRUE(server.ok());
  const HttpResponse refused = Ask(**server, "/health", full);
  EXPECT_THAT(refused, IsError(429, "M_LIMIT_EXCEEDED"));
  EXPECT_EQ(HeaderOf(refused, "Retry-After"), "1");
  // What needs no lane is answered.
  EXPECT_EQ(Ask(**server, "/_matrix/client/versions", full).status, 200);
}

TEST_F(CreateTest, AfterShutdownEverythingIsRefused) {
  auto server = Create(HomeserverOptions());
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(Ask(**server, "/health", lane_).status, 200);
  (*server)->Shutdown();
  EXPECT_THAT(Ask(**server, "/health", lane_), IsError(503, "M_UNKNOWN"));
}

TEST_F(CreateTest, ALaneThatDropsItsTasksAnswers500) {
  auto server = Create(HomeserverOptions());
  ASSERT_TRUE(server.ok());
  int status = 0;
  HttpRequest request;
  request.target = "/health";
  {
    SimExecutor lane;
    auto own =
        Homeserver::Create(HomeserverOptions(), {.store = *store_,
                                                 .cache = *cache_,
                                                 .blobs = *blobs_,
                                                 .search = *search_,
                                                 .coordinator = *coordinator_,
                                                 .bus = *bus_,
                                                 .clock = time_,
                                                 .random = *random_,
                                                 .interactive = lane,
                                                 .background = lane_,
                                                 .rooms = lane_,
                                                 .timers = time_,
                                                 .signing_key = key_,
                                                 .log = *log_,
                                                 .metrics = *metrics_,
                                                 .caches = caches_});
    ASSERT_TRUE(own.ok());
    (*own)->Handle(std::move(request),
                   Responder([&status](HttpResponse r) { status = r.status; }));
    EXPECT_EQ(status, 0);
    lane.Drop();
    EXPECT_EQ(status, 500);
  }
}

}  // namespace
}  // namespace matrixcore::api
