// The tables of accounts and of what belongs to them, as data.
//
// Times are milliseconds since 1970.  Secrets (passwords, tokens) are kept as
// hashes only.
#pragma once

#include <cstdint>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// Facts about the server itself.
struct ServerInfo {
  enum Column : uint32_t { kName, kValue };
};
extern const TableSpec kServerInfo;

// One row an account; never removed.
struct Users {
  enum Column : uint32_t {
    kUser,
    kPasswordHash,  // Null: no login with a password.
    kCreated,
    kGuest,
    kAdmin,
    kDeactivated,  // When, or null.
    kErased,       // 1: the user asked for it at deactivation.
    kLocked,       // 1: may do nothing but log out.
    kSuspended,    // 1: may read, but not write.
  };
};
extern const TableSpec kUsers;

// What is still to be done after commits that said so: see
// service/unfinished.h.
struct Unfinished {
  enum Column : uint32_t { kKind, kUser, kKey, kPos };
};
extern const TableSpec kUnfinished;

struct Devices {
  enum Column : uint32_t { kUser, kDevice, kDisplayName, kCreated };
};
extern const TableSpec kDevices;

// Where and when devices were last seen; a row may be missing.
struct DeviceActivity {
  enum Column : uint32_t { kUser, kDevice, kAddress, kTs };
};
extern const TableSpec kDeviceActivity;

struct AccessTokens {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kHash,      // SHA-256 of the token; unique.
    kExpires,   // Null: never.
    kReplaces,  // Hash of the refresh token that it was got with, until first
                // use.
  };
  enum Index : uint32_t { kByHash };
};
extern const TableSpec kAccessTokens;

struct RefreshTokens {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kHash,        // SHA-256 of the token; unique.
    kAccess,      // Hash of the access token that was given with it.
    kNextAccess,  // Hashes of the tokens got with it, until they are used.
    kNextRefresh,
    kReplaces,  // Hash of the refresh token that it was got with, until first
                // use.
  };
  enum Index : uint32_t { kByHash };
};
extern const TableSpec kRefreshTokens;

// Tokens that allow a registration.
struct RegistrationTokens {
  enum Column : uint32_t {
    kToken,
    kUsesAllowed,  // Null: any number.
    kCompleted,    // Accounts made with it.
    kExpires,      // Null: never.
  };
};
extern const TableSpec kRegistrationTokens;

// One row a field of a user's profile.
struct Profiles {
  enum Column : uint32_t { kUser, kField, kJson };
};
extern const TableSpec kProfiles;

// Account data, global (room id "") and of rooms.
struct AccountData {
  enum Column : uint32_t { kUser, kRoomId, kType, kJson, kPos };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kAccountData;

// Filters, numbered from 0 for each user, kept forever.
struct Filters {
  enum Column : uint32_t {
    kUser,
    kId,
    kHash,  // SHA-256 of the canonical JSON, to find the same filter again.
    kJson,
  };
  enum Index : uint32_t { kByHash };
};
extern const TableSpec kFilters;

// Identity keys of devices.
struct DeviceKeys {
  enum Column : uint32_t { kUser, kDevice, kJson };
};
extern const TableSpec kDeviceKeys;

// One-time keys that wait to be claimed, oldest first.
struct OneTimeKeys {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kAlgorithm,
    kPos,    // When it was uploaded ...
    kIndex,  // ... and where in the upload.
    kKeyId,  // Once for a device.
    kJson,
  };
};
extern const TableSpec kOneTimeKeys;

// How many of them there are.
struct OneTimeKeyCounts {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kAlgorithm,
    kCount,
    kUploaded,  // Ever; what uploads of the same keys exclude each other by.
  };
};
extern const TableSpec kOneTimeKeyCounts;

// When a device last lost a key to a claim: the count in its /sync is news.
struct KeyCountChanges {
  enum Column : uint32_t { kUser, kDevice, kPos };
};
extern const TableSpec kKeyCountChanges;

// One-time keys that were given away, for as long as their device may still
// repeat the upload that brought them.
struct ClaimedKeys {
  enum Column : uint32_t {
    kUser,
    kDevice,
    kKeyId,
    kKey,  // The public key itself.
    kTs,
  };
};
extern const TableSpec kClaimedKeys;

struct FallbackKeys {
  enum Column : uint32_t { kUser, kDevice, kAlgorithm, kKeyId, kJson, kUsed };
};
extern const TableSpec kFallbackKeys;

// When a user's devices or their keys last changed.
struct DeviceListChanges {
  enum Column : uint32_t { kUser, kPos };
  enum Index : uint32_t { kByPos };
};
extern const TableSpec kDeviceListChanges;

// Words under which users are found in the user directory.
struct UserWords {
  enum Column : uint32_t { kUser, kWord };
  enum Index : uint32_t { kByWord };
};
extern const TableSpec kUserWords;

// Tokens with which users prove to third parties who they are.
struct OpenIdTokens {
  enum Column : uint32_t { kHash, kUser, kExpires };
  enum Index : uint32_t { kByExpires };
};
extern const TableSpec kOpenIdTokens;

// What users reported to those who run the server.
struct Reports {
  enum Column : uint32_t {
    kId,  // The log position at which it was made.
    kTs,
    kReporter,
    kRoomId,   // Null in reports of users.
    kEventId,  // Null but in reports of events.
    kUser,     // The reported user, or the event's sender; null for rooms.
    kReason,   // Null if none was given.
  };
};
extern const TableSpec kReports;

// To-device messages that wait for their device, oldest first.
struct ToDevice {
  enum Column : uint32_t { kUser, kDevice, kPos, kJson };
};
extern const TableSpec kToDevice;

// What the queue of a device holds.
struct ToDeviceSizes {
  enum Column : uint32_t { kUser, kDevice, kBytes };
};
extern const TableSpec kToDeviceSizes;

// All of the above, and E2eeTables().
std::vector<TableSpec> AccountTables();

}  // namespace matrixcore::tables
