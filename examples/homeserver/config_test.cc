#include "config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "settings.h"

namespace matrixcore::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config MustParse(std::string_view text, const Environment& environment = {}) {
  auto config = ParseConfig(text, "test.toml", environment);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : Config();
}

std::string ErrorOf(std::string_view text,
                    const Environment& environment = {}) {
  const auto config = ParseConfig(text, "test.toml", environment);
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  return config.status().message();
}

TEST(Config, HasDefaultsForEverything) {
  const Config config = MustParse("");
  EXPECT_EQ(config.homeserver.server_name, "localhost");
  EXPECT_EQ(config.homeserver.default_room_version, "12");
  EXPECT_EQ(config.data_dir, "data");
  EXPECT_FALSE(config.homeserver.registration.enabled);
  EXPECT_TRUE(config.homeserver.rate_limits.enabled);
  EXPECT_EQ(config.homeserver.rate_limits.login.burst, 10);
  EXPECT_EQ(config.log.level, LogLevel::kInfo);
  EXPECT_EQ(config.limits.max_body_bytes, 50u << 20);
  EXPECT_EQ(config.limits.idle_timeout, seconds(75));
  EXPECT_EQ(config.sqlite.synchronous, SqliteOptions::Synchronous::kFull);
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].address, "127.0.0.1");
  EXPECT_EQ(config.listeners[0].port, 8008);
  EXPECT_FALSE(config.listeners[0].tls);
  EXPECT_TRUE(config.reserved.empty());
}

// The defaults of the table are those of the structs that other programs use.
TEST(Config, HasTheDefaultsOfTheLibrary) {
  const Config config = MustParse("");
  const HttpLimits limits;
  EXPECT_EQ(config.limits.max_header_bytes, limits.max_header_bytes);
  EXPECT_EQ(config.limits.max_header_fields, limits.max_header_fields);
  EXPECT_EQ(config.limits.max_body_bytes, limits.max_body_bytes);
  EXPECT_EQ(config.limits.max_total_body_bytes, limits.max_total_body_bytes);
  EXPECT_EQ(config.limits.max_connections, limits.max_connections);
  EXPECT_EQ(config.limits.max_connections_per_address,
            limits.max_connections_per_address);
  EXPECT_EQ(config.limits.handshake_timeout, limits.handshake_timeout);
  EXPECT_EQ(config.limits.header_timeout, limits.header_timeout);
  EXPECT_EQ(config.limits.body_timeout, limits.body_timeout);
  EXPECT_EQ(config.limits.min_bytes_per_second, limits.min_bytes_per_second);
  EXPECT_EQ(config.limits.idle_timeout, limits.idle_timeout);
  const SqliteOptions sqlite;
  EXPECT_EQ(config.sqlite.mmap_bytes, sqlite.mmap_bytes);
  EXPECT_EQ(config.sqlite.wal_bytes, sqlite.wal_bytes);
  EXPECT_EQ(config.sqlite.busy_timeout, sqlite.busy_timeout);
  const HomeserverOptions options;
  EXPECT_EQ(config.homeserver.max_json_body_bytes, options.max_json_body_bytes);
  EXPECT_EQ(config.homeserver.max_sync_timeout, options.max_sync_timeout);
  EXPECT_EQ(config.homeserver.access_token_lifetime_ms,
            options.access_token_lifetime_ms);
  EXPECT_EQ(config.homeserver.metrics_addresses, options.metrics_addresses);
}

TEST(Config, ReadsTheKeysOfTheConformanceSuite) {
  const Config config = MustParse(R"(
server_name = "localhost:8448"
public_base_url = "http://localhost:8008/"
data_dir = "/srv/data"
default_room_version = "10"
[log]
file = "/var/log/hs.log"
level = "debug"
[registration]
enabled = true
guests = true
shared_secret = "reg_secret"
[rate_limits]
enabled = false
[federation]
insecure_skip_tls_verify = false
custom_ca_files = ["ca.crt"]
allow_loopback = true
allow_public_rooms = true
[outbound]
insecure_skip_tls_verify = false
custom_ca_files = ["ca.crt"]
allow_loopback = true
[app_services]
registration_files = []
[media]
url_preview = true
allow_unauthenticated = true
[email]
smtp_host = "localhost"
smtp_port = 25
from = "homeserver@localhost"
[captcha]
siteverify_url = "http://localhost:1/"
public_key = "a"
private_key = "b"
[cas]
server_url = "http://localhost:2/"
[[listeners]]
address = "127.0.0.1"
port = 8008
tls = false
[[listeners]]
address = "127.0.0.1"
port = 8448
tls = true
tls_certificate = "tls.crt"
tls_private_key = "tls.key"
)");
  EXPECT_EQ(config.homeserver.server_name, "localhost:8448");
  EXPECT_EQ(config.homeserver.public_base_url, "http://localhost:8008");
  EXPECT_EQ(config.homeserver.default_room_version, "10");
  EXPECT_EQ(config.log.file, "/var/log/hs.log");
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_TRUE(config.homeserver.registration.enabled);
  EXPECT_TRUE(config.homeserver.registration.guests);
  EXPECT_EQ(config.homeserver.registration.shared_secret, "reg_secret");
  EXPECT_FALSE(config.homeserver.rate_limits.enabled);
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[1].port, 8448);
  EXPECT_TRUE(config.listeners[1].tls);
  EXPECT_EQ(config.listeners[1].tls_private_key, "tls.key");
  EXPECT_THAT(config.reserved, ::testing::Contains("media.url_preview"));
}

