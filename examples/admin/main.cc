// matrixcore-admin: what operators ask of a homeserver, or do to its data.

#include "commands.h"

int main(int argc, char** argv) {
  using namespace matrixcore::admin;
  Program program;
  AddRegister(program);
  AddRegistrationToken(program);
  AddCheck(program);
  AddExportRoom(program);
  AddImportRoom(program);
  AddPurgeHistory(program);
  AddPurgeRoom(program);
  AddBackup(program);
  AddRestore(program);
  AddVerify(program);
  AddVacuum(program);
  AddStats(program);
  return program.Run(argc, argv);
}
