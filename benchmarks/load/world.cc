#include "world.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "matrixcore/base/random.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "parallel.h"

namespace matrixcore::load {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kClient = "/_matrix/client/v3";
constexpr size_t kSessionsAtOnce = 1000;
constexpr std::string_view kAdminRegister = "/_synapse/admin/v1/register";

Result<json::Document> ParseBody(std::string_view what, const Reply& reply) {
  auto document = json::Document::Parse(std::string(reply.body));
  if (!document.ok()) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("{}: not JSON: {}", what, reply.body.substr(0, 300)));
  }
  return document;
}

// The string member `key` of an answer with status 200.
Result<std::string> Take(std::string_view what, const Reply& reply,
                         std::string_view key) {
  if (reply.status != 200) return Unexpected(what, reply);
  MC_ASSIGN_OR_RETURN(const json::Document document, ParseBody(what, reply));
  const auto value = document.root()[key].AsString();
  if (!value) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: no {} in the answer", what, key));
  }
  return std::string(*value);
}

std::string Hmac(std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       digest.data(), &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  }
  return hex;
}

// Makes the planned world on the server.
class WorldBuilder {
 public:
  WorldBuilder(const Options& options, asio::io_context& io, HttpClient& client,
               World world)
      : options_(options), io_(io), client_(client), world_(std::move(world)) {}

  Result<World> Build() {
    MC_RETURN_IF_ERROR(MakeUsers());
    MC_RETURN_IF_ERROR(MakeRooms());
    MC_RETURN_IF_ERROR(StoreFilters());
    return std::move(world_);
  }

  // Whether the tokens and rooms of an earlier run still work.
  Status Check() {
    const auto whoami = [&](size_t i) {
      return Call{.method = "GET",
                  .path = fmt::format("{}/account/whoami", kClient),
                  .token = world_.users[i].token,
                  .body = {}};
    };
    const auto take = [&](size_t, const Reply& reply) {
      return reply.status == 200 ? OkStatus() : Unexpected("whoami", reply);
    };
    return RunCalls(io_, client_, "checked users", world_.users.size(),
                    options_.setup_width, whoami, take);
  }

 private:
  Status MakeUsers() {
    if (!options_.token_file.empty()) return ReadTokens();
    if (!options_.shared_secret.empty()) return RegisterBySecret();
    return RegisterByDummy();
  }

  // As many users as there are, through every call of `make`.
  Status ForUsers(std::string_view what,
                  const std::function<Call(size_t)>& make,
                  const std::function<Status(size_t, const Reply&)>& take) {
    return RunCalls(io_, client_, what, world_.users.size(),
                    options_.setup_width, make, take);
  }

  std::string NameOf(size_t user) const {
    return fmt::format("{}{}", options_.user_prefix, user);
  }

  std::string RegisterBody(size_t user, std::string_view session) const {
    std::string body;
    json::Writer w(&body);
    w.BeginObject();
    w.Field("username", NameOf(user));
    w.Field("password", options_.password);
    if (!session.empty()) {
      w.Key("auth").BeginObject();
      w.Field("type", "m.login.dummy").Field("session", session);
      w.EndObject();
    }
    w.EndObject();
    return body;
  }

  // Some users at a time: a server keeps so many open sessions and no more.
  Status RegisterByDummy() {
    std::vector<size_t> taken;  // registered by an earlier run
    for (size_t i = 0; i < world_.users.size(); i += kSessionsAtOnce) {
      MC_RETURN_IF_ERROR(RegisterByDummy(
          i, std::min(kSessionsAtOnce, world_.users.size() - i), &taken));
    }
    return LogIn(taken);
  }

  Status RegisterByDummy(size_t first, size_t count,
                         std::vector<size_t>* taken) {
    std::vector<std::string> sessions(first + count);
    const std::string path = fmt::format("{}/register", kClient);
    MC_RETURN_IF_ERROR(RunCalls(
        io_, client_, "sessions", count, options_.setup_width,
        [&](size_t n) {
          return Call{
              .path = path, .token = {}, .body = RegisterBody(first + n, "")};
        },
        [&](size_t n, const Reply& reply) {
          return TakeSession(first + n, reply, &sessions[first + n], taken);
        }));
    std::vector<size_t> fresh;
    for (size_t i = first; i < sessions.size(); ++i) {
      if (!sessions[i].empty()) fresh.push_back(i);
    }
    return RunCalls(
        io_, client_, "registered", fresh.size(), options_.setup_width,
        [&](size_t n) {
          return Call{.path = path,
                      .token = {},
                      .body = RegisterBody(fresh[n], sessions[fresh[n]])};
        },
        [&](size_t n, const Reply& reply) {
          return TakeUser("register", fresh[n], reply);
        });
  }

