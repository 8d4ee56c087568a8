#include "process_stats.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace matrixcore::load {
namespace {

// utime and stime, fields 14 and 15 of /proc/PID/stat; the name in field 2 may
// hold spaces and parentheses.
std::optional<double> ReadCpuSeconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  if (!(fields >> user >> system)) return std::nullopt;
  return static_cast<double>(user + system) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::optional<ProcessStats> ReadProcessStats(pid_t pid) {
  const std::optional<double> cpu = ReadCpuSeconds(pid);
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  if (!cpu || !file) return std::nullopt;
  ProcessStats stats;
  stats.cpu_seconds = *cpu;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    uint64_t value = 0;
    if (!(words >> name >> value)) continue;
    if (name == "VmRSS:") stats.rss_bytes = value * 1024;
    if (name == "RssAnon:") stats.anonymous_bytes = value * 1024;
    if (name == "Threads:") stats.threads = value;
  }
  return stats;
}

double OwnCpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void RaiseFileLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace matrixcore::load
