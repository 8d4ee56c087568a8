#include "settings.h"

#include <chrono>
#include <type_traits>
#include <utility>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/net/ip_range.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::server {
namespace {

template <typename T>
void Assign(T& target, const SettingValue& value) {
  if constexpr (std::is_same_v<T, bool>) {
    target = std::get<bool>(value);
  } else if constexpr (std::is_same_v<T, Duration>) {
    target = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::get<double>(value)));
  } else if constexpr (std::is_integral_v<T>) {
    target = static_cast<T>(std::get<int64_t>(value));
  } else {
    target = std::get<T>(value);
  }
}

template <typename T, typename Member>
auto& Follow(T& object, Member member) {
  return object.*member;
}
template <typename T, typename First, typename... Rest>
auto& Follow(T& object, First first, Rest... rest) {
  return Follow(object.*first, rest...);
}

// Set<&Config::limits, &HttpLimits::max_body_bytes> stores into
// config.limits.max_body_bytes.
template <auto... Path>
std::string Set(Config& config, const SettingValue& value) {
  Assign(Follow(config, Path...), value);
  return "";
}
template <auto Member>
std::string SetListener(ListenerConfig& listener, const SettingValue& value) {
  Assign(listener.*Member, value);
  return "";
}

using Options = HomeserverOptions;

std::string SetServerName(Config& config, const SettingValue& value) {
  const auto& name = std::get<std::string>(value);
  if (!IsServerName(name) || name.size() > 230) {
    return "a server name: a DNS name or IP address, with or without a port";
  }
  config.homeserver.server_name = name;
  return "";
}

std::string SetPublicBaseUrl(Config& config, const SettingValue& value) {
  std::string url = std::get<std::string>(value);
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  if (!url.empty() && (!http || url.find_first_of(" \"<>#?") != url.npos)) {
    return "an http:// or https:// URL, or \"\"";
  }
  while (url.ends_with('/')) url.pop_back();
  config.homeserver.public_base_url = std::move(url);
  return "";
}

std::string SetDataDir(Config& config, const SettingValue& value) {
  const auto& path = std::get<std::string>(value);
  if (path.empty()) return "the path of a folder";
  config.data_dir = path;
  return "";
}

std::string SetRoomVersion(Config& config, const SettingValue& value) {
  const auto& version = std::get<std::string>(value);
  if (FindRoomVersion(version) == nullptr) {
    std::string known;
    for (const RoomVersionRules* rules : AllRoomVersions()) {
      known.append(known.empty() ? "\"" : ", \"")
          .append(rules->id)
          .append("\"");
    }
    return "a known room version: " + known;
  }
  config.homeserver.default_room_version = version;
  return "";
}

std::string SetAdmins(Config& config, const SettingValue& value) {
  const auto& users = std::get<std::vector<std::string>>(value);
  for (const std::string& user : users) {
    if (!IsUserId(user)) return "full user ids, such as \"@alice:example.org\"";
  }
  config.homeserver.admin_users = users;
  return "";
}

// A contact is a user id or an e-mail address.
template <const char* kRole>
std::string SetContacts(Config& config, const SettingValue& value) {
  auto& contacts = config.homeserver.support.contacts;
  std::erase_if(contacts, [](const auto& c) { return c.role == kRole; });
  for (const std::string& text : std::get<std::vector<std::string>>(value)) {
    HomeserverOptions::Support::Contact contact;
    contact.role = kRole;
    if (IsUserId(text)) {
      contact.matrix_id = text;
    } else if (!text.empty() && text.front() != '@' &&
               text.find('@') != std::string::npos) {
      contact.email_address = text;
    } else {
      return "full user ids or e-mail addresses";
    }
    contacts.push_back(std::move(contact));
  }
  return "";
}
constexpr char kAdminRole[] = "m.role.admin";
constexpr char kSecurityRole[] = "m.role.security";

std::string SetLogLevel(Config& config, const SettingValue& value) {
  const auto level = ParseLogLevel(std::get<std::string>(value));
  if (!level) {
    return "\"trace\", \"debug\", \"info\", \"warn\", \"error\" or \"off\"";
  }
  config.log.level = *level;
  return "";
}

std::string SetLogFormat(Config& config, const SettingValue& value) {
  const auto& format = std::get<std::string>(value);
  if (format != "text" && format != "json") return "\"text\" or \"json\"";
  config.log.format = format == "json" ? LogFormat::kJson : LogFormat::kText;
  return "";
}

