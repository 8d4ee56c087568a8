// What answers about keys have in common.
#pragma once

#include <set>
#include <string>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {

// `timeout` of a query or a claim.  kInvalidArgument M_BAD_JSON.
inline Status CheckTimeout(json::Value body) {
  const json::Value timeout = body["timeout"];
  if (!timeout || timeout.IsNull() || timeout.IsInteger()) return OkStatus();
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                "'timeout' must be an integer");
}

// "failures": {"server": {}} for each server that could not be asked.
inline void WriteFailures(json::Writer& w,
                          const std::set<std::string>& servers) {
  w.Key("failures").BeginObject();
  for (const std::string& server : servers) w.RawField(server, "{}");
  w.EndObject();
}

}  // namespace matrixcore
