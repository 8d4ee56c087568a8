#include <gtest/gtest.h>

#include "matrixcore/api/router.h"

namespace matrixcore::api {
namespace {

TEST(ErrorsTest, ErrcodesHaveTheStatusOfTheSpecification) {
  const auto status = [](StatusCode code, std::string_view errcode) {
    return HttpStatusOf(Status(code, errcode, "x"));
  };
  EXPECT_EQ(status(StatusCode::kPermissionDenied, "M_FORBIDDEN"), 403);
  EXPECT_EQ(status(StatusCode::kUnauthenticated, "M_UNKNOWN_TOKEN"), 401);
  EXPECT_EQ(status(StatusCode::kUnauthenticated, "M_MISSING_TOKEN"), 401);
  EXPECT_EQ(status(StatusCode::kNotFound, "M_NOT_FOUND"), 404);
  EXPECT_EQ(status(StatusCode::kTooLarge, "M_TOO_LARGE"), 413);
  EXPECT_EQ(status(StatusCode::kAlreadyExists, "M_USER_IN_USE"), 400);
  EXPECT_EQ(status(StatusCode::kInvalidArgument, "M_BAD_JSON"), 400);
  EXPECT_EQ(status(StatusCode::kUnsupported, "M_UNRECOGNIZED"), 404);
  EXPECT_EQ(status(StatusCode::kPermissionDenied, "M_USER_DEACTIVATED"), 403);
  EXPECT_EQ(status(StatusCode::kInvalidArgument, "M_UNSUPPORTED_ROOM_VERSION"),
            400);
  EXPECT_EQ(status(StatusCode::kResourceExhausted, "M_LIMIT_EXCEEDED"), 429);
}

TEST(ErrorsTest, WithoutAnErrcodeTheKindOfFailureDecides) {
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kInvalidArgument, "x")), 400);
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kAlreadyExists, "x")), 409);
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kUnavailable, "x")), 503);
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kDeadlineExceeded, "x")), 504);
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kInternal, "x")), 500);
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kDataLoss, "x")), 500);
}

TEST(ErrorsTest, UnknownLeavesTheStatusToTheKindOfFailure) {
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kAlreadyExists, "M_UNKNOWN", "x")),
            409);
  EXPECT_EQ(
      HttpStatusOf(Status(StatusCode::kInvalidArgument, "M_UNKNOWN", "x")),
      400);
}

TEST(ErrorsTest, TheMessageOfARefusalIsTold) {
  const Reply reply = ErrorReply(
      Status(StatusCode::kNotFound, "M_NOT_FOUND", "No such \"room\""));
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body,
            R"({"errcode":"M_NOT_FOUND","error":"No such \"room\""})");
}

TEST(ErrorsTest, WhatWentWrongInsideIsNotTold) {
  for (const StatusCode code :
       {StatusCode::kInternal, StatusCode::kDataLoss, StatusCode::kUnavailable,
        StatusCode::kAborted, StatusCode::kDeadlineExceeded}) {
    const Reply reply = ErrorReply(Status(code, "/var/lib/secret.db is gone"));
    EXPECT_EQ(reply.body.find("secret"), std::string::npos) << reply.body;
    EXPECT_NE(reply.body.find(R"("errcode":"M_UNKNOWN")"), std::string::npos);
  }
}

TEST(ErrorsTest, AnErrcodeDoesNotTurnAnInternalErrorIntoTheClients) {
  EXPECT_EQ(HttpStatusOf(Status(StatusCode::kInternal, "M_BAD_JSON", "x")),
            500);
}

TEST(ErrorsTest, ALimitSaysWhenToTryAgain) {
  const Reply reply = ErrorReply(Status(StatusCode::kResourceExhausted, "x"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.headers.Get("Retry-After"), "1");
  EXPECT_NE(reply.body.find(R"("retry_after_ms":1000)"), std::string::npos);
}

}  // namespace
}  // namespace matrixcore::api