std::string SetSynchronous(Config& config, const SettingValue& value) {
  const auto& mode = std::get<std::string>(value);
  if (mode != "full" && mode != "normal") return "\"full\" or \"normal\"";
  config.sqlite.synchronous = mode == "full"
                                  ? SqliteOptions::Synchronous::kFull
                                  : SqliteOptions::Synchronous::kNormal;
  return "";
}

std::string SetTokenLifetime(Config& config, const SettingValue& value) {
  config.homeserver.access_token_lifetime_ms =
      static_cast<int64_t>(std::get<double>(value) * 1000);
  return "";
}

std::string SetTrustedProxies(Config& config, const SettingValue& value) {
  config.trusted_proxies.clear();
  for (const auto& text : std::get<std::vector<std::string>>(value)) {
    const auto range = IpRange::Parse(text);
    if (!range) {
      return "addresses or ranges, such as \"127.0.0.1\" or \"10.0.0.0/8\"";
    }
    config.trusted_proxies.push_back(*range);
  }
  return "";
}

// Of an HTTP client of ours.
template <CurlClientOptions Config::*Client>
std::string SetAllowLoopback(Config& config, const SettingValue& value) {
  std::vector<IpRange>& allowed = (config.*Client).filter.allowed;
  allowed.clear();
  if (!std::get<bool>(value)) return "";
  for (const std::string_view range : {"127.0.0.0/8", "::1"}) {
    allowed.push_back(*IpRange::Parse(range));
  }
  return "";
}

std::string SetListenerAddress(ListenerConfig& listener,
                               const SettingValue& value) {
  const auto& address = std::get<std::string>(value);
  if (!IpAddress::Parse(address)) {
    return "an IPv4 or IPv6 address, such as \"127.0.0.1\" or \"::\"";
  }
  listener.address = address;
  return "";
}

constexpr Section kSections[] = {
    {"", "The server itself."},
    {"support", "Whom users can turn to when something is wrong."},
    {"log", "What the server writes about its work."},
    {"registration", "Who may make an account."},
    {"passwords",
     "How passwords are judged and kept (Argon2id). Stored hashes carry their "
     "own parameters and are renewed at the next login."},
    {"tokens", "Access tokens."},
    {"rate_limits",
     "How many requests of each class one user may make, or one address when "
     "nobody is logged in: so many a second, and so many at once (the burst). "
     "A rate of 0 is no limit."},
    {"sync", "Clients waiting for events."},
    {"presence", "Who is online."},
    {"delayed_events",
     "Events that users have the server send later (MSC4140)."},
    {"users", "What one user may keep on the server."},
    {"limits",
     "What one client, or all of them together, may use up. Requests beyond "
     "are refused with the status that is named."},
    {"database",
     "The SQLite database. Copy FILE-wal along with FILE, or use sqlite3's "
     ".backup."},
    {"caches",
     "Memory for what may be forgotten and read again. running-a-server.md "
     "says "
     "how it is divided and what to choose."},
    {"server", "Threads, queues, proxies and the end."},
    {"metrics", "Figures in Prometheus' text format at /metrics."},
    {"federation",
     "Requests to other homeservers. This version asks the policy servers of "
     "rooms, and nobody else yet."},
    {"outbound",
     "Requests to push gateways, application services, identity servers and "
     "previewed pages."},
    {"app_services", "Application services: bridges and bots."},
    {"media", "Files."},
    {"email", "Sending e-mail."},
    {"captcha", "A question for new users that programs cannot answer."},
    {"cas", "Login by a CAS server."},
};

using enum SettingType;

