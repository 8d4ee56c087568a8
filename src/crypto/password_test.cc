#include "matrixcore/crypto/password.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;

// Cheap, for tests.
constexpr PasswordCost kCheap{1, 8192};

TEST(Password, HashesAsArgon2id) {
  const Result<std::string> hash = HashPassword("secret", kCheap);
  ASSERT_TRUE(hash.ok());
  EXPECT_THAT(*hash, testing::StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
  EXPECT_TRUE(VerifyPassword("secret", *hash));
  EXPECT_FALSE(VerifyPassword("Secret", *hash));
  EXPECT_FALSE(VerifyPassword("", *hash));
  EXPECT_FALSE(VerifyPassword("secret\0"s, *hash));
}

TEST(Password, SaltsDiffer) {
  EXPECT_NE(*HashPassword("secret", kCheap), *HashPassword("secret", kCheap));
}

TEST(Password, AnyBytesMakeAPassword) {
  for (const std::string& password :
       {""s, "a\0b"s, std::string(5000, 'x'), "\xff\xfe"s, "p\u00e4ss"s}) {
    const std::string hash = *HashPassword(password, kCheap);
    EXPECT_TRUE(VerifyPassword(password, hash));
    EXPECT_FALSE(VerifyPassword(password + "x", hash));
  }
}

// Made by the reference implementation of Argon2 (its test.c).
TEST(Password, ChecksForeignArgon2idHashes) {
  const std::string hash =
      "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
      "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
  EXPECT_TRUE(VerifyPassword("password", hash));
  EXPECT_FALSE(VerifyPassword("passwore", hash));
}

// Known answers of jBCrypt and crypt_blowfish.
TEST(Password, ChecksBcryptHashes) {
  const std::string hash =
      "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";
  EXPECT_TRUE(VerifyPassword("abc", hash));
  EXPECT_FALSE(VerifyPassword("Abc", hash));
  EXPECT_FALSE(VerifyPassword("", hash));
  EXPECT_FALSE(VerifyPassword("abc\0"s, hash));
  for (const char* prefix : {"$2b$", "$2y$"}) {
    EXPECT_TRUE(VerifyPassword("abc", prefix + hash.substr(4))) << prefix;
  }
}

TEST(Password, BcryptCountsTheFirst72Bytes) {
  const std::string hash =
      "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
  const std::string password =
      "0123456789abcdefghijklmnopqrstuvwxyz"
      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  EXPECT_TRUE(VerifyPassword(password, hash));
  EXPECT_TRUE(VerifyPassword(password + "chars after 72 are ignored", hash));
  EXPECT_FALSE(VerifyPassword(password.substr(0, 71), hash));
}

TEST(Password, UnknownAndDamagedHashesMatchNothing) {
  const std::string good = *HashPassword("secret", kCheap);
  for (const std::string& hash :
       {""s, "secret"s, "$"s, "$argon2id$"s, "$argon2id$v=19$m=8,t=1,p=1$"s,
        good.substr(0, good.size() - 1), good + "A", good + "\0"s,
        "$argon2i$" + good.substr(10), "$1$abc$def"s, "$5$abc$def"s, "*0"s,
        "$2b$04$"s, "$2b$99$......................"s + std::string(31, 'x'),
        "$2b$04$"s + std::string(53, '!'), std::string(1000, '$')}) {
    EXPECT_FALSE(VerifyPassword("secret", hash)) << hash;
    EXPECT_FALSE(VerifyPassword("", hash)) << hash;
  }
}

TEST(Password, RefusesImpossibleCosts) {
  for (PasswordCost cost :
       {PasswordCost{0, 8192}, PasswordCost{1, 100},
        PasswordCost{UINT64_MAX, 8192}, PasswordCost{1, UINT64_MAX}}) {
    EXPECT_EQ(HashPassword("x", cost).status().code(),
              StatusCode::kInvalidArgument);
  }
}

TEST(Password, NeedsRehashAfterTheCostChanged) {
  const std::string hash = *HashPassword("secret", kCheap);
  EXPECT_FALSE(PasswordNeedsRehash(hash, kCheap));
  EXPECT_TRUE(PasswordNeedsRehash(hash, {2, 8192}));
  EXPECT_TRUE(PasswordNeedsRehash(hash, {1, 16384}));
  EXPECT_TRUE(PasswordNeedsRehash("$2b$04$abc", kCheap));
  EXPECT_TRUE(PasswordNeedsRehash("", kCheap));
}

}  // namespace
}  // namespace matrixcore
