// Filters that clients store (spec: client-server API, "Filtering").
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Filters are kept forever; the same filter of a user has one id.
class FilterService {
 public:
  explicit FilterService(Store& store) : store_(store) {}

  // The id of the filter.  kInvalidArgument M_BAD_JSON when a field that the
  // specification knows has the wrong type or value; the message names it.
  Result<std::string> Create(std::string_view user_id, json::Value filter);
  // The filter's JSON.  kNotFound M_NOT_FOUND.
  Result<std::string> Get(std::string_view user_id, std::string_view filter_id);
  static Result<std::string> Get(Snapshot& snapshot, std::string_view user_id,
                                 std::string_view filter_id);

 private:
  Store& store_;
};

}  // namespace matrixcore
