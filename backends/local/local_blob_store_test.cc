#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "matrixcore/backends/local.h"
#include "matrixcore/testing/blob_conformance.h"
#include "matrixcore/testing/conformance_gtest.h"

namespace matrixcore {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class TestDirectory {
 public:
  TestDirectory() {
    std::string name = (fs::temp_directory_path() / "mc_blob_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) abort();
    path_ = name;
  }
  ~TestDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  std::string path() const { return path_; }

 private:
  std::string path_;
};

class LocalBlobFixture : public BlobFixture {
 public:
  Result<std::unique_ptr<BlobStore>> Open() override {
    return OpenLocalBlobStore(media_);
  }
  bool durable() const override { return true; }
  bool Crash() override {
    const std::string copy = directory_.path() + "/crashed";
    fs::copy(media_, copy, fs::copy_options::recursive);
    media_ = copy;
    return true;
  }
  bool Tear(std::string_view) override {
    // The only one.
    for (const auto& entry : fs::recursive_directory_iterator(media_)) {
      if (!entry.is_regular_file()) continue;
      fs::resize_file(entry.path(), entry.file_size() / 2);
      return true;
    }
    return false;
  }

 private:
  const TestDirectory directory_;
  std::string media_ = directory_.path() + "/media";
};

std::unique_ptr<BlobFixture> MakeBlobs() {
  return std::make_unique<LocalBlobFixture>();
}

MC_INSTANTIATE_CONFORMANCE(LocalBlobs, BlobChecks(), MakeBlobs);

std::vector<std::string> Files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  return files;
}

void Write(BlobStore& store, std::string_view key, std::string_view bytes) {
  auto writer = store.Create(key);
  ASSERT_TRUE(writer.ok()) << writer.status().ToString();
  ASSERT_TRUE((*writer)->Append(AsBytes(bytes)).ok());
  ASSERT_EQ((*writer)->Commit(), OkStatus());
}

unsigned ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(LocalBlobStoreTest, KeepsBlobsFromOtherUsers) {
  const TestDirectory directory;
  const std::string root = directory.path() + "/media";
  const auto store = OpenLocalBlobStore(root + "/");
  ASSERT_TRUE(store.ok());
  Write(**store, "local/abc", "secret");
  EXPECT_EQ(ModeOf(root), 0700u);
  const auto files = Files(root);
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(ModeOf(files[0]), 0600u);
  EXPECT_THAT(files[0], HasSubstr("/local+abc"));
}

TEST(LocalBlobStoreTest, RemovesWhatACrashLeftButNotWhatIsInUse) {
  const TestDirectory directory;
  const std::string root = directory.path() + "/media";
  const pid_t child = fork();
  if (child == 0) {
    // Dies while it writes.
    const auto store = OpenLocalBlobStore(root);
    auto writer = (*store)->Create("dead");
    if (!(*writer)->Append(AsBytes("half")).ok()) _exit(1);
    _exit(0);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(Files(root).size(), 1u);

  const auto first = OpenLocalBlobStore(root);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Files(root).size(), 0u);

  auto writer = (*first)->Create("alive");
  ASSERT_TRUE(writer.ok());
  const auto second = OpenLocalBlobStore(root);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE((*writer)->Append(AsBytes("whole")).ok());
  EXPECT_EQ((*writer)->Commit(), OkStatus());
  EXPECT_EQ((*(*second)->Open("alive"))->size(), 5u);
}

TEST(LocalBlobStoreTest, TellsWhenAFileWasCutShort) {
  const TestDirectory directory;
  const auto store = OpenLocalBlobStore(directory.path());
  Write(**store, "a", "0123456789");
  auto reader = (*store)->Open("a");
  ASSERT_TRUE(reader.ok());
  fs::resize_file(Files(directory.path())[0], 4);
  EXPECT_EQ(*(*reader)->Read(0, 4), "0123");
  const auto rest = (*reader)->Read(2, 8);
  EXPECT_EQ(rest.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(rest.status().message(), HasSubstr("cut short"));
}

TEST(LocalBlobStoreTest, NamesTheDirectoryThatCannotBeUsed) {
  const TestDirectory directory;
  const auto missing = OpenLocalBlobStore(directory.path() + "/no/media");
  EXPECT_EQ(missing.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(missing.status().message(), HasSubstr("/no/media"));
  std::ofstream(directory.path() + "/file") << "x";
  const auto file = OpenLocalBlobStore(directory.path() + "/file");
  EXPECT_EQ(file.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(OpenLocalBlobStore("").status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace matrixcore
