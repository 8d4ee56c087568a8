// The database of a configured server, for commands that read or change it
// without asking the server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "config.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore::admin {

// Where it is.
std::string DatabasePath(const server::Config& config);

// kNotFound, with what to give, when there is none yet.
Status CheckThatDatabaseExists(const server::Config& config);

// Of which server the database at `path` is, whatever its schema's version;
// kFailedPrecondition when no server has begun with it.
Result<std::string> ServerNameIn(const std::string& path,
                                 uint32_t schema_version);

// For queries, beside a running server or without one; changes no file.
// Errors are those of OpenSqliteStoreReadOnly.
Result<std::unique_ptr<Store>> OpenToRead(const server::Config& config);

// For changes: the server must be stopped, and cannot start before the store is
// closed.  kNotFound when there is no database yet; other errors are those of
// OpenSqliteStore, kUnavailable with "stop it first" when the server runs.
Result<std::unique_ptr<Store>> OpenToChange(const server::Config& config);

}  // namespace matrixcore::admin
