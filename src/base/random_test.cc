#include "matrixcore/base/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "matrixcore/base/bytes.h"

namespace matrixcore {
namespace {

TEST(SeededRandom, GivesTheSameBytesEverywhere) {
  // splitmix64 from the seed 42, then xoshiro256**.
  const auto random = NewSeededRandom(42);
  std::array<uint8_t, 24> bytes;
  random->Fill(bytes);
  EXPECT_EQ(HexEncode(bytes),
            "16c72e0c2e0b78157e3a116d86d90461a199e439325317ae");
}

TEST(SeededRandom, DependsOnTheSeedOnly) {
  const auto a = NewSeededRandom(7);
  const auto b = NewSeededRandom(7);
  const auto c = NewSeededRandom(8);
  const std::string text = a->AlphaNumeric(40);
  EXPECT_EQ(b->AlphaNumeric(40), text);
  EXPECT_NE(c->AlphaNumeric(40), text);
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  const auto random = NewSeededRandom(1);
  std::map<uint64_t, int> seen;
  for (int i = 0; i < 6000; ++i) ++seen[random->Below(6)];
  ASSERT_EQ(seen.size(), 6u);
  EXPECT_EQ(seen.rbegin()->first, 5u);
  for (const auto& [number, count] : seen) {
    EXPECT_GT(count, 850) << number;
    EXPECT_LT(count, 1150) << number;
  }
  EXPECT_EQ(random->Below(1), 0u);
}

TEST(Random, BelowHandlesHugeBounds) {
  const auto random = NewSeededRandom(1);
  bool large = false;
  for (int i = 0; i < 64; ++i) {
    const uint64_t number = random->Below((uint64_t{1} << 63) + 1);
    EXPECT_LE(number, uint64_t{1} << 63);
    large = large || number > (uint64_t{1} << 61);
  }
  EXPECT_TRUE(large);
}

TEST(Random, StringUsesEveryLetterEvenly) {
  const auto random = NewSeededRandom(3);
  const std::string text = random->String(30000, "abc");
  std::map<char, int> seen;
  for (char c : text) ++seen[c];
  ASSERT_EQ(seen.size(), 3u);
  for (const auto& [letter, count] : seen) {
    EXPECT_GT(count, 9600) << letter;
    EXPECT_LT(count, 10400) << letter;
  }
}

TEST(Random, StringOfEveryByteValue) {
  std::string alphabet;
  for (int i = 0; i < 256; ++i) alphabet.push_back(static_cast<char>(i));
  const auto random = NewSeededRandom(3);
  const std::string text = random->String(5000, alphabet);
  EXPECT_EQ(std::set<char>(text.begin(), text.end()).size(), 256u);
}

TEST(Random, AlphaNumericHasItsAlphabet) {
  const auto random = NewSeededRandom(3);
  const std::string text = random->AlphaNumeric(5000);
  EXPECT_EQ(text.size(), 5000u);
  EXPECT_EQ(std::set<char>(text.begin(), text.end()).size(), 62u);
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789"),
            std::string::npos);
}

TEST(SystemRandom, DoesNotRepeatItself) {
  const auto random = NewSystemRandom();
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(random->AlphaNumeric(20));
  EXPECT_EQ(seen.size(), 2000u);
}

TEST(SystemRandom, FillsLargeRequestsToTheEnd) {
  const auto random = NewSystemRandom();
  std::vector<uint8_t> bytes(100'000, 0);
  random->Fill(bytes);
  // 64 zeros in a row would be a chance of 2^-512.
  size_t zeros = 0;
  for (size_t i = bytes.size() - 64; i < bytes.size(); ++i) {
    if (bytes[i] == 0) ++zeros;
  }
  EXPECT_LT(zeros, 64u);
}

TEST(SystemRandom, AForkedChildGetsOtherBytes) {
  const auto random = NewSystemRandom();
  random->AlphaNumeric(1);  // Reads ahead.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  std::array<uint8_t, 32> bytes = {};
  if (child == 0) {
    random->Fill(bytes);
    const bool written =
        write(fds[1], bytes.data(), bytes.size()) == ssize_t{32};
    _exit(written ? 0 : 1);
  }
  std::array<uint8_t, 32> from_child = {};
  random->Fill(bytes);
  EXPECT_EQ(read(fds[0], from_child.data(), from_child.size()), 32);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(HexEncode(bytes), HexEncode(from_child));
  close(fds[0]);
  close(fds[1]);
}

}  // namespace
}  // namespace matrixcore
