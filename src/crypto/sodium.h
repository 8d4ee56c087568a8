// Internal to src/crypto.
#pragma once

namespace matrixcore {

// Prepares libsodium.  Thread-safe and cheap after the first call; a system on
// which it fails has no source of randomness, and the process ends.
void EnsureSodium();

}  // namespace matrixcore
