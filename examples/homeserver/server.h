// The homeserver program's parts, wired: a Homeserver of the library on SQLite,
// local files and sockets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/net/http_server.h"

namespace matrixcore::server {

// Not thread-safe: one thread starts it, reloads it and stops it.
class Server {
 public:
  // Opens everything and serves.  `sockets` listen already, in the order of the
  // configured listeners, and are taken over.  A failure's message names the
  // file, address or key and, where there is one, the cure.
  static Result<std::unique_ptr<Server>> Start(const Config& config,
                                               const std::vector<int>& sockets);
  // Stop().
  ~Server();

  const std::vector<HttpEndpoint>& endpoints() const;

  // Takes new certificates and a new log file into use; logs what it cannot.
  void Reload();

  // Answers waiting syncs, lets running requests end within the configured
  // time, writes what was acknowledged, closes the database.  Idempotent.
  void Stop();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace matrixcore::server
