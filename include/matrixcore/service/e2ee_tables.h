// The tables of cross-signing, key backups and dehydrated devices, as data;
// part of AccountTables().  Device keys, one-time keys, fallback keys and
// to-device messages are in account_tables.h.
#pragma once

#include <cstdint>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// The public cross-signing keys of users.
struct CrossSigningKeys {
  enum Column : uint32_t {
    kUser,
    kUsage,      // "master", "self_signing", "user_signing"
    kPublicKey,  // Unpadded base64; the key id without "ed25519:".
    kJson,       // With the owner's signatures.
  };
};
extern const TableSpec kCrossSigningKeys;

// Signatures that users put on the master keys of others, one a row; only the
// signer sees them.  (Those of a user's own keys are with the keys.)
struct KeySignatures {
  enum Column : uint32_t {
    kUser,  // Whose key is signed ...
    kKey,   // ... the public key.
    kSigner,
    kSignerKey,  // "ed25519:..."
    kSignature,
  };
};
extern const TableSpec kKeySignatures;

// What only the signer learns to have changed: their signatures of others, and
// their own user-signing key.
struct OwnSignatureChanges {
  enum Column : uint32_t { kSigner, kUser, kPos };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kOwnSignatureChanges;

// Key backups.  The newest row of a user stays when it is deleted, until there
// is a newer one, so that no version comes back.
struct KeyBackups {
  enum Column : uint32_t {
    kUser,
    kVersion,  // From 1 for each user.
    kAlgorithm,
    kAuthData,  // JSON; "" once deleted.
    kCount,     // Keys in it.
    kEtag,      // Grows with every change of the keys.
    kDeleted,
  };
};
extern const TableSpec kKeyBackups;

struct BackedUpKeys {
  enum Column : uint32_t {
    kUser,
    kVersion,
    kRoomId,
    kSessionId,
    kFirstIndex,  // What decides whether another key is better.
    kForwarded,
    kVerified,
    kJson,  // As the client gets it.
  };
};
extern const TableSpec kBackedUpKeys;

// MSC3814: the dehydrated devices of users; whoever adds one removes the others
// in the same batch.
struct DehydratedDevices {
  enum Column : uint32_t { kUser, kDevice, kData };
};
extern const TableSpec kDehydratedDevices;

std::vector<TableSpec> E2eeTables();

}  // namespace matrixcore::tables
