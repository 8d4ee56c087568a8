#include "net/response_head.h"

#include <gtest/gtest.h>

namespace matrixcore::net {
namespace {

class FixedClock : public Clock {
 public:
  Timestamp Now() const override { return {now_ms}; }
  MonotonicTime Monotonic() const override { return {0}; }
  int64_t now_ms = 784111777000;  // The example of RFC 9110 section 5.6.7.
};

class HeadWriterTest : public ::testing::Test {
 protected:
  std::string Write(const HttpResponse& response,
                    const HeadWriter::Framing& framing = {}) {
    std::string out = "old";
    writer_.Write(out, response, framing);
    return out;
  }
  FixedClock clock_;
  HeadWriter writer_{clock_};
};

TEST_F(HeadWriterTest, WritesStatusDateFieldsAndLength) {
  HttpResponse response;
  response.headers.Add("Content-Type", "application/json");
  response.body = "{}";
  EXPECT_EQ(Write(response, {.request_id = "abc-1"}),
            "HTTP/1.1 200 OK\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: application/json\r\n"
            "Content-Length: 2\r\n"
            "X-Request-Id: abc-1\r\n\r\n");
}

TEST_F(HeadWriterTest, SaysWhenTheConnectionEnds) {
  HttpResponse response;
  EXPECT_NE(
      Write(response, {.keep_alive = false}).find("Connection: close\r\n"),
      std::string::npos);
  EXPECT_NE(
      Write(response, {.http_1_0 = true}).find("Connection: keep-alive\r\n"),
      std::string::npos);
  EXPECT_EQ(Write(response).find("Connection"), std::string::npos);
}

TEST_F(HeadWriterTest, GivesNoLengthWhereThereIsNoBody) {
  HttpResponse response;
  response.status = 204;
  EXPECT_EQ(Write(response).find("Content-Length"), std::string::npos);
  response.status = 304;
  EXPECT_EQ(Write(response).find("Content-Length"), std::string::npos);
  response.status = 404;
  EXPECT_NE(Write(response).find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(HeadWriterTest, LetsNoFieldBreakTheFraming) {
  const std::pair<const char*, const char*> kFields[] = {
      {"content-length", "99"},
      {"Transfer-Encoding", "chunked"},
      {"Connection", "close"},
      {"X-Evil\r\nX", "1"},
      {"", "1"},
      {"Location", "/a\r\nSet-Cookie: b"}};
  HttpResponse response;
  for (const auto& [name, value] : kFields) response.headers.Add(name, value);
  EXPECT_EQ(Write(response),
            "HTTP/1.1 200 OK\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Location: /a  Set-Cookie: b\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST_F(HeadWriterTest, KeepsTheDateOfTheSecond) {
  EXPECT_NE(Write({}).find("08:49:37"), std::string::npos);
  clock_.now_ms += 999;
  EXPECT_NE(Write({}).find("08:49:37"), std::string::npos);
  clock_.now_ms += 1;
  EXPECT_NE(Write({}).find("08:49:38"), std::string::npos);
}

TEST(ErrorResponse, IsAMatrixErrorThatBrowsersMayRead) {
  const HttpResponse response = ErrorResponse(413, "M_TOO_LARGE", "Too large");
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, R"({"errcode":"M_TOO_LARGE","error":"Too large"})");
  EXPECT_EQ(response.headers.Get("Content-Type"), "application/json");
  EXPECT_EQ(response.headers.Get("Access-Control-Allow-Origin"), "*");
}

}  // namespace
}  // namespace matrixcore::net
