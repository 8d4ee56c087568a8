// What the operating system says about a process: memory and processor time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace matrixcore::load {

struct ProcessStats {
  uint64_t rss_bytes = 0;        // resident, everything
  uint64_t anonymous_bytes = 0;  // resident, without files
  double cpu_seconds = 0;        // user and system, of all its threads
  uint64_t threads = 0;
};

// nullopt when there is no such process.
std::optional<ProcessStats> ReadProcessStats(pid_t pid);

// Processor time of this process in seconds.
double OwnCpuSeconds();

// Lets this process open as many files as it is ever allowed to.
void RaiseFileLimit();

}  // namespace matrixcore::load
