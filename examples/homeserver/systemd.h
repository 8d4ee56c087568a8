// The two small protocols between a service manager and its services
// (sd_notify(3), sd_listen_fds(3)), without a library.
#pragma once

#include <string_view>
#include <vector>

#include "config.h"

namespace matrixcore::server {

// The listening sockets that the manager opened for this process, in its order;
// empty without socket activation.  Each is marked close-on-exec.
std::vector<int> InheritedSockets(const Environment& environment);

// Tells the manager a state, "READY=1"; does nothing when there is none.
void NotifyManager(const Environment& environment, std::string_view state);

}  // namespace matrixcore::server
