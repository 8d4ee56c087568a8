// What a failure says about trying again, and about what was written.
#pragma once

#include "matrixcore/base/status.h"

namespace matrixcore {

// Whether trying again, without any change, may help.
inline bool IsPassing(const Status& failure) {
  switch (failure.code()) {
    case StatusCode::kAborted:
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
      return true;
    default:
      return false;
  }
}

// Whether a commit with that result has or may have been written: then those
// who wait for it must look, and what is remembered of before be forgotten.
inline bool MayBeWritten(const Status& committed) {
  return committed.ok() || committed.code() == StatusCode::kDeadlineExceeded;
}

}  // namespace matrixcore