  static Status TakeSession(size_t user, const Reply& reply,
                            std::string* session, std::vector<size_t>* taken) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        ParseBody("register", reply));
    const json::Value root = document.root();
    if (reply.status == 400 &&
        root["errcode"].StringOr("") == "M_USER_IN_USE") {
      taken->push_back(user);
      return OkStatus();
    }
    if (reply.status != 401) return Unexpected("register", reply);
    for (const json::Value flow : root["flows"]) {
      const json::Value stages = flow["stages"];
      if (stages.size() == 1 && stages.at(0).StringOr("") == "m.login.dummy") {
        *session = root["session"].StringOr("");
        if (!session->empty()) return OkStatus();
      }
    }
    return Status(StatusCode::kUnsupported,
                  "the server does not register with m.login.dummy alone");
  }

  Status TakeUser(std::string_view what, size_t user, const Reply& reply) {
    MC_ASSIGN_OR_RETURN(world_.users[user].id, Take(what, reply, "user_id"));
    MC_ASSIGN_OR_RETURN(world_.users[user].token,
                        Take(what, reply, "access_token"));
    return OkStatus();
  }

  Status LogIn(const std::vector<size_t>& users) {
    return RunCalls(
        io_, client_, "logged in", users.size(), options_.setup_width,
        [&](size_t n) {
          std::string body;
          json::Writer w(&body);
          w.BeginObject().Field("type", "m.login.password");
          w.Key("identifier").BeginObject();
          w.Field("type", "m.id.user").Field("user", NameOf(users[n]));
          w.EndObject();
          w.Field("password", options_.password).EndObject();
          return Call{.path = fmt::format("{}/login", kClient),
                      .token = {},
                      .body = std::move(body)};
        },
        [&](size_t n, const Reply& reply) {
          return TakeUser("login", users[n], reply);
        });
  }

  Status RegisterBySecret() {
    std::vector<std::string> nonces(world_.users.size());
    MC_RETURN_IF_ERROR(ForUsers(
        "nonces",
        [&](size_t) {
          return Call{.method = "GET",
                      .path = std::string(kAdminRegister),
                      .token = {},
                      .body = {}};
        },
        [&](size_t i, const Reply& reply) -> Status {
          MC_ASSIGN_OR_RETURN(nonces[i], Take("nonce", reply, "nonce"));
          return OkStatus();
        }));
    std::vector<size_t> taken;
    MC_RETURN_IF_ERROR(ForUsers(
        "registered",
        [&](size_t i) {
          const std::string signed_text = nonces[i] + '\0' + NameOf(i) + '\0' +
                                          options_.password + '\0' + "notadmin";
          std::string body;
          json::Writer w(&body);
          w.BeginObject().Field("nonce", nonces[i]);
          w.Field("username", NameOf(i)).Field("password", options_.password);
          w.Field("admin", false);
          w.Field("mac", Hmac(options_.shared_secret, signed_text));
          w.EndObject();
          return Call{.path = std::string(kAdminRegister),
                      .token = {},
                      .body = std::move(body)};
        },
        [&](size_t i, const Reply& reply) -> Status {
          if (reply.status == 400 &&
              reply.body.find("M_USER_IN_USE") != std::string_view::npos) {
            taken.push_back(i);
            return OkStatus();
          }
          return TakeUser("register", i, reply);
        }));
    return LogIn(taken);
  }

  Status ReadTokens() {
    std::ifstream file(options_.token_file);
    for (User& user : world_.users) {
      if (!(file >> user.id >> user.token)) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: fewer than {} lines of user and token",
                                  options_.token_file, world_.users.size()));
      }
    }
    return OkStatus();
  }

  Status MakeRooms() {
    MC_RETURN_IF_ERROR(RunCalls(
        io_, client_, "created rooms", world_.rooms.size(),
        options_.setup_width,
        [&](size_t i) {
          const User& creator = world_.users[world_.rooms[i].members.front()];
          return Call{.path = fmt::format("{}/createRoom", kClient),
                      .token = creator.token,
                      .body = fmt::format(
                          R"({{"preset":"public_chat","name":"load {}"}})", i)};
        },
        [&](size_t i, const Reply& reply) -> Status {
          MC_ASSIGN_OR_RETURN(world_.rooms[i].id,
                              Take("createRoom", reply, "room_id"));
          return OkStatus();
        }));
    std::vector<std::pair<size_t, uint32_t>> joins;  // room, user
    for (size_t room = 0; room < world_.rooms.size(); ++room) {
      const std::vector<uint32_t>& members = world_.rooms[room].members;
      for (size_t m = 1; m < members.size(); ++m) {
        joins.emplace_back(room, members[m]);
      }
    }
    return RunCalls(
        io_, client_, "joins", joins.size(), options_.setup_width,
        [&](size_t i) {
          return Call{.path = fmt::format(
                          "{}/rooms/{}/join", kClient,
                          EscapeSegment(world_.rooms[joins[i].first].id)),
                      .token = world_.users[joins[i].second].token,
                      .body = {}};
        },
        [&](size_t, const Reply& reply) {
          return reply.status == 200 ? OkStatus() : Unexpected("join", reply);
        });
  }

  // A lean filter: messages and nothing else.
  Status StoreFilters() {
    const std::string filter = fmt::format(
        R"({{"presence":{{"not_types":["*"]}},)"
        R"("account_data":{{"not_types":["*"]}},)"
        R"("room":{{"account_data":{{"not_types":["*"]}},)"
        R"("ephemeral":{{"not_types":["*"]}},)"
        R"("state":{{"lazy_load_members":true}},)"
        R"("timeline":{{"types":["m.room.message"],"limit":{}}}}}}})",
        options_.sync_limit);
    return ForUsers(
        "filters",
        [&](size_t i) {
          return Call{.path = fmt::format("{}/user/{}/filter", kClient,
                                          EscapeSegment(world_.users[i].id)),
                      .token = world_.users[i].token,
                      .body = filter};
        },
        [&](size_t i, const Reply& reply) -> Status {
          MC_ASSIGN_OR_RETURN(world_.users[i].filter,
                              Take("filter", reply, "filter_id"));
          return OkStatus();
        });
  }

  const Options& options_;
  asio::io_context& io_;
  HttpClient& client_;
  World world_;
};

