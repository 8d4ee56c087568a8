// Ed25519 keys and signatures, as bytes.  Signing of JSON is event/signing.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"

namespace matrixcore {

using Ed25519PublicKey = std::array<uint8_t, 32>;
using Ed25519Signature = std::array<uint8_t, 64>;
using Ed25519Seed = std::array<uint8_t, 32>;

// A named signing key: "ed25519:auto" and its secret.  Copyable; wiped from
// memory when destroyed.  Thread-safe after construction.
class SigningKey {
 public:
  // `version` is what follows "ed25519:" in the key id: [a-zA-Z0-9_]+.  Others
  // are the caller's bug; debug builds assert.
  static SigningKey FromSeed(const Ed25519Seed& seed, std::string version);
  static SigningKey Generate(Random& random, std::string version);
  // The one-line form of a key file, "ed25519 VERSION BASE64SEED".
  // kInvalidArgument when the text is anything else; the message never contains
  // the text.
  static Result<SigningKey> Parse(std::string_view text);
  // The same line, with a line feed at its end.
  std::string ToFileText() const;

  SigningKey(const SigningKey&) = default;
  SigningKey(SigningKey&&) = default;
  SigningKey& operator=(const SigningKey&) = default;
  SigningKey& operator=(SigningKey&&) = default;
  ~SigningKey();

  // "ed25519:VERSION".
  const std::string& key_id() const { return key_id_; }
  const Ed25519PublicKey& public_key() const { return public_key_; }
  // The same message always gets the same signature (RFC 8032).
  Ed25519Signature Sign(ByteView message) const;

 private:
  SigningKey() = default;
  std::string key_id_;
  Ed25519PublicKey public_key_{};
  // As libsodium wants it: the seed, then the public key.
  std::array<uint8_t, 64> secret_{};
};

bool Ed25519Verify(const Ed25519PublicKey& key, ByteView message,
                   const Ed25519Signature& signature);

// The key or signature in base64; nothing when it is not of the right length.
std::optional<Ed25519PublicKey> ParseEd25519PublicKey(std::string_view base64);
std::optional<Ed25519Signature> ParseEd25519Signature(std::string_view base64);

}  // namespace matrixcore
