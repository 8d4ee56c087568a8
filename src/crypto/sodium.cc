#include "crypto/sodium.h"

#include <sodium.h>

#include <cstdio>
#include <cstdlib>

namespace matrixcore {

void EnsureSodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) {
    std::fputs("matrixcore: libsodium cannot be initialised\n", stderr);
    std::abort();
  }
}

}  // namespace matrixcore
