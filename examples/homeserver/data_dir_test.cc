#include "data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace matrixcore::server {
namespace {

using ::testing::HasSubstr;

class DataDirTest : public ::testing::Test {
 protected:
  DataDirTest() {
    std::string name = ::testing::TempDir() + "mc-data-XXXXXX";
    dir_ = mkdtemp(name.data());
  }
  ~DataDirTest() override { std::filesystem::remove_all(dir_); }

  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777;
  }
  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  std::string dir_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
};

TEST_F(DataDirTest, MakesAPrivateFolderWithItsParents) {
  const std::string path = dir_ + "/a/b/data";
  EXPECT_TRUE(PrepareDataDir(path).ok());
  EXPECT_EQ(ModeOf(path), 0700u);
  EXPECT_TRUE(PrepareDataDir(path).ok());
  EXPECT_TRUE(PrepareDataDir(dir_ + "/c/").ok());
}

TEST_F(DataDirTest, NamesWhatIsNotAFolder) {
  Write(dir_ + "/file", "x");
  const Status file = PrepareDataDir(dir_ + "/file");
  EXPECT_EQ(file.code(), StatusCode::kUnavailable);
  EXPECT_THAT(file.message(), HasSubstr(dir_ + "/file is not a folder"));
  EXPECT_THAT(PrepareDataDir(dir_ + "/file/data").message(),
              HasSubstr(dir_ + "/file"));
}

TEST_F(DataDirTest, MakesASigningKeyOnce) {
  const std::string path = dir_ + "/signing.key";
  const auto made = LoadOrMakeSigningKey(path, *random_);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_THAT(made->key_id(), ::testing::StartsWith("ed25519:a_"));
  const auto read = LoadOrMakeSigningKey(path, *random_);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->key_id(), made->key_id());
  EXPECT_EQ(read->public_key(), made->public_key());
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(DataDirTest, NeverReplacesADamagedSigningKey) {
  const std::string path = dir_ + "/signing.key";
  for (const char* text : {"", "ed25519 a_1", "secret stuff"}) {
    Write(path, text);
    const auto key = LoadOrMakeSigningKey(path, *random_);
    EXPECT_EQ(key.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(key.status().message(), HasSubstr(path));
    EXPECT_THAT(key.status().message(), Not(HasSubstr("secret stuff")));
  }
}

TEST_F(DataDirTest, MakesASecretOnce) {
  const std::string path = dir_ + "/secret";
  EXPECT_EQ(LoadSecret(path).status().code(), StatusCode::kNotFound);
  const auto made = LoadOrMakeSecret(path, *random_);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->size(), 43u);
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*LoadOrMakeSecret(path, *random_), *made);
  EXPECT_EQ(*LoadSecret(path), *made);
}

TEST_F(DataDirTest, RefusesAnEmptyOrLongSecret) {
  const std::string path = dir_ + "/secret";
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("two\nlines"),
        std::string(5000, 'x')}) {
    Write(path, text);
    EXPECT_EQ(LoadOrMakeSecret(path, *random_).status().code(),
              StatusCode::kDataLoss);
  }
}

TEST_F(DataDirTest, TellsWhoMayRead) {
  const std::string path = dir_ + "/file";
  Write(path, "x");
  chmod(path.c_str(), 0600);
  EXPECT_FALSE(ReadableByOthers(path));
  chmod(path.c_str(), 0640);
  EXPECT_TRUE(ReadableByOthers(path));
  EXPECT_FALSE(ReadableByOthers(dir_ + "/none"));
}

TEST(PathBelow, KeepsAbsolutePaths) {
  EXPECT_EQ(PathBelow("data", "x.db"), "data/x.db");
  EXPECT_EQ(PathBelow("data", "/srv/x.db"), "/srv/x.db");
}

}  // namespace
}  // namespace matrixcore::server
