// SHA-256 and SHA-1 by OpenSSL, which uses the processor's instructions.

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "matrixcore/crypto/hash.h"

namespace matrixcore {
namespace {

// An algorithm, looked up once: the look-up takes locks and longer than hashing
// an event.
class Algorithm {
 public:
  explicit Algorithm(const char* name)
      : algorithm_(EVP_MD_fetch(nullptr, name, nullptr)) {
    if (algorithm_ == nullptr) Fail(name);
  }
  ~Algorithm() { EVP_MD_free(algorithm_); }
  Algorithm(const Algorithm&) = delete;
  Algorithm& operator=(const Algorithm&) = delete;

  void Digest(ByteView bytes, uint8_t* out) const {
    if (EVP_Digest(bytes.data(), bytes.size(), out, nullptr, algorithm_,
                   nullptr) != 1) {
      Fail("digest");
    }
  }

 private:
  // Without hashes nothing can go on; this happens only out of memory or with
  // an OpenSSL that has been configured not to have them.
  [[noreturn]] static void Fail(const char* what) {
    std::fprintf(stderr, "matrixcore: OpenSSL has no %s\n", what);
    std::abort();
  }

  EVP_MD* const algorithm_;
};

}  // namespace

Sha256Digest Sha256(ByteView bytes) {
  static const Algorithm algorithm("SHA256");
  Sha256Digest digest;
  algorithm.Digest(bytes, digest.data());
  return digest;
}

std::array<uint8_t, 20> Sha1(ByteView bytes) {
  static const Algorithm algorithm("SHA1");
  std::array<uint8_t, 20> digest;
  algorithm.Digest(bytes, digest.data());
  return digest;
}

}  // namespace matrixcore
