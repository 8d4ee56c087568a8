#include "matrixcore/crypto/hasher.h"

#include <sodium.h>

namespace matrixcore {

struct Sha256Hasher::Rep {
  crypto_hash_sha256_state state;
};

Sha256Hasher::Sha256Hasher() : rep_(std::make_unique<Rep>()) {
  crypto_hash_sha256_init(&rep_->state);
}
Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::Update(ByteView bytes) {
  crypto_hash_sha256_update(&rep_->state, bytes.data(), bytes.size());
}

Sha256Digest Sha256Hasher::Finish() {
  Sha256Digest digest;
  crypto_hash_sha256_final(&rep_->state, digest.data());
  return digest;
}

}  // namespace matrixcore