TEST(Config, TakesSecondsAsFractions) {
  EXPECT_EQ(
      MustParse("[limits]\nheader_timeout_seconds = 2.5").limits.header_timeout,
      milliseconds(2500));
  EXPECT_EQ(
      MustParse("[limits]\nheader_timeout_seconds = 3").limits.header_timeout,
      seconds(3));
}

TEST(Config, NamesWhatIsWrongAndWhere) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"server_nam = \"a\"",
       "test.toml:1: unknown key server_nam; did you mean server_name?"},
      {"\n[registration]\nenable = true",
       "test.toml:3: unknown key registration.enable; did you mean "
       "registration.enabled?"},
      {"[log]\nguests = true",
       "test.toml:2: unknown key log.guests; did you mean "
       "registration.guests?"},
      {"[registrations]\nenabled = true",
       "test.toml:1: unknown table registrations; did you mean registration?"},
      {"zzzzzzzz = 1", "test.toml:1: unknown key zzzzzzzz"},
      {"log = 1", "test.toml:1: log must be a table: [log]"},
      {"server_name = 1", "test.toml:1: server_name must be a string"},
      {"server_name = \"a b\"",
       "test.toml:1: server_name must be a server name: a DNS name or IP "
       "address, with or without a port"},
      {"public_base_url = \"example.org\"",
       "test.toml:1: public_base_url must be an http:// or https:// URL, or "
       "\"\""},
      {"default_room_version = \"99\"",
       "test.toml:1: default_room_version must be a known room version"},
      {"[registration]\nenabled = \"yes\"",
       "test.toml:2: registration.enabled must be true or false"},
      {"[limits]\nmax_connections = 0",
       "test.toml:2: limits.max_connections must be a whole number from 1 to "
       "10000000"},
      {"[limits]\nmax_connections = 1.5",
       "test.toml:2: limits.max_connections must be a whole number from 1"},
      {"[rate_limits]\nlogin_per_second = -1",
       "test.toml:2: rate_limits.login_per_second must be a number, 0 or more"},
      {"[limits]\nidle_timeout_seconds = nan",
       "test.toml:2: limits.idle_timeout_seconds must be a number from 0.01 to "
       "86400"},
      {"[log]\nlevel = \"loud\"",
       "test.toml:2: log.level must be \"trace\", \"debug\""},
      {"[log]\nformat = \"xml\"",
       "test.toml:2: log.format must be \"text\" or \"json\""},
      {"[database]\nsynchronous = \"off\"",
       "test.toml:2: database.synchronous must be \"full\" or \"normal\""},
      {"admin_users = [\"alice\"]",
       "test.toml:1: admin_users must be full user ids"},
      {"admin_users = [1]",
       "test.toml:1: admin_users must be a list of strings"},
      {"[server]\ntrusted_proxies = [\"10.0.0.1/8\"]",
       "test.toml:2: server.trusted_proxies must be addresses or ranges"},
      {"[media]\nurl_preview = 1",
       "test.toml:2: media.url_preview must be true or false"},
      {"[email]\nsmtp_port = 70000",
       "test.toml:2: email.smtp_port must be a whole number from 1 to 65535"},
      {"[[listeners]]\nadress = \"::\"",
       "test.toml:2: unknown key listeners.adress; did you mean "
       "listeners.address?"},
      {"[[listeners]]\naddress = \"localhost\"",
       "test.toml:2: listeners.address must be an IPv4 or IPv6 address"},
      {"[[listeners]]\nport = 65536",
       "test.toml:2: listeners.port must be a whole number from 0 to 65535"},
      {"\n[[listeners]]\ntls = true",
       "test.toml:2: listeners: tls needs tls_certificate and tls_private_key"},
      {"[listeners]\nport = 1",
       "test.toml:1: listeners are tables of their own, each begun with "
       "[[listeners]]"},
      {"a = 1\na = 2", "test.toml:2: "},
      {"[log\n", "test.toml:1: "},
      {"server_name = \"\xff\"", "test.toml:1: "},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ErrorOf(test.text), HasSubstr(test.error)) << test.text;
  }
}