// What a state file must agree on to be reused.
std::string Signature(const Options& o) {
  return fmt::format("{} users={} rooms={} members={} parked={}/{} limit={}",
                     o.url, o.users, o.rooms, o.members, o.parked,
                     o.quiet_room_size, o.sync_limit);
}

Status WriteState(const Options& options, const World& world) {
  std::string text;
  json::Writer w(&text);
  w.BeginObject().Field("for", Signature(options));
  w.Key("users").BeginArray();
  for (const User& user : world.users) {
    w.BeginObject().Field("id", user.id).Field("token", user.token);
    w.Field("filter", user.filter).EndObject();
  }
  w.EndArray();
  w.Key("rooms").BeginArray();
  for (const Room& room : world.rooms) w.String(room.id);
  w.EndArray().EndObject();
  std::ofstream file(options.state_file);
  file << text << '\n';
  file.close();
  if (!file) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{} cannot be written", options.state_file));
  }
  return OkStatus();
}

// Fills in ids and tokens; nullopt when the file does not fit.
std::optional<World> ReadState(const Options& options, World world) {
  std::ifstream file(options.state_file);
  std::stringstream text;
  text << file.rdbuf();
  const auto document = json::Document::Parse(text.str());
  if (!document.ok()) return std::nullopt;
  const json::Value root = document->root();
  if (root["for"].StringOr("") != Signature(options)) return std::nullopt;
  if (root["users"].size() != world.users.size() ||
      root["rooms"].size() != world.rooms.size()) {
    return std::nullopt;
  }
  size_t next = 0;
  for (const json::Value user : root["users"]) {
    world.users[next].id = user["id"].StringOr("");
    world.users[next].token = user["token"].StringOr("");
    world.users[next++].filter = user["filter"].StringOr("");
  }
  next = 0;
  for (const json::Value room : root["rooms"]) {
    world.rooms[next++].id = room.StringOr("");
  }
  return world;
}

}  // namespace

World PlanWorld(const Options& options) {
  World world;
  world.users.resize(options.users + options.parked);
  const auto add_room = [&](uint32_t first, uint32_t count, uint32_t base,
                            uint32_t modulo) {
    Room room;
    for (uint32_t m = 0; m < count; ++m) {
      const uint32_t user = base + (first + m) % modulo;
      room.members.push_back(user);
      world.users[user].rooms.push_back(
          static_cast<uint32_t>(world.rooms.size()));
    }
    world.rooms.push_back(std::move(room));
  };
  const uint32_t members = std::min(options.members, options.users);
  for (uint32_t r = 0; r < options.rooms && members > 0; ++r) {
    add_room(r * members % options.users, members, 0, options.users);
  }
  for (uint32_t p = 0; p < options.parked; p += options.quiet_room_size) {
    add_room(p, std::min(options.quiet_room_size, options.parked - p),
             options.users, options.parked);
  }
  return world;
}

Result<World> PrepareWorld(const Options& options, asio::io_context& io,
                           HttpClient& client) {
  World plan = PlanWorld(options);
  if (!options.state_file.empty()) {
    if (auto world = ReadState(options, plan)) {
      if (WorldBuilder(options, io, client, *world).Check().ok()) {
        return *std::move(world);
      }
      fmt::print(stderr, "setup: {} is of no use any more\n",
                 options.state_file);
    }
  }
  Options named = options;
  if (named.user_prefix.empty()) {
    named.user_prefix = fmt::format(
        "load{}-",
        NewSystemRandom()->String(6, "abcdefghijklmnopqrstuvwxyz0123456789"));
  }
  auto world = WorldBuilder(named, io, client, std::move(plan)).Build();
  if (world.ok() && !options.state_file.empty()) {
    MC_RETURN_IF_ERROR(WriteState(options, *world));
  }
  return world;
}

}  // namespace matrixcore::load
