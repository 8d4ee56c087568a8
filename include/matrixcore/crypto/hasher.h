// SHA-256 of what comes in pieces.
#pragma once

#include <memory>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"

namespace matrixcore {

// One thread at a time.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void Update(ByteView bytes);
  // The digest of everything so far.  The end of the hasher.
  Sha256Digest Finish();

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
