#include "matrixcore/crypto/ed25519.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/crypto/base64.h"

namespace matrixcore {
namespace {

// The key of the spec's examples (appendices, "Cryptographic Test Vectors").
constexpr std::string_view kSpecKey =
    "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1";

SigningKey SpecKey() { return *SigningKey::Parse(kSpecKey); }

template <size_t N>
std::array<uint8_t, N> FromHex(std::string_view hex) {
  const std::string bytes = *HexDecode(hex);
  std::array<uint8_t, N> result = {};
  std::copy(bytes.begin(), bytes.end(), result.begin());
  return result;
}

TEST(Ed25519, SignsAsTheExamplesOfTheSpec) {
  const SigningKey key = SpecKey();
  EXPECT_EQ(key.key_id(), "ed25519:1");
  EXPECT_EQ(Base64Encode(key.public_key()),
            "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI");
  EXPECT_EQ(Base64Encode(key.Sign(AsBytes("{}"))),
            "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/"
            "7Xg4ahLwYGYZzuHGZKM5ZAQ");
  EXPECT_EQ(Base64Encode(key.Sign(AsBytes(R"({"one":1,"two":"Two"})"))),
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/"
            "fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw");
}

// RFC 8032, section 7.1, test 2.
TEST(Ed25519, SignsAsTheRfc) {
  const SigningKey key = SigningKey::FromSeed(
      FromHex<32>(
          "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
      "rfc");
  EXPECT_EQ(HexEncode(key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(HexEncode(key.Sign(AsBytes("\x72"))),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Ed25519, VerifiesItsOwnSignatures) {
  const SigningKey key = SpecKey();
  const Ed25519Signature signature = key.Sign(AsBytes("message"));
  EXPECT_TRUE(Ed25519Verify(key.public_key(), AsBytes("message"), signature));
  EXPECT_FALSE(Ed25519Verify(key.public_key(), AsBytes("Message"), signature));
}

TEST(Ed25519, RefusesDamagedSignaturesAndOtherKeys) {
  const SigningKey key = SpecKey();
  const Ed25519Signature good = key.Sign(AsBytes("message"));
  for (size_t i = 0; i < good.size(); ++i) {
    Ed25519Signature bad = good;
    bad[i] = static_cast<uint8_t>(bad[i] ^ 1);
    EXPECT_FALSE(Ed25519Verify(key.public_key(), AsBytes("message"), bad)) << i;
  }
  const SigningKey other = SigningKey::FromSeed({1, 2, 3}, "other");
  EXPECT_FALSE(Ed25519Verify(other.public_key(), AsBytes("message"), good));
  EXPECT_FALSE(Ed25519Verify({}, AsBytes("message"), good));
}

TEST(SigningKey, FileTextIsReadBack) {
  // The spec's text ends in 1: its last two bits belong to no byte.
  const std::string text = SpecKey().ToFileText();
  EXPECT_EQ(text, "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0\n");
  EXPECT_EQ(SigningKey::Parse(text)->public_key(), SpecKey().public_key());
}

TEST(SigningKey, ParsesUsualVariants) {
  for (const char* text :
       {"ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\r\n",
        "ed25519  1  YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n\n",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1="}) {
    const Result<SigningKey> key = SigningKey::Parse(text);
    ASSERT_TRUE(key.ok()) << text;
    EXPECT_EQ(key->public_key(), SpecKey().public_key());
  }
}

TEST(SigningKey, ParseRefusesEverythingElseWithoutRepeatingIt) {
  for (const char* text :
       {"", "\n", "ed25519", "ed25519 1", "ed25519 1 c2hvcnQ",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW-3XA1",
        "ed25519 a:b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "ed25519 a-b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "curve25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1 more",
        "ed25519\t1\tYJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"}) {
    const Result<SigningKey> key = SigningKey::Parse(text);
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(key.status().message().find("YJDB"), std::string::npos);
  }
}

TEST(SigningKey, GenerateDependsOnTheRandomness) {
  const auto random = NewSeededRandom(5);
  const SigningKey a = SigningKey::Generate(*random, "a_1Z");
  const SigningKey b = SigningKey::Generate(*random, "a_1Z");
  EXPECT_EQ(a.key_id(), "ed25519:a_1Z");
  EXPECT_NE(a.public_key(), b.public_key());
  EXPECT_EQ(SigningKey::Generate(*NewSeededRandom(5), "x").public_key(),
            a.public_key());
}

TEST(SigningKey, CopiesSignToo) {
  SigningKey copy = SigningKey::FromSeed({9}, "x");
  {
    const SigningKey original = SpecKey();
    copy = original;
  }
  EXPECT_EQ(copy.key_id(), "ed25519:1");
  EXPECT_EQ(copy.Sign(AsBytes("x")), SpecKey().Sign(AsBytes("x")));
  const SigningKey moved = std::move(copy);
  EXPECT_EQ(moved.Sign(AsBytes("x")), SpecKey().Sign(AsBytes("x")));
}

TEST(SigningKey, SignsTheSameOnManyThreads) {
  const SigningKey key = SpecKey();
  const Ed25519Signature expected = key.Sign(AsBytes("x"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20; ++k) {
        EXPECT_EQ(key.Sign(AsBytes("x")), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Ed25519, ParsesKeysAndSignaturesOfTheRightLength) {
  const SigningKey key = SpecKey();
  const Ed25519Signature signature = key.Sign({});
  EXPECT_EQ(ParseEd25519PublicKey(Base64Encode(key.public_key())),
            key.public_key());
  EXPECT_EQ(ParseEd25519Signature(Base64Encode(signature)), signature);
  EXPECT_EQ(ParseEd25519PublicKey(Base64Encode(signature)), std::nullopt);
  EXPECT_EQ(ParseEd25519Signature(Base64Encode(key.public_key())),
            std::nullopt);
  EXPECT_EQ(ParseEd25519PublicKey(""), std::nullopt);
  EXPECT_EQ(ParseEd25519PublicKey("!"), std::nullopt);
}

}  // namespace
}  // namespace matrixcore
