#include "manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"

namespace matrixcore::admin {
namespace {

using ::testing::HasSubstr;

const std::string kHashA(64, 'a');
const std::string kHashB(64, 'b');

Manifest Sample() {
  return {.server_name = "example.org",
          .program = "matrixcore-admin 1.2",
          .created_ts = 1'700'000'000'000,
          .schema_version = 3,
          .position = 77,
          .database = {1000, kHashA},
          .signing_key = {59, kHashB},
          .registration_secret = {},
          .media_list = {140, kHashB},
          .media_files = 2,
          .media_bytes = 12'345};
}

constexpr std::string_view kSampleBody =
    R"({"format":"matrixcore-backup","version":1,"server_name":"example.org",)"
    R"("program":"matrixcore-admin 1.2","created_ts":1700000000000,)"
    R"("created":"2023-11-14T22:13:20Z","schema_version":3,"log_position":77,)"
    R"("database":{"bytes":1000,"sha256":)"
    R"("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},)"
    R"("signing_key":{"bytes":59,"sha256":)"
    R"("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},)"
    R"("media_list":{"bytes":140,"sha256":)"
    R"("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},)"
    R"("media_files":2,"media_bytes":12345)";

// A manifest with its hash.
std::string Complete(std::string_view body) {
  return std::string(body) + R"(,"manifest_sha256":")" +
         HexEncode(Sha256(body)) + "\"}\n";
}

std::string With(std::string_view from, std::string_view to) {
  std::string text(kSampleBody);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return Complete(text.replace(at, from.size(), to));
}

TEST(Manifest, IsJson) {
  EXPECT_EQ(ManifestText(Sample()), Complete(kSampleBody));
}

TEST(Manifest, IsReadAsItWasWritten) {
  EXPECT_EQ(ParseManifest(Complete(kSampleBody)).value(), Sample());
  Manifest with_secret = Sample();
  with_secret.registration_secret = FileEntry{44, kHashA};
  EXPECT_EQ(ParseManifest(ManifestText(with_secret)).value(), with_secret);
}

TEST(Manifest, RefusesWhatIsDamaged) {
  const std::string cases[] = {
      "",
      "[]",
      std::string(kSampleBody.substr(0, 300)),
      With("matrixcore-backup", "matrixcore-backuq"),
      With("\"version\":1", "\"version\":0"),
      With("\"version\":1", "\"version\":\"1\""),
      With("example.org", "example org"),
      With(":77", ":-77"),
      With(":77", ":7.5"),
      With("\"schema_version\":3", "\"schema_version\":4294967296"),
      With("1700000000000", "1700000000000000"),
      With("1000", "\"1000\""),
      With("\"database\"", "\"databasf\""),
      With("aaaa", "aaa"),
      With("aaaa", "AAAA"),
      With("\"media_files\":2,", ""),
      With("\"media_files\":2", "\"version\":1,\"media_files\":2"),
      With("\"media_list\":{", "\"registration_secret\":{},\"media_list\":{"),
  };
  for (const std::string& text : cases) {
    const Status status = ParseManifest(text).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << text;
    EXPECT_THAT(status.message(), HasSubstr("take another backup"));
  }
}

TEST(Manifest, NoticesEveryFlippedBit) {
  const std::string whole = Complete(kSampleBody);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string text = whole;
    text[at] ^= 1;
    EXPECT_FALSE(ParseManifest(text).ok()) << at;
  }
}

TEST(Manifest, RefusesNewerFormats) {
  const Status status =
      ParseManifest(With("\"version\":1", "\"version\":2")).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("format 2, this program knows 1"));
}

TEST(MediaLine, IsThatOfSha256sum) {
  const MediaLine line{kHashA, "media/3f/a2/local+abc"};
  EXPECT_EQ(MediaLineText(line), kHashA + "  media/3f/a2/local+abc\n");
  const auto read = ParseMediaLine(kHashA + "  media/3f/a2/local+abc");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->sha256, kHashA);
  EXPECT_EQ(read->path, "media/3f/a2/local+abc");
}

TEST(MediaLine, NeverLeadsElsewhere) {
  for (const char* path :
       {"media/3f/a2/../x", "media/3f/../../x", "../3f/a2/x", "media/3f/a2/",
        "media/3f/a2/.", "media/3f/a2/a/b", "media/3F/a2/x", "media/3f/a2x",
        "/media/3f/a2/x", "media/3f/a2/a b", "homeserver.db", ""}) {
    EXPECT_EQ(ParseMediaLine(kHashA + "  " + path).status().code(),
              StatusCode::kDataLoss)
        << path;
  }
  EXPECT_FALSE(ParseMediaLine(kHashA + " media/3f/a2/x").ok());
  EXPECT_FALSE(ParseMediaLine(kHashA.substr(1) + "  media/3f/a2/x").ok());
}

}  // namespace
}  // namespace matrixcore::admin
