#include "matrixcore/testing/conformance.h"

#include <utility>

namespace matrixcore {

void Findings::Add(std::string finding) {
  MutexLock lock(mutex_);
  if (list_.size() < kMost) list_.push_back(std::move(finding));
}

bool Findings::Expect(bool good, std::string_view finding) {
  if (!good) Add(std::string(finding));
  return good;
}

bool Findings::empty() const {
  MutexLock lock(mutex_);
  return list_.empty();
}

std::vector<std::string> Findings::list() const {
  MutexLock lock(mutex_);
  return list_;
}

}  // namespace matrixcore
