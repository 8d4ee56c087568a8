// What the head of a database says, and connections for looking at one.
#pragma once

#include <memory>
#include <string>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"
#include "sqlite/connection.h"

namespace matrixcore::sqlite {

// For reading a whole database without changing a file.  A database in which
// nothing is yet, or that is not ours, is kFailedPrecondition.
Result<std::unique_ptr<Connection>> OpenUntouched(const std::string& path);

// Of the connection's snapshot, if it has a transaction.
Result<SqliteFileInfo> ReadFileInfo(Connection& connection);

}  // namespace matrixcore::sqlite
