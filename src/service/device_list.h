// What changes of a user's devices as a whole rest on.
#pragma once

#include <optional>
#include <string>

#include "matrixcore/service/account_tables.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Makes changes of a user's devices exclude each other: every new or deleted
// device changes that row.
inline Status RequireSameDeviceList(Snapshot& snapshot, WriteBatch& batch,
                                    const std::string& user) {
  using tables::DeviceListChanges;
  using tables::kDeviceListChanges;
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(kDeviceListChanges, {user}));
  if (row) {
    batch.Require(WriteBatch::ColumnEquals{&kDeviceListChanges,
                                           {user},
                                           DeviceListChanges::kPos,
                                           (*row)[DeviceListChanges::kPos]});
  } else {
    batch.Require(WriteBatch::RowAbsent{&kDeviceListChanges, {user}});
  }
  return OkStatus();
}

}  // namespace matrixcore
