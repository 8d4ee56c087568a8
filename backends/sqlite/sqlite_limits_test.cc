// Real limits of the operating system: full disks, quotas, permissions.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"

namespace matrixcore {
namespace {

namespace fs = std::filesystem;

// 2 MB in memory, mounted at `path`.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(std::string path) : path_(std::move(path)) {
    fs::create_directory(path_);
    mounted_ = mount("none", path_.c_str(), "tmpfs", 0, "size=2m") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) umount(path_.c_str());
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  bool mounted() const { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

// Runs `body` in a process of its own, so that it may limit itself, and expects
// it to return "".
void InChild(const std::function<std::string()>& body) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string complaint = body();
    (void)!write(ends[1], complaint.data(), complaint.size());
    _exit(0);
  }
  close(ends[1]);
  std::string complaint;
  char buffer[1000];
  for (ssize_t size = 0; (size = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    complaint.append(buffer, static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(complaint, "");
}

// "" when the status has that code and says all that.
std::string Expect(const Status& status, StatusCode code,
                   std::initializer_list<std::string_view> parts) {
  if (status.code() != code) return "unexpected: " + status.ToString();
  for (const std::string_view part : parts) {
    if (status.message().find(part) == std::string::npos) {
      return "lacks \"" + std::string(part) + "\": " + status.message();
    }
  }
  return "";
}

// Commits entries of 4 KB from `next` on until one fails.
Status FillUp(Store& store, int64_t& next) {
  for (;; ++next) {
    const auto result = store.Commit(PutEntry(next, std::string(4000, 'f')));
    if (!result.ok()) return result.status();
    if (next > 100'000) return OkStatus();
  }
}

TEST(SqliteLimitsTest, SaysThatTheDiskIsFullAndGoesOnWhenItIsNot) {
  const TestDirectory directory;
  const std::string mounted = directory.File("small");
  const SmallFileSystem file_system(mounted);
  if (!file_system.mounted()) {
    GTEST_SKIP() << "a small file system can be mounted only by root";
  }
  const std::string path = mounted + "/store.db";
  {
    const auto store = OpenSqliteStore(path, TestSchema());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    int64_t next = 0;
    const Status full = FillUp(**store, next);
    EXPECT_EQ(Expect(full, StatusCode::kUnavailable, {path, "full"}), "");
    EXPECT_EQ(CountEntries(**store), static_cast<size_t>(next));
    ASSERT_EQ(mount("none", mounted.c_str(), "tmpfs", MS_REMOUNT, "size=8m"),
              0);
    EXPECT_EQ((*store)->Check(), OkStatus());
    EXPECT_TRUE((*store)->Commit(PutEntry(next)).ok());
    EXPECT_EQ(CountEntries(**store), static_cast<size_t>(next + 1));
  }
  // A full disk when the server starts.
  {
    std::ofstream ballast(mounted + "/ballast");
    ballast << std::string(16 << 20, 'b');
  }
  const Status refused =
      OpenSqliteStore(mounted + "/other.db", TestSchema()).status();
  EXPECT_EQ(Expect(refused, StatusCode::kUnavailable, {"other.db", "space"}),
            "");
}

TEST(SqliteLimitsTest, SaysThatAFileMayNotGrow) {
  const TestDirectory directory;
  const std::string path = directory.File("store.db");
  InChild([&path]() -> std::string {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const auto store = OpenSqliteStore(path, TestSchema());
    if (!store.ok()) return store.status().ToString();
    int64_t next = 0;
    const Status failed = FillUp(**store, next);
    std::string complaint = Expect(failed, StatusCode::kUnavailable,
                                   {path, "writing failed", "size of files"});
    if (complaint.empty() &&
        CountEntries(**store) != static_cast<size_t>(next)) {
      complaint = "rows were lost or written by halves";
    }
    return complaint;
  });
}

// Becomes a user who may do nothing special; true if that worked or was not
// needed.
bool BecomeNobody() {
  constexpr uid_t kNobody = 65534;
  return geteuid() != 0 || (setgid(kNobody) == 0 && setuid(kNobody) == 0);
}

TEST(SqliteLimitsTest, SaysThatADirectoryMayNotBeWritten) {
  const TestDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0555), 0);
  InChild([&directory]() -> std::string {
    if (!BecomeNobody()) return "";
    const std::string path = directory.File("store.db");
    return Expect(OpenSqliteStore(path, TestSchema()).status(),
                  StatusCode::kUnavailable,
                  {path, "Permission denied", "writable for the user"});
  });
}

TEST(SqliteLimitsTest, SaysThatAFileMayNotBeWritten) {
  const TestDirectory directory;
  const std::string path = directory.File("store.db");
  {
    const auto store = OpenSqliteStore(path, TestSchema());
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE((*store)->Commit(PutEntry(1)).ok());
  }
  ASSERT_EQ(chmod(directory.path().c_str(), 0777), 0);
  ASSERT_EQ(chmod(path.c_str(), 0444), 0);
  ASSERT_EQ(chmod((path + "-lock").c_str(), 0666), 0);
  InChild([&path]() -> std::string {
    if (!BecomeNobody()) return "";
    return Expect(OpenSqliteStore(path, TestSchema()).status(),
                  StatusCode::kUnavailable, {path, "read-only"});
  });
  // Not even by an attempt.
  const auto store = OpenSqliteStore(path, TestSchema());
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  EXPECT_EQ(CountEntries(**store), 1u);
}

TEST(SqliteLimitsTest, SaysThatAFileSystemIsReadOnly) {
  const TestDirectory directory;
  const std::string mounted = directory.File("small");
  const SmallFileSystem file_system(mounted);
  if (!file_system.mounted()) {
    GTEST_SKIP() << "a small file system can be mounted only by root";
  }
  const std::string path = mounted + "/store.db";
  { EXPECT_TRUE(OpenSqliteStore(path, TestSchema()).ok()); }
  ASSERT_EQ(
      mount("none", mounted.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr),
      0);
  EXPECT_EQ(Expect(OpenSqliteStore(path, TestSchema()).status(),
                   StatusCode::kUnavailable, {path, "Read-only file system"}),
            "");
}

}  // namespace
}  // namespace matrixcore
