// What a run measures.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "histogram.h"
#include "http_client.h"
#include "process_stats.h"

namespace matrixcore::load {

// The part of the run that counts, as NowNs().
struct Window {
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  bool Has(int64_t ns) const { return ns >= begin_ns && ns < end_ns; }
};

struct Measurements {
  Window window;
  Histogram send;          // due (open loop) or sent, until answered
  Histogram delivery;      // the same moment, until /sync gave it to a reader
  uint64_t sends = 0;      // answered with 200 within the window
  uint64_t expected = 0;   // deliveries owed for sends begun in the window
  uint64_t delivered = 0;  // of them
  uint64_t syncs = 0;      // answers of /sync within the window
  uint64_t sync_bytes = 0;
  uint64_t limited = 0;  // timelines that left events out: fewer delivered
  uint64_t parked = 0;   // long polls open when the window began
  Histogram lag;         // how late the generator's own timer fired
  std::map<std::string, uint64_t> errors;  // in the whole run, by kind

  double parking_s = 0;        // from the first to the last parked sync
  ProcessStats server_before;  // before anyone parked or sent
  ProcessStats server_begin;   // of the window
  ProcessStats server_end;
  uint64_t server_rss_max = 0;
  double own_cpu_seconds = 0;  // within the window

  // `what` is the request's kind: "send", "sync".
  void AddError(std::string_view what, const Reply& reply);
};

}  // namespace matrixcore::load
