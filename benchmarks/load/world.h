// The users and rooms that a run needs, made on the server or read back from
// the state file of an earlier run.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "http_client.h"
#include "matrixcore/base/status.h"
#include "options.h"

namespace matrixcore::load {

struct User {
  std::string id;
  std::string token;
  std::string filter;           // id of the stored sync filter
  std::vector<uint32_t> rooms;  // indexes into World::rooms
};

struct Room {
  std::string id;
  std::vector<uint32_t> members;  // indexes into World::users
};

// The first Options::users users and Options::rooms rooms are the active ones;
// behind them come the parked users and their quiet rooms.
struct World {
  std::vector<User> users;
  std::vector<Room> rooms;
};

// Who is where, without ids and tokens: room r has the members r*m, r*m+1, ...
// (modulo the number of users), so that members spread evenly.
World PlanWorld(const Options& options);

// Makes it so on the server.  Progress goes to stderr.  Runs `io`.
Result<World> PrepareWorld(const Options& options, boost::asio::io_context& io,
                           HttpClient& client);

}  // namespace matrixcore::load
