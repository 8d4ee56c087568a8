#include "matrixcore/crypto/password.h"

#include <crypt.h>
#include <sodium.h>

#include <array>
#include <cstring>
#include <memory>

#include "crypto/sodium.h"
#include "matrixcore/crypto/hash.h"

namespace matrixcore {
namespace {

bool IsArgon2id(const std::string& hash) {
  return hash.starts_with("$argon2id$") &&
         hash.size() < crypto_pwhash_argon2id_STRBYTES &&
         hash.find('\0') == std::string::npos;
}

// "$2b$" cost "$" salt and digest, 60 characters in all.
bool IsBcrypt(const std::string& hash) {
  return hash.size() == 60 && hash.find('\0') == std::string::npos &&
         (hash.starts_with("$2a$") || hash.starts_with("$2b$") ||
          hash.starts_with("$2y$"));
}

bool VerifyBcrypt(std::string_view password, const std::string& hash) {
  // bcrypt reads 72 bytes and ends at a NUL: a password with one cannot have
  // been hashed.
  constexpr size_t kMaxBcryptBytes = 72;
  if (password.find('\0') != std::string_view::npos) return false;
  std::array<char, kMaxBcryptBytes + 1> key = {};
  password.copy(key.data(), kMaxBcryptBytes);
  auto scratch = std::make_unique<crypt_data>();
  const char* computed = crypt_r(key.data(), hash.c_str(), scratch.get());
  const bool equal =
      computed != nullptr && computed[0] != '*' &&
      ConstantTimeEqual(AsBytes(std::string_view(computed)), AsBytes(hash));
  sodium_memzero(key.data(), key.size());
  sodium_memzero(scratch.get(), sizeof(crypt_data));
  return equal;
}

}  // namespace

Result<std::string> HashPassword(std::string_view password,
                                 const PasswordCost& cost) {
  EnsureSodium();
  if (cost.passes < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
      cost.passes > crypto_pwhash_argon2id_OPSLIMIT_MAX ||
      cost.memory_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN ||
      cost.memory_bytes > crypto_pwhash_argon2id_MEMLIMIT_MAX) {
    return Status(StatusCode::kInvalidArgument,
                  "the cost of a password hash is out of range");
  }
  std::array<char, crypto_pwhash_argon2id_STRBYTES> text = {};
  if (crypto_pwhash_argon2id_str(text.data(), password.data(), password.size(),
                                 cost.passes, cost.memory_bytes) != 0) {
    return Status(StatusCode::kResourceExhausted,
                  "not enough memory to hash a password");
  }
  return std::string(text.data());
}

bool VerifyPassword(std::string_view password, const std::string& hash) {
  EnsureSodium();
  if (IsArgon2id(hash)) {
    return crypto_pwhash_argon2id_str_verify(hash.c_str(), password.data(),
                                             password.size()) == 0;
  }
  return IsBcrypt(hash) && VerifyBcrypt(password, hash);
}

bool PasswordNeedsRehash(const std::string& hash, const PasswordCost& cost) {
  EnsureSodium();
  return !IsArgon2id(hash) ||
         crypto_pwhash_argon2id_str_needs_rehash(hash.c_str(), cost.passes,
                                                 cost.memory_bytes) != 0;
}

}  // namespace matrixcore
