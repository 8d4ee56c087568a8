// Password hashes that carry their own parameters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"

namespace matrixcore {

struct PasswordCost {
  uint64_t passes = 2;
  uint64_t memory_bytes = 64ull << 20;
};

// Argon2id in its usual text form ("$argon2id$v=19$m=...").  Slow and large on
// purpose (about 80 ms and `memory_bytes`): run it on a lane of its own.
// kInvalidArgument for a cost out of libsodium's range (1 pass, 8 KiB at
// least), kResourceExhausted when the memory cannot be had.
Result<std::string> HashPassword(std::string_view password,
                                 const PasswordCost& cost);

// Checks an Argon2id hash, or a bcrypt hash ("$2a$", "$2b$", "$2y$") of an
// imported account, of which the first 72 bytes of the password count.  As slow
// as making the hash.  False also for a hash of a form that is not known.
bool VerifyPassword(std::string_view password, const std::string& hash);

// Whether `hash` should be replaced by a new one of `cost` at the next login.
bool PasswordNeedsRehash(const std::string& hash, const PasswordCost& cost);

}  // namespace matrixcore
