#include "matrixcore/crypto/ed25519.h"

#include <sodium.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "crypto/sodium.h"
#include "matrixcore/crypto/base64.h"

namespace matrixcore {
namespace {

constexpr std::string_view kAlgorithm = "ed25519";

bool IsVersion(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
  });
}

// The words between spaces; a line end at the end is ignored.
std::vector<std::string_view> Words(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

template <size_t N>
std::optional<std::array<uint8_t, N>> DecodeExactly(std::string_view base64) {
  std::optional<std::string> bytes = Base64Decode(base64);
  if (!bytes || bytes->size() != N) return std::nullopt;
  std::array<uint8_t, N> result;
  std::copy(bytes->begin(), bytes->end(), result.begin());
  sodium_memzero(bytes->data(), bytes->size());
  return result;
}

}  // namespace

SigningKey SigningKey::FromSeed(const Ed25519Seed& seed, std::string version) {
  assert(IsVersion(version));
  EnsureSodium();
  SigningKey key;
  key.key_id_ = std::string(kAlgorithm) + ':' + std::move(version);
  crypto_sign_ed25519_seed_keypair(key.public_key_.data(), key.secret_.data(),
                                   seed.data());
  return key;
}

SigningKey SigningKey::Generate(Random& random, std::string version) {
  Ed25519Seed seed;
  random.Fill(seed);
  SigningKey key = FromSeed(seed, std::move(version));
  sodium_memzero(seed.data(), seed.size());
  return key;
}

Result<SigningKey> SigningKey::Parse(std::string_view text) {
  const std::vector<std::string_view> words = Words(text);
  if (words.size() == 3 && words[0] == kAlgorithm && IsVersion(words[1])) {
    if (auto seed = DecodeExactly<32>(words[2])) {
      SigningKey key = FromSeed(*seed, std::string(words[1]));
      sodium_memzero(seed->data(), seed->size());
      return key;
    }
  }
  return Status(StatusCode::kInvalidArgument,
                "a signing key is one line: ed25519 VERSION BASE64SEED");
}

std::string SigningKey::ToFileText() const {
  const std::string_view version =
      std::string_view(key_id_).substr(kAlgorithm.size() + 1);
  std::string text(kAlgorithm);
  text += ' ';
  text += version;
  text += ' ';
  text += Base64Encode(ByteView(secret_).first(32));
  text += '\n';
  return text;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

Ed25519Signature SigningKey::Sign(ByteView message) const {
  Ed25519Signature signature;
  crypto_sign_ed25519_detached(signature.data(), nullptr, message.data(),
                               message.size(), secret_.data());
  return signature;
}

bool Ed25519Verify(const Ed25519PublicKey& key, ByteView message,
                   const Ed25519Signature& signature) {
  EnsureSodium();
  return crypto_sign_ed25519_verify_detached(signature.data(), message.data(),
                                             message.size(), key.data()) == 0;
}

std::optional<Ed25519PublicKey> ParseEd25519PublicKey(std::string_view base64) {
  return DecodeExactly<32>(base64);
}

std::optional<Ed25519Signature> ParseEd25519Signature(std::string_view base64) {
  return DecodeExactly<64>(base64);
}

}  // namespace matrixcore
