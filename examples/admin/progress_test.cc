#include "progress.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "matrixcore/testing/sim.h"

namespace matrixcore::admin {
namespace {

class ProgressTest : public ::testing::Test {
 protected:
  std::unique_ptr<Progress> New(Unit unit, bool terminal) {
    return std::make_unique<Progress>("copying", unit, clock_, out_.get(),
                                      terminal);
  }
  // What was printed since the last call.
  std::string Printed() {
    std::fflush(out_.get());
    const auto from = static_cast<size_t>(read_);
    read_ = std::ftell(out_.get());
    std::string text(static_cast<size_t>(read_) - from, '\0');
    std::fseek(out_.get(), static_cast<long>(from), SEEK_SET);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), out_.get()), text.size());
    std::fseek(out_.get(), 0, SEEK_END);
    return text;
  }

  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  SimTime clock_;
  const std::unique_ptr<std::FILE, Closer> out_{std::tmpfile()};
  long read_ = 0;
};

TEST_F(ProgressTest, SaysNothingAboutWhatIsSoonOver) {
  const auto progress = New(Unit::kItems, true);
  clock_.Advance(milliseconds(999));
  progress->Update(5, 10);
  progress->Finish();
  EXPECT_EQ(Printed(), "");
}

TEST_F(ProgressTest, DrawsOneLineOfATerminalAgain) {
  const auto progress = New(Unit::kBytes, true);
  clock_.Advance(seconds(2));
  progress->Update(uint64_t{1} << 20, uint64_t{4} << 20);
  EXPECT_EQ(Printed(),
            "\rcopying   25 %  1.0 MiB of 4.0 MiB  512.0 KiB/s  0:06 left"
            "\033[K");
  clock_.Advance(milliseconds(100));
  progress->Update(uint64_t{2} << 20, uint64_t{4} << 20);
  EXPECT_EQ(Printed(), "");
  clock_.Advance(milliseconds(1900));
  progress->Update(uint64_t{4} << 20, uint64_t{4} << 20);
  progress->Finish();
  const std::string whole =
      "\rcopying  100 %  4.0 MiB of 4.0 MiB  1.0 MiB/s\033[K";
  EXPECT_EQ(Printed(), whole + whole + "\n");
}

TEST_F(ProgressTest, WritesALineEveryFewSecondsElsewhere) {
  const auto progress = New(Unit::kItems, false);
  for (int second = 1; second <= 12; ++second) {
    clock_.Advance(seconds(1));
    progress->Update(static_cast<uint64_t>(second) * 10, 72'000);
  }
  EXPECT_EQ(Printed(),
            "copying    0 %  10 of 72000  10/s  1:59:59 left\n"
            "copying    0 %  60 of 72000  10/s  1:59:54 left\n"
            "copying    0 %  110 of 72000  10/s  1:59:49 left\n");
}

TEST_F(ProgressTest, NeedsNoTotal) {
  const auto progress = New(Unit::kItems, false);
  clock_.Advance(seconds(2));
  progress->Update(100, 0);
  EXPECT_EQ(Printed(), "copying  100  50/s\n");
}

TEST(BytesText, ChoosesTheUnit) {
  EXPECT_EQ(BytesText(0), "0 bytes");
  EXPECT_EQ(BytesText(1023), "1023 bytes");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(uint64_t{5} << 30), "5.0 GiB");
}

}  // namespace
}  // namespace matrixcore::admin