TEST(Config, LetsTheEnvironmentOverrideEverything) {
  const Config config = MustParse(
      "server_name = \"a\"\n[registration]\nenabled = false\n"
      "[[listeners]]\nport = 1",
      {{"MATRIXCORE__SERVER_NAME", "b"},
       {"MATRIXCORE__REGISTRATION__ENABLED", "true"},
       {"MATRIXCORE__ADMIN_USERS", "@a:b, @c:b"},
       {"MATRIXCORE__RATE_LIMITS__LOGIN_PER_SECOND", "0.5"},
       {"MATRIXCORE__LIMITS__MAX_CONNECTIONS", "7"},
       {"MATRIXCORE__LISTENERS__0__PORT", "2"},
       {"MATRIXCORE__LISTENERS__1__ADDRESS", "::1"},
       {"MATRIXCORE__MEDIA__URL_PREVIEW", "true"},
       {"MATRIXCORE_DATA", "not ours"},
       {"PATH", "/bin"}});
  EXPECT_EQ(config.homeserver.server_name, "b");
  EXPECT_TRUE(config.homeserver.registration.enabled);
  EXPECT_THAT(config.homeserver.admin_users, ElementsAre("@a:b", "@c:b"));
  EXPECT_EQ(config.homeserver.rate_limits.login.per_second, 0.5);
  EXPECT_EQ(config.limits.max_connections, 7u);
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].port, 2);
  EXPECT_EQ(config.listeners[1].address, "::1");
  EXPECT_THAT(config.reserved, ElementsAre("media.url_preview"));
}

TEST(Config, NamesTheVariableThatIsWrong) {
  const struct {
    const char* name;
    const char* value;
    const char* error;
  } kCases[] = {
      {"MATRIXCORE__SERVER_NAM", "a",
       "environment variable MATRIXCORE__SERVER_NAM: unknown key server_nam; "
       "did you mean server_name?"},
      {"MATRIXCORE__REGISTRATION__ENABLED", "yes",
       "environment variable MATRIXCORE__REGISTRATION__ENABLED: "
       "registration.enabled must be true or false"},
      {"MATRIXCORE__LIMITS__MAX_CONNECTIONS", "7x", "must be a whole number"},
      {"MATRIXCORE__LIMITS__MAX_CONNECTIONS", "", "must be a whole number"},
      {"MATRIXCORE__LISTENERS__2__PORT", "1",
       "there is no listener before that one"},
      {"MATRIXCORE__LISTENERS__PORT", "1",
       "expected MATRIXCORE__LISTENERS__NUMBER__KEY"},
      {"MATRIXCORE__LISTENERS__0__PROT", "1",
       "expected MATRIXCORE__LISTENERS__NUMBER__KEY"},
      {"MATRIXCORE__LISTENERS__0__TLS", "true",
       "tls needs tls_certificate and tls_private_key"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ErrorOf("", {{test.name, test.value}}), HasSubstr(test.error))
        << test.name;
  }
}

TEST(Config, NamesAFileThatCannotBeRead) {
  const auto config = LoadConfig("no/such/file.toml", {});
  EXPECT_EQ(config.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(config.status().message(), HasSubstr("no/such/file.toml"));
  const std::string empty = ::testing::TempDir() + "mc-empty-config.toml";
  std::ofstream(empty).close();
  EXPECT_TRUE(LoadConfig(empty, {}).ok());
  std::remove(empty.c_str());
}

// Removes the '#' before keys.
std::string Uncommented(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#') && !line.starts_with("# ")) line.erase(0, 1);
    out += line + "\n";
  }
  return out;
}

TEST(DefaultConfigText, ChangesNothing) {
  for (const std::string& text :
       {DefaultConfigText(), Uncommented(DefaultConfigText())}) {
    const Config config = MustParse(text);
    EXPECT_EQ(config.homeserver.server_name, "localhost");
    EXPECT_EQ(config.homeserver.registration.enabled, false);
    ASSERT_EQ(config.listeners.size(), 1u);
    EXPECT_EQ(config.listeners[0].port, 8008);
  }
}

TEST(DefaultConfigText, HasEveryKey) {
  const std::string text = DefaultConfigText();
  for (const Setting& setting : AllSettings()) {
    EXPECT_THAT(text, HasSubstr("\n#" + std::string(setting.key) + " = " +
                                std::string(setting.default_value) + "\n"));
  }
}

TEST(ConfigDocs, AreTheOnesInTheDocsFolder) {
  std::ifstream in(std::string(MC_PROJECT_DIR) + "/docs/configuration.md");
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), ConfigDocs())
      << "make it again: homeserver --print-config-docs > "
         "docs/configuration.md";
}

TEST(Settings, AreNamedOnceAndGroupedBySection) {
  std::vector<std::string> names;
  std::vector<std::string_view> sections;
  for (const Setting& setting : AllSettings()) {
    names.push_back(FullName(setting.section, setting.key));
    if (sections.empty() || sections.back() != setting.section) {
      sections.push_back(setting.section);
    }
  }
  std::vector<std::string_view> declared;
  for (const Section& section : AllSections()) declared.push_back(section.name);
  EXPECT_EQ(sections, declared);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace matrixcore::server
