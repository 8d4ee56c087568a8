// What the command line of matrixcore-load says.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace matrixcore::load {

struct Options {
  std::string url;
  bool insecure = false;

  // Setting up.
  std::string state_file;   // reused when it fits, written when not
  std::string user_prefix;  // empty: a new one for each run
  std::string password = "load generator pass phrase 1";
  std::string shared_secret;  // registers through the admin endpoint
  std::string token_file;     // "user_id access_token" a line; registers no one
  uint32_t setup_width = 16;  // requests at once

  // Who is there.
  uint32_t users = 100;
  uint32_t rooms = 50;
  uint32_t members = 2;           // of each room
  uint32_t quiet_room_size = 10;  // members of a room of parked users

  // What they do.
  uint32_t senders = 50;
  double rate = 0;  // sends a second in all; 0: as fast as answered
  uint32_t body_bytes = 100;
  uint32_t syncers = 0;
  uint32_t sync_limit = 100;  // events of a timeline
  uint32_t sync_timeout_ms = 30'000;
  uint32_t parked = 0;   // further users with an idle long poll each
  bool sliding = false;  // syncers and parked users: simplified sliding sync

  double warmup_s = 3;
  double duration_s = 10;
  double drain_s = 2;   // waits for late deliveries
  double settle_s = 3;  // between the last parked sync and measuring
  int64_t timeout_ms = 120'000;

  pid_t pid = 0;  // of the server
  bool json = false;
};

}  // namespace matrixcore::load
