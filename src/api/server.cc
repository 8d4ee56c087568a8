// What the server says of itself: versions, discovery, capabilities, health,
// metrics.
#include <algorithm>

#include "api/params.h"
#include "api/routes.h"
#include "api/versions.h"
#include "api/well_known.h"
#include "matrixcore/api/services.h"
#include "matrixcore/roomversion/room_version.h"
#include "matrixcore/service/delayed_events.h"

namespace matrixcore::api {
namespace {

// Features that clients may use although no claimed version has them yet.
constexpr std::string_view kUnstableFeatures[] = {
    "org.matrix.msc3391",             // Deleting account data.
    "org.matrix.msc3814",             // Dehydrated devices.
    "org.matrix.msc4140",             // Delayed events.
    "org.matrix.msc4306",             // Thread subscriptions ...
    "org.matrix.msc4308",             // ... and their changes.
    "org.matrix.simplified_msc3575",  // Sliding sync.
    "uk.tcpip.msc4133",               // Extended profile fields,
    "uk.tcpip.msc4133.stable",        // also under their stable names.
};

std::string VersionsJson() {
  return ObjectReply([](json::Writer& w) {
           w.Key("versions").BeginArray();
           for (const std::string_view version : SpecVersions(AllRoutes())) {
             w.String(version);
           }
           w.EndArray();
           w.Key("unstable_features").BeginObject();
           for (const std::string_view feature : kUnstableFeatures) {
             w.Field(feature, true);
           }
           w.EndObject();
         })
      .body;
}

Result<Reply> GetVersions(Call&) {
  static const std::string json = VersionsJson();
  return JsonReply(json);
}

Result<Reply> GetWellKnown(Call& call) {
  const std::string& base_url = call.services.options.public_base_url;
  if (base_url.empty()) return NotFound("No discovery information");
  std::string body;
  json::Writer writer(&body);
  WriteWellKnown(writer, base_url);
  return JsonReply(std::move(body));
}

Result<Reply> GetSupport(Call& call) {
  const HomeserverOptions::Support& support = call.services.options.support;
  if (support.contacts.empty() && support.page.empty()) {
    return NotFound("No support information");
  }
  return ObjectReply([&](json::Writer& w) {
    if (!support.contacts.empty()) {
      w.Key("contacts").BeginArray();
      for (const auto& contact : support.contacts) {
        w.BeginObject();
        if (!contact.email_address.empty()) {
          w.Field("email_address", contact.email_address);
        }
        if (!contact.matrix_id.empty()) w.Field("matrix_id", contact.matrix_id);
        w.Field("role", contact.role);
        w.EndObject();
      }
      w.EndArray();
    }
    if (!support.page.empty()) w.Field("support_page", support.page);
  });
}

Result<Reply> GetPolicyServer(Call& call) {
  const std::string& key = call.services.options.policy_server_key;
  if (key.empty()) return NotFound("No policy server information");
  return ObjectReply([&](json::Writer& w) {
    w.Key("public_keys").BeginObject().Field("ed25519", key).EndObject();
  });
}

// MSC4140
void WriteDelayedEventLimits(json::Writer& w,
                             const DelayedEventService::Options& options) {
  w.Key("org.matrix.msc4140.delayed_events").BeginObject();
  w.Field("max_delay_ms", options.max_delay_ms);
  w.Field("max_scheduled", static_cast<int64_t>(options.max_scheduled));
  w.EndObject();
}

Result<Reply> GetCapabilities(Call& call) {
  // Spec: "Guest Access": guests change nothing but their display name.
  const bool guest = call.session->is_guest;
  return ObjectReply([&](json::Writer& w) {
    w.Key("capabilities").BeginObject();
    for (const auto& [name, enabled] : {std::pair("m.3pid_changes", false),
                                        {"m.change_password", !guest},
                                        {"m.forget_forced_upon_leave", false},
                                        {"m.get_login_token", false},
                                        {"m.set_avatar_url", !guest},
                                        {"m.set_displayname", true}}) {
      w.Key(name).BeginObject().Field("enabled", enabled).EndObject();
    }
    w.Key("m.profile_fields").BeginObject();
    if (guest) {
      w.Key("allowed").BeginArray().String("displayname").EndArray();
    }
    w.Field("enabled", true).EndObject();
    if (call.session->is_admin) {
      w.Key("m.account_moderation").BeginObject();
      w.Field("lock", true).Field("suspend", true).EndObject();
    }
    WriteDelayedEventLimits(w, call.services.delayed_events.options());
    w.Key("m.room_versions").BeginObject();
    w.Field("default", call.services.options.default_room_version);
    w.Key("available").BeginObject();
    for (const RoomVersionRules* rules : AllRoomVersions()) {
      w.Field(rules->id, rules->stable ? "stable" : "unstable");
    }
    w.EndObject().EndObject();
    w.EndObject();
  });
}

Result<Reply> GetHealth(Call& call) {
  const HomeserverDeps& deps = call.services.deps;
  const Status store = deps.store.Check();
  if (!store.ok()) {
    deps.log.Error("api", "the store fails its check",
                   {{"error", store.ToString()}});
  }
  const Duration up = deps.clock.Monotonic() - call.services.started;
  Reply reply = ObjectReply([&](json::Writer& w) {
    w.Field("status", store.ok() ? "ok" : "failing");
    w.Field("store", store.ok() ? "ok" : "failing");
    w.Field("version", MATRIXCORE_VERSION);
    w.Field("uptime_seconds", up.count() / 1'000'000'000);
  });
  if (!store.ok()) reply.status = 503;
  reply.headers.Add("Cache-Control", "no-store");
  return reply;
}

Result<Reply> GetMetrics(Call& call) {
  const auto& allowed = call.services.options.metrics_addresses;
  const std::string& address = call.request.remote_address;
  const bool may = std::any_of(
      allowed.begin(), allowed.end(), [&](const std::string& prefix) {
        return address.compare(0, prefix.size(), prefix) == 0;
      });
  if (!may) return Forbidden("Metrics are not shown to this address");
  Reply reply = JsonReply(call.services.deps.metrics.Text());
  reply.headers.Add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  return reply;
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/versions", Auth::kNone,
     RateLimit::kNone, Lane::kInline, Body::kNone, &GetVersions, "getVersions"},
    {HttpMethod::kGet, "/.well-known/matrix/client", Auth::kNone,
     RateLimit::kNone, Lane::kInline, Body::kNone, &GetWellKnown,
     "getWellknown"},
    {HttpMethod::kGet, "/.well-known/matrix/support", Auth::kNone,
     RateLimit::kNone, Lane::kInline, Body::kNone, &GetSupport,
     "getWellknownSupport"},
    {HttpMethod::kGet, "/.well-known/matrix/policy_server", Auth::kNone,
     RateLimit::kNone, Lane::kInline, Body::kNone, &GetPolicyServer,
     "getWellknownPolicy"},
    {HttpMethod::kGet, "/_matrix/client/v3/capabilities", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetCapabilities,
     "getCapabilities"},
    {HttpMethod::kGet, "/health", Auth::kNone, RateLimit::kNone,
     Lane::kInteractive, Body::kNone, &GetHealth, ""},
    {HttpMethod::kGet, "/metrics", Auth::kNone, RateLimit::kNone,
     Lane::kInteractive, Body::kNone, &GetMetrics, ""},
};

}  // namespace

std::span<const Route> ServerRoutes() { return kRoutes; }

}  // namespace matrixcore::api
