// What SqliteOptions mean for connections.
#pragma once

#include <string>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"
#include "sqlite/connection.h"

namespace matrixcore::sqlite {

// kInvalidArgument names the option that cannot be.
Status CheckOptions(const std::string& path, const SqliteOptions& options);

// Of a connection for snapshots.
Connection::Options ReaderOptions(const SqliteOptions& options);

}  // namespace matrixcore::sqlite
