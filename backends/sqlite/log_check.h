// Whether a log that was left behind is whole.
#pragma once

#include <string>

#include "matrixcore/base/status.h"

namespace matrixcore::sqlite {

// SQLite reads a log (FILE-wal) up to the first frame whose checksum is wrong,
// and takes the rest for what a crash left of a transaction that was not
// committed.  Damage looks the same, and would quietly undo commits.  But every
// transaction was durable before the next one began: if after the wrong frame
// the ends of two transactions follow, the first of them was committed.
//
// kDataLoss when that is so.  Ok when there is no log.  For logs that were
// written with synchronous=FULL, or survived no more than the death of a
// process; and since the end of one torn transaction may stay behind the next
// ones, a log is begun anew after every crash.
Status CheckLog(const std::string& database);

// The same while a server may be writing: what was half written at the first
// look is whole at the next.
Status CheckLogInUse(const std::string& database);

}  // namespace matrixcore::sqlite
