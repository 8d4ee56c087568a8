// The commands of matrixcore-admin.  Each lies in the file of its name, adds
// itself to the program with its options and its --help, and answers with the
// exit status or with an error that says what is wrong, where, and what would
// be right.
#pragma once

#include "frame.h"

namespace matrixcore::admin {

// --- Asked of a running server, over its operators' endpoints. ---

void AddRegister(Program& program);
void AddRegistrationToken(Program& program);

// --- Over rooms in the database. ---

void AddCheck(Program& program);
void AddExportRoom(Program& program);
void AddImportRoom(Program& program);
void AddPurgeHistory(Program& program);
void AddPurgeRoom(Program& program);

// --- Done to the database or the data folder itself. ---

void AddBackup(Program& program);
void AddRestore(Program& program);
void AddVerify(Program& program);
void AddVacuum(Program& program);
void AddStats(Program& program);

}  // namespace matrixcore::admin
