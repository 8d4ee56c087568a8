// One run: everything a command line asks for, on a prepared world.
#pragma once

#include <boost/asio/io_context.hpp>

#include "http_client.h"
#include "matrixcore/base/status.h"
#include "measurements.h"
#include "options.h"
#include "world.h"

namespace matrixcore::load {

// Parks, syncs, warms up, sends, measures and drains.  Runs `io`.
// kFailedPrecondition when the server's pid names no process, kInvalidArgument
// when some users who should send have no room.
Result<Measurements> RunScenario(const Options& options,
                                 boost::asio::io_context& io,
                                 HttpClient& client, const World& world);

}  // namespace matrixcore::load
