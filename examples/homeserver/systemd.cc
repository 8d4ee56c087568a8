#include "systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

namespace matrixcore::server {
namespace {

// The first descriptor that is passed on, SD_LISTEN_FDS_START.
constexpr int kFirstSocket = 3;
constexpr int kMostSockets = 64;

std::string_view Find(const Environment& environment, std::string_view name) {
  for (const auto& [key, value] : environment) {
    if (key == name) return value;
  }
  return "";
}

int Number(std::string_view text) {
  int number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace

std::vector<int> InheritedSockets(const Environment& environment) {
  std::vector<int> sockets;
  // The variables may be meant for a parent of this process.
  if (Number(Find(environment, "LISTEN_PID")) != getpid()) return sockets;
  const int count =
      std::min(Number(Find(environment, "LISTEN_FDS")), kMostSockets);
  for (int fd = kFirstSocket; fd < kFirstSocket + count; ++fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    sockets.push_back(fd);
  }
  return sockets;
}

void NotifyManager(const Environment& environment, std::string_view state) {
  const std::string_view path = Find(environment, "NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return;
  std::copy(path.begin(), path.end(), address.sun_path);
  // '@' stands for the NUL of an abstract address.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  // A manager that does not listen is none of the server's business.
  const ssize_t sent =
      sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length);
  static_cast<void>(sent);
  close(fd);
}

}  // namespace matrixcore::server
