#include "matrixcore/base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace matrixcore {
namespace {

TEST(Status, IsOkByDefault) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_EQ(status.ToString(), "ok");
  EXPECT_EQ(status, OkStatus());
}

TEST(Status, ToStringNamesCodeErrcodeAndMessage) {
  EXPECT_EQ(
      Status(StatusCode::kNotFound, "M_NOT_FOUND", "no such room").ToString(),
      "not-found M_NOT_FOUND: no such room");
  EXPECT_EQ(Status(StatusCode::kAborted, "lost a race").ToString(),
            "aborted: lost a race");
  EXPECT_EQ(Status(StatusCode::kInternal, "").ToString(), "internal");
}

TEST(Status, EveryCodeHasAName) {
  EXPECT_EQ(StatusCodeName(StatusCode::kOk), "ok");
  EXPECT_EQ(StatusCodeName(StatusCode::kDeadlineExceeded), "deadline-exceeded");
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    EXPECT_NE(StatusCodeName(static_cast<StatusCode>(code)), "unknown") << code;
  }
}

TEST(Status, ComparesAllParts) {
  const Status status(StatusCode::kNotFound, "M_NOT_FOUND", "x");
  EXPECT_EQ(status, Status(StatusCode::kNotFound, "M_NOT_FOUND", "x"));
  EXPECT_NE(status, Status(StatusCode::kNotFound, "M_UNKNOWN", "x"));
  EXPECT_NE(status, Status(StatusCode::kAborted, "M_NOT_FOUND", "x"));
  EXPECT_NE(status, Status(StatusCode::kNotFound, "M_NOT_FOUND", "y"));
}

TEST(Result, HoldsAValue) {
  Result<std::string> result(std::string("value"));
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.status().ok());
  EXPECT_EQ(*result, "value");
  EXPECT_EQ(result->size(), 5u);
}

TEST(Result, HoldsAFailure) {
  const Result<std::string> result(Status(StatusCode::kTooLarge, "big"));
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(static_cast<bool>(result));
  EXPECT_EQ(result.status().code(), StatusCode::kTooLarge);
}

TEST(Result, MovesItsValueOut) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 7);
}

Status Check(bool fail) {
  return fail ? Status(StatusCode::kAborted, "failed") : OkStatus();
}
Result<int> Make(bool fail) {
  if (fail) return Status(StatusCode::kNotFound, "none");
  return 20;
}
Result<int> Combine(bool fail_check, bool fail_make) {
  MC_RETURN_IF_ERROR(Check(fail_check));
  MC_ASSIGN_OR_RETURN(const int first, Make(false));
  MC_ASSIGN_OR_RETURN(const int second, Make(fail_make));
  return first + second + 2;
}

TEST(Result, MacrosPassFailuresOnAndUnpackValues) {
  EXPECT_EQ(*Combine(false, false), 42);
  EXPECT_EQ(Combine(true, false).status().code(), StatusCode::kAborted);
  EXPECT_EQ(Combine(false, true).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace matrixcore
