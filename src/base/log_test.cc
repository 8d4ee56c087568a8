#include "matrixcore/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace matrixcore {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/mc_log_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = name + "/server.log";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Logger> Open(LogFormat format,
                               LogLevel level = LogLevel::kInfo) {
    LogOptions options;
    options.file = path_;
    options.format = format;
    options.level = level;
    Result<std::unique_ptr<Logger>> logger = NewLogger(options);
    EXPECT_TRUE(logger.ok()) << logger.status().ToString();
    return *std::move(logger);
  }
  // The file, line by line, without the times.
  std::vector<std::string> Lines(size_t skip) const {
    std::ifstream file(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      lines.push_back(line.substr(std::min(skip, line.size())));
    }
    return lines;
  }
  static constexpr size_t kTextTime = sizeof("2026-01-02T03:04:05.678Z");
  static constexpr size_t kJsonTime =
      sizeof(R"({"time":"2026-01-02T03:04:05.678Z")");

  std::string directory_;
  std::string path_;
};

TEST_F(LogTest, WritesTextRecords) {
  const auto log = Open(LogFormat::kText);
  log->Info("room", "event persisted",
            {{"room_id", "!a:b"},
             {"position", 42},
             {"fast", true},
             {"seconds", 0.5}});
  log->Warn("net", "slow");
  EXPECT_EQ(Lines(kTextTime),
            (std::vector<std::string>{
                "info  room: event persisted room_id=!a:b position=42 "
                "fast=true seconds=0.5",
                "warn  net: slow"}));
}

TEST_F(LogTest, TimesAreInUtcWithMilliseconds) {
  Open(LogFormat::kText)->Info("x", "y");
  EXPECT_THAT(
      Lines(0)[0],
      MatchesRegex("20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:"
                   "[0-9][0-9]:[0-9][0-9]\\.[0-9][0-9][0-9]Z info  x: y"));
}

TEST_F(LogTest, QuotesTextValuesThatNeedIt) {
  const auto log = Open(LogFormat::kText);
  log->Info("x", "y",
            {{"a", ""},
             {"b", "two words"},
             {"c", "q\"\\"},
             {"d", "l\nm\x01"},
             {"e", "\xFF"},
             {"f", "h\u00e9"}});
  EXPECT_EQ(Lines(kTextTime)[0],
            R"(info  x: y a="" b="two words" c="q\"\\" d="l\nm\u0001" )"
            "e=\"\uFFFD\" f=h\u00e9");
}

TEST_F(LogTest, WritesJsonRecords) {
  const auto log = Open(LogFormat::kJson);
  log->Error("store", "cannot \"commit\"",
             {{"code", -5},
              {"path", "/a b\n\x7f"},
              {"bad", "\xFF"},
              {"ok", false},
              {"ratio", 0.25},
              {"inf", std::numeric_limits<double>::infinity()}});
  EXPECT_THAT(Lines(0)[0], testing::StartsWith("{\"time\":\"20"));
  EXPECT_EQ(Lines(kJsonTime)[0],
            R"("level":"error","part":"store","message":"cannot \"commit\"",)"
            R"("code":-5,"path":"/a b\n\u007f",)"
            "\"bad\":\"\uFFFD\",\"ok\":false,\"ratio\":0.25,\"inf\":null}");
}

TEST_F(LogTest, DropsRecordsBelowTheLevel) {
  const auto log = Open(LogFormat::kText, LogLevel::kWarn);
  EXPECT_FALSE(log->Enabled(LogLevel::kInfo));
  EXPECT_TRUE(log->Enabled(LogLevel::kError));
  EXPECT_FALSE(log->Enabled(LogLevel::kOff));
  log->Debug("x", "1");
  log->Info("x", "2");
  log->Warn("x", "3");
  EXPECT_EQ(Lines(kTextTime), std::vector<std::string>{"warn  x: 3"});
}

TEST_F(LogTest, TraceLevelShowsEverything) {
  const auto log = Open(LogFormat::kText, LogLevel::kTrace);
  log->Log(LogLevel::kTrace, "x", "1", {});
  log->Debug("x", "2");
  EXPECT_EQ(Lines(kTextTime),
            (std::vector<std::string>{"trace x: 1", "debug x: 2"}));
}

TEST_F(LogTest, AppendsToAnExistingFile) {
  Open(LogFormat::kText)->Info("x", "first");
  Open(LogFormat::kText)->Info("x", "second");
  EXPECT_EQ(Lines(kTextTime).size(), 2u);
}

TEST_F(LogTest, ReopensTheFileAfterItWasMoved) {
  const auto log = Open(LogFormat::kText);
  log->Info("x", "old");
  std::filesystem::rename(path_, path_ + ".1");
  log->Flush();
  log->Info("x", "new");
  EXPECT_EQ(Lines(kTextTime), std::vector<std::string>{"info  x: new"});
}

TEST_F(LogTest, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
  const auto log = Open(LogFormat::kText);
  std::filesystem::rename(path_, path_ + ".1");
  std::filesystem::create_directory(path_);
  log->Flush();
  log->Info("x", "kept");
  path_ += ".1";
  EXPECT_EQ(Lines(kTextTime), std::vector<std::string>{"info  x: kept"});
}

TEST_F(LogTest, NamesAFileThatCannotBeOpened) {
  LogOptions options;
  options.file = directory_ + "/missing/server.log";
  const auto logger = NewLogger(options);
  ASSERT_FALSE(logger.ok());
  EXPECT_EQ(logger.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(logger.status().message(), HasSubstr(options.file));
}

TEST_F(LogTest, RecordsOfManyThreadsStayWhole) {
  const auto log = Open(LogFormat::kText);
  const std::string text(500, 'x');
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) log->Info("x", "y", {{"text", text}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines(kTextTime);
  ASSERT_EQ(lines.size(), 400u);
  for (const std::string& line : lines) {
    EXPECT_EQ(line, "info  x: y text=" + text);
  }
}

TEST(LogLevel, NamesAreParsed) {
  EXPECT_EQ(ParseLogLevel("info"), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("off"), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("INFO"), std::nullopt);
  EXPECT_EQ(ParseLogLevel(""), std::nullopt);
  EXPECT_EQ(LogLevelName(LogLevel::kWarn), "warn");
}

TEST(NullLogger, TakesNothing) {
  const auto log = NewNullLogger();
  EXPECT_FALSE(log->Enabled(LogLevel::kError));
  log->Error("x", "y");
  log->Flush();
}

TEST(Logger, OpensStandardError) {
  EXPECT_TRUE(NewLogger({}).ok());
  LogOptions options;
  options.file = "-";
  EXPECT_TRUE(NewLogger(options).ok());
}

}  // namespace
}  // namespace matrixcore