constexpr Setting kSettings[] = {
    {"", "server_name", kString, "\"localhost\"",
     "The domain part of the ids that this server gives out: "
     "@alice:SERVER_NAME. Choose it once: a database made for one name cannot "
     "be used with another.",
     SetServerName},
    {"", "public_base_url", kString, "\"\"",
     "The URL under which clients reach this server, as told in "
     "/.well-known/matrix/client and at login. \"\" tells them none.",
     SetPublicBaseUrl},
    {"", "data_dir", kString, "\"data\"",
     "The folder of the database, the signing key and generated secrets. Made "
     "with mode 0700 if it does not exist. A relative path starts where the "
     "server is started.",
     SetDataDir},
    {"", "default_room_version", kString, "\"12\"",
     "The room version of new rooms whose creator does not choose one.",
     SetRoomVersion},
    {"", "admin_users", kStrings, "[]",
     "Full ids of users with administrators' rights, besides those registered "
     "as administrators.",
     SetAdmins},

    {"", "policy_server_key", kString, "\"\"",
     "The unpadded base64 ed25519 key of the policy server of this host name, "
     "as told in /.well-known/matrix/policy_server. \"\" tells none.",
     Set<&Config::homeserver, &Options::policy_server_key>},

    {"support", "admins", kStrings, "[]",
     "User ids and e-mail addresses to turn to, as told in "
     "/.well-known/matrix/support.",
     SetContacts<kAdminRole>},
    {"support", "security", kStrings, "[]",
     "The same for what is about security.", SetContacts<kSecurityRole>},
    {"support", "page", kString, "\"\"", "The URL of a page that helps users.",
     Set<&Config::homeserver, &Options::support, &Options::Support::page>},

    {"log", "level", kString, "\"info\"",
     "The least important records that are written: trace, debug, info, warn, "
     "error or off.",
     SetLogLevel},
    {"log", "format", kString, "\"text\"",
     "text (key=value) or json (one object a line).", SetLogFormat},
    {"log", "file", kString, "\"\"",
     "The file to append to; \"\" is standard error. A file that was moved "
     "away is made anew (log rotation).",
     Set<&Config::log, &LogOptions::file>},

    {"registration", "enabled", kBool, "false",
     "Whether anyone who reaches the server may register.",
     Set<&Config::homeserver, &Options::registration,
         &Options::Registration::enabled>},
    {"registration", "guests", kBool, "false",
     "Whether guests may use the server without an account.",
     Set<&Config::homeserver, &Options::registration,
         &Options::Registration::guests>},
    {"registration", "require_token", kBool, "false",
     "Whether registration asks for a registration token "
     "(m.login.registration_token).",
     Set<&Config::homeserver, &Options::registration,
         &Options::Registration::require_token>},
    {"registration", "shared_secret_enabled", kBool, "true",
     "Whether who knows the shared secret may register users, administrators "
     "too, whatever the keys above say: what `matrixcore-admin register` does.",
     Set<&Config::shared_secret_enabled>},
    {"registration", "shared_secret", kString, "\"\"",
     "That secret. \"\" takes the one in shared_secret_file.",
     Set<&Config::homeserver, &Options::registration,
         &Options::Registration::shared_secret>},
    {"registration", "shared_secret_file", kString, "\"registration_secret\"",
     "The file that holds the secret; a relative path starts in data_dir. Made "
     "with a random secret and mode 0600 if it does not exist.",
     Set<&Config::shared_secret_file>},

    {"passwords", "min_length", kInteger, "8",
     "The least number of characters of a new password.",
     Set<&Config::homeserver, &Options::registration,
         &Options::Registration::min_password_length>,
     1, 512},
    {"passwords", "argon2_passes", kInteger, "2",
     "Argon2id's passes over its memory.",
     Set<&Config::homeserver, &Options::password_cost, &PasswordCost::passes>,
     1, 1000},
    {"passwords", "argon2_memory_bytes", kInteger, "67108864",
     "Argon2id's memory, of each password that is being checked.",
     Set<&Config::homeserver, &Options::password_cost,
         &PasswordCost::memory_bytes>,
     8192, 4294967296.0},

    {"tokens", "access_token_lifetime_seconds", kSeconds, "300",
     "How long an access token lives whose client knows how to refresh it. "
     "Other tokens live until logout.",
     SetTokenLifetime, 1, 31536000},

    {"rate_limits", "enabled", kBool, "true", "Whether there are any.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::enabled>},
    {"rate_limits", "login_per_second", kNumber, "0.2", "Logins.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::login, &RateLimitRule::per_second>},
    {"rate_limits", "login_burst", kInteger, "10", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::login, &RateLimitRule::burst>,
     1},
    {"rate_limits", "registration_per_second", kNumber, "0.2", "Registrations.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::registration, &RateLimitRule::per_second>},
    {"rate_limits", "registration_burst", kInteger, "10", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::registration, &RateLimitRule::burst>,
     1},
    {"rate_limits", "message_per_second", kNumber, "20",
     "Events that are sent.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::message, &RateLimitRule::per_second>},
    {"rate_limits", "message_burst", kInteger, "100", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::message, &RateLimitRule::burst>,
     1},
    {"rate_limits", "join_per_second", kNumber, "2",
     "Rooms that are made or joined, and invitations.",
     Set<&Config::homeserver, &Options::rate_limits, &Options::RateLimits::join,
         &RateLimitRule::per_second>},
    {"rate_limits", "join_burst", kInteger, "30", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits, &Options::RateLimits::join,
         &RateLimitRule::burst>,
     1},
    {"rate_limits", "report_per_second", kNumber, "0.1",
     "Reports of rooms, events and users.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::report, &RateLimitRule::per_second>},
    {"rate_limits", "report_burst", kInteger, "20", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::report, &RateLimitRule::burst>,
     1},
    {"rate_limits", "other_per_second", kNumber, "50",
     "Every other request that the specification limits.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::other, &RateLimitRule::per_second>},
    {"rate_limits", "other_burst", kInteger, "200", "The same, at once.",
     Set<&Config::homeserver, &Options::rate_limits,
         &Options::RateLimits::other, &RateLimitRule::burst>,
     1},

    {"sync", "max_timeout_seconds", kSeconds, "120",
     "The longest that a /sync may wait, whatever the client asks.",
     Set<&Config::homeserver, &Options::max_sync_timeout>, 0, 3600},

    {"presence", "enabled", kBool, "true",
     "Whether users see of each other who is online. Costs a write and a "
     "wake-up "
     "of contacts whenever someone comes or goes.",
     Set<&Config::homeserver, &Options::presence>},

    {"delayed_events", "max_delay_seconds", kSeconds, "604800",
     "How long ahead an event may be scheduled.",
     Set<&Config::homeserver, &Options::delayed_events,
         &Options::DelayedEvents::max_delay>,
     1, 31536000},
    {"delayed_events", "max_scheduled", kInteger, "100",
     "How many may wait for one user; 0 refuses all.",
     Set<&Config::homeserver, &Options::delayed_events,
         &Options::DelayedEvents::max_scheduled>,
     0, 100000},

    {"users", "max_devices", kInteger, "1000",
     "Devices, that is logins, of one user; another login is refused: 403.",
     Set<&Config::homeserver, &Options::user_limits,
         &Options::UserLimits::devices>,
     1, 10000},
    {"users", "to_device_queue_bytes", kInteger, "67108864",
     "To-device messages, such as room keys, that may wait for one device; a "
     "device that takes no more is passed over.",
     Set<&Config::homeserver, &Options::user_limits,
         &Options::UserLimits::to_device_queue_bytes>,
     65536, 1e12},
    {"users", "max_backup_keys", kInteger, "2000000",
     "Keys in one key backup; more are refused: 413.",
     Set<&Config::homeserver, &Options::user_limits,
         &Options::UserLimits::backup_keys>,
     1, 1e9},

    {"limits", "max_json_body_bytes", kInteger, "1048576",
     "The largest body of a request with JSON: 413.",
     Set<&Config::homeserver, &Options::max_json_body_bytes>, 65536, 1e9},
    {"limits", "max_body_bytes", kInteger, "52428800",
     "The largest body of any request: 413.",
     Set<&Config::limits, &HttpLimits::max_body_bytes>, 65536, 1e12},
    {"limits", "max_total_body_bytes", kInteger, "536870912",
     "Bodies that are being received, all connections together: 503.",
     Set<&Config::limits, &HttpLimits::max_total_body_bytes>, 65536, 1e12},
    {"limits", "max_header_bytes", kInteger, "16384",
     "The request line and header of a request: 431.",
     Set<&Config::limits, &HttpLimits::max_header_bytes>, 1024, 1048576},
    {"limits", "max_header_fields", kInteger, "128",
     "The number of its header fields: 431.",
     Set<&Config::limits, &HttpLimits::max_header_fields>, 16, 10000},
    {"limits", "max_connections", kInteger, "20000",
     "Connections. When they are used up idle ones are closed for new ones; if "
     "none is idle: 503.",
     Set<&Config::limits, &HttpLimits::max_connections>, 1, 10000000},
    {"limits", "max_connections_per_address", kInteger, "1000",
     "Connections of one address, or of one IPv6 /64: 429. This machine and "
     "trusted proxies are not counted.",
     Set<&Config::limits, &HttpLimits::max_connections_per_address>, 1,
     10000000},
    {"limits", "handshake_timeout_seconds", kSeconds, "10",
     "For a TLS handshake; then closed.",
     Set<&Config::limits, &HttpLimits::handshake_timeout>, 0.01, 3600},
    {"limits", "header_timeout_seconds", kSeconds, "15",
     "From the first byte of a request to the end of its header: 408.",
     Set<&Config::limits, &HttpLimits::header_timeout>, 0.01, 3600},
    {"limits", "body_timeout_seconds", kSeconds, "30",
     "The longest pause in a body, and what a body may take beyond its time at "
     "min_bytes_per_second: 408. Clients that read their answer as slowly are "
     "cut off.",
     Set<&Config::limits, &HttpLimits::body_timeout>, 0.01, 3600},
    {"limits", "min_bytes_per_second", kInteger, "4096",
     "The slowest that a body may come or an answer be read.",
     Set<&Config::limits, &HttpLimits::min_bytes_per_second>, 1, 1e9},
    {"limits", "idle_timeout_seconds", kSeconds, "75",
     "How long a connection may stay without a request. A waiting /sync is a "
     "request.",
     Set<&Config::limits, &HttpLimits::idle_timeout>, 0.01, 86400},

    {"database", "path", kString, "\"homeserver.db\"",
     "The file; a relative path starts in data_dir.",
     Set<&Config::database_path>},
    {"database", "synchronous", kString, "\"full\"",
     "full: what was answered survives a power cut. normal: it survives a "
     "crash of the server, but a power cut may undo the newest changes; faster "
     "on slow disks.",
     SetSynchronous},
    {"database", "readers", kInteger, "0",
     "How many threads read at once, each through a connection of its own; 0 "
     "is as many as there are worker threads, and two.",
     Set<&Config::readers>, 0, 1000},
    {"database", "writer_cache_bytes", kInteger, "0",
     "SQLite's page cache of the writer, a part of caches.budget_bytes; 0 is a "
     "sixteenth of that.",
     Set<&Config::sqlite, &SqliteOptions::writer_cache_bytes>, 0, 1e11},
    {"database", "reader_cache_bytes", kInteger, "0",
     "The same of each reader; 0 is an eighth of the budget divided among all "
     "readers, 65536 to 524288.",
     Set<&Config::sqlite, &SqliteOptions::reader_cache_bytes>, 0, 1e11},
    {"database", "mmap_bytes", kInteger, "0",
     "How much of the file is read through a memory map; it counts as resident "
     "memory.",
     Set<&Config::sqlite, &SqliteOptions::mmap_bytes>, 0, 1e13},
    {"database", "wal_bytes", kInteger, "33554432",
     "The size of the log (FILE-wal) from which it is moved into the file, in "
     "the background. Larger: fewer writes to the file, more to read after a "
     "crash.",
     Set<&Config::sqlite, &SqliteOptions::wal_bytes>, 65536, 1e12},
    {"database", "busy_timeout_seconds", kSeconds, "5",
     "How long to wait for another program that holds the file's lock.",
     Set<&Config::sqlite, &SqliteOptions::busy_timeout>, 0, 600},

    {"caches", "budget_bytes", kInteger, "67108864",
     "The most that all caches together take, SQLite's page caches among them. "
     "An idle server needs little of it.",
     Set<&Config::cache_budget_bytes>, 8388608, 1e13},

    {"server", "event_loops", kInteger, "1",
     "Threads for connections. One serves tens of thousands of requests a "
     "second.",
     Set<&Config::event_loops>, 1, 256},
    {"server", "interactive_threads", kInteger, "0",
     "Threads for ordinary requests; 0 is twice the number of cores, at least "
     "four.",
     Set<&Config::interactive, &LaneConfig::threads>, 0, 1024},
    {"server", "interactive_queue", kInteger, "4096",
     "Requests that may wait for such a thread; more are refused.",
     Set<&Config::interactive, &LaneConfig::queue>, 1, 1e7},
    {"server", "background_threads", kInteger, "0",
     "Threads for slow work, such as hashing passwords; 0 is the number of "
     "cores, at least two.",
     Set<&Config::background, &LaneConfig::threads>, 0, 1024},
    {"server", "background_queue", kInteger, "1024",
     "Requests that may wait for such a thread.",
     Set<&Config::background, &LaneConfig::queue>, 1, 1e7},
    {"server", "room_threads", kInteger, "0",
     "Threads that append to rooms and answer waiting syncs; 0 is the number "
     "of cores, at least two.",
     Set<&Config::rooms, &LaneConfig::threads>, 0, 1024},
    {"server", "room_queue", kInteger, "65536",
     "Tasks that may wait for such a thread.",
     Set<&Config::rooms, &LaneConfig::queue>, 1, 1e8},
    {"server", "graceful_stop_seconds", kSeconds, "10",
     "How long requests that run may still take when the server is told to "
     "end.",
     Set<&Config::graceful_stop>, 0, 3600},
    {"server", "trusted_proxies", kStrings, "[]",
     "Addresses or ranges of reverse proxies whose X-Forwarded-For and "
     "X-Forwarded-Proto are believed.",
     SetTrustedProxies},

    {"metrics", "addresses", kStrings, "[\"127.\", \"::1\"]",
     "Who may read them: clients whose address begins with one of these. Takes "
     "the client behind a trusted proxy, so a proxy should not pass /metrics "
     "on.",
     Set<&Config::homeserver, &Options::metrics_addresses>},

    {"federation", "insecure_skip_tls_verify", kBool, "false",
     "Accept any certificate of another server. For tests.",
     Set<&Config::federation, &CurlClientOptions::insecure_skip_tls_verify>},
    {"federation", "custom_ca_files", kStrings, "[]",
     "PEM files of certificate authorities that are trusted besides the "
     "system's.",
     Set<&Config::federation, &CurlClientOptions::custom_ca_files>},
    {"federation", "allow_loopback", kBool, "false",
     "Talk to servers on this machine. For tests.",
     SetAllowLoopback<&Config::federation>},
    {"federation", "allow_public_rooms", kBool, "false",
     "Let other servers read the room directory. Reserved: has no effect yet.",
     nullptr},

    {"outbound", "insecure_skip_tls_verify", kBool, "false",
     "Accept any certificate. For tests.",
     Set<&Config::outbound, &CurlClientOptions::insecure_skip_tls_verify>},
    {"outbound", "custom_ca_files", kStrings, "[]",
     "PEM files of certificate authorities that are trusted besides the "
     "system's.",
     Set<&Config::outbound, &CurlClientOptions::custom_ca_files>},
    {"outbound", "allow_loopback", kBool, "false",
     "Allow connections to this machine. For tests.",
     SetAllowLoopback<&Config::outbound>},

    {"app_services", "registration_files", kStrings, "[]",
     "Registration files (YAML), one for each application service.", nullptr},

    {"media", "url_preview", kBool, "false",
     "Fetch pages to preview links for clients.", nullptr},
    {"media", "allow_unauthenticated", kBool, "false",
     "Serve media without an access token too, as servers did before Matrix "
     "1.11.",
     nullptr},

    {"email", "smtp_host", kString, "\"\"", "The mail server.", nullptr},
    {"email", "smtp_port", kInteger, "587", "Its port.", nullptr, 1, 65535},
    {"email", "from", kString, "\"\"", "The sender's address.", nullptr},

    {"captcha", "siteverify_url", kString, "\"\"",
     "The URL that judges an answer.", nullptr},
    {"captcha", "public_key", kString, "\"\"", "Given to clients.", nullptr},
    {"captcha", "private_key", kString, "\"\"", "Known to this server only.",
     nullptr},

    {"cas", "server_url", kString, "\"\"", "The CAS server.", nullptr},
};

constexpr ListenerSetting kListenerSettings[] = {
    {"address", kString, "\"127.0.0.1\"",
     "The address to listen on: 127.0.0.1 for this machine only, \"::\" or "
     "\"0.0.0.0\" for all.",
     SetListenerAddress},
    {"port", kInteger, "8008",
     "The port; 0 is any free one, which the log names.",
     SetListener<&ListenerConfig::port>, 0, 65535},
    {"tls", kBool, "false", "Whether to speak HTTPS.",
     SetListener<&ListenerConfig::tls>},
    {"tls_certificate", kString, "\"\"",
     "The PEM file of the certificate and its chain. Read again on SIGHUP.",
     SetListener<&ListenerConfig::tls_certificate>},
    {"tls_private_key", kString, "\"\"",
     "The PEM file of its private key, without a passphrase.",
     SetListener<&ListenerConfig::tls_private_key>},
};

}  // namespace

std::span<const Section> AllSections() { return kSections; }
std::span<const Setting> AllSettings() { return kSettings; }
std::span<const ListenerSetting> AllListenerSettings() {
  return kListenerSettings;
}

std::string FullName(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key)
                         : std::string(section) + "." + std::string(key);
}

}  // namespace matrixcore::server
