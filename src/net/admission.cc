#include "net/admission.h"

namespace matrixcore::net {

Admission::Key Admission::KeyOf(const IpAddress& address) {
  // An IPv4 address lies in ::ffff:0:0/96; no client's /64 begins with zeros,
  // so the two kinds do not meet.
  const size_t first = address.is_v4() ? 8 : 0;
  Key key = 0;
  for (size_t i = first; i < first + 8; ++i) {
    key = key << 8 | address.bytes()[i];
  }
  return key;
}

Admission::Verdict Admission::Enter(const IpAddress& address, bool exempt) {
  MutexLock lock(mutex_);
  if (total_ >= max_total_) return Verdict::kTooMany;
  if (!exempt) {
    size_t& count = by_address_[KeyOf(address)];
    if (count >= max_per_address_) return Verdict::kTooManyFromAddress;
    ++count;
  }
  ++total_;
  return Verdict::kAdmitted;
}

void Admission::Leave(const IpAddress& address, bool exempt) {
  MutexLock lock(mutex_);
  --total_;
  if (exempt) return;
  const auto it = by_address_.find(KeyOf(address));
  if (it != by_address_.end() && --it->second == 0) by_address_.erase(it);
}

}  // namespace matrixcore::net
