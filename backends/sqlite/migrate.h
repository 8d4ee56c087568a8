// Brings the tables of a database up to a schema.
#pragma once

#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
#include "sqlite/connection.h"

namespace matrixcore::sqlite {

struct Migration {
  int64_t from = 0;  // The version found; 0 for a new database.
  int64_t to = 0;
};

// Refuses databases that are not ours or of a newer program, before anything
// is changed: kFailedPrecondition.
Status CheckOwner(Connection& connection, const Schema& schema);

// Makes what the database lacks, step by step in one transaction, notes each
// version in mc_schema, and checks that what is there is what `schema` says:
// kFailedPrecondition if not.  On error nothing has changed.
Result<Migration> Migrate(Connection& connection, const Schema& schema);

// Refuses what is no database of ours or of a newer backend, whatever its
// schema: kFailedPrecondition.  The version of its schema otherwise; 0 when
// nothing is in it yet.
Result<int64_t> CheckIsOurs(Connection& connection);

// Whether the tables are already those of `schema`, for who may not change
// them: kFailedPrecondition tells the cure.
Status CheckTables(Connection& connection, const Schema& schema);

// Looks for structural damage: kDataLoss tells where.
Status QuickCheck(Connection& connection);

}  // namespace matrixcore::sqlite
