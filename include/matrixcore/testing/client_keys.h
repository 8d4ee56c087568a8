// Keys as a client has them, signed as the specification wants them, for tests
// of what a server does with them (spec: client-server API, "End-to-End
// Encryption").  No messages are encrypted with these.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/random.h"
#include "matrixcore/crypto/ed25519.h"

namespace matrixcore {

// An ed25519 key pair.  A value; thread-safe.
class ClientKey {
 public:
  // Named by a device.
  ClientKey(Random& random, std::string_view device_id);
  // Named by its own public key, as cross-signing keys are.
  explicit ClientKey(Random& random);

  const std::string& id() const { return id_; }  // "ed25519:NAME"
  // In unpadded base64.
  const std::string& public_key() const { return public_key_; }
  // The JSON object with one more signature, of `user_id` by this key.  The
  // program ends when it is no object that can be signed.
  std::string Sign(std::string_view json, std::string_view user_id) const;

 private:
  SigningKey key_;
  std::string id_;
  std::string public_key_;
};

// The `device_keys` of /keys/upload.
std::string DeviceKeysJson(std::string_view user_id, std::string_view device_id,
                           const ClientKey& key);

// A user's three cross-signing keys.
struct ClientIdentity {
  explicit ClientIdentity(Random& random)
      : master(random), self_signing(random), user_signing(random) {}

  // One key as it is uploaded; the self-signing and the user-signing one with
  // the master key's signature.
  std::string MasterJson(std::string_view user_id) const;
  std::string SelfSigningJson(std::string_view user_id) const;
  std::string UserSigningJson(std::string_view user_id) const;
  // The members of /keys/device_signing/upload, without the braces.
  std::string UploadMembers(std::string_view user_id) const;

  ClientKey master;
  ClientKey self_signing;
  ClientKey user_signing;
};

}  // namespace matrixcore
