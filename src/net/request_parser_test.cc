#include "net/request_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore::net {
namespace {

// What one request, fed `step` bytes at a time, came to.
struct Parsed {
  bool done = false;
  int status = 0;
  std::string rest;  // What followed the request.
  HttpRequest request;
  bool keep_alive = false;
};

Parsed Parse(const std::string& text, size_t step,
             const ParserLimits& limits = {}) {
  RequestParser parser(limits);
  std::string held;
  size_t next = 0;
  while (next < text.size() && !parser.done() && parser.failure().status == 0) {
    held.append(text, next, step);
    next += std::min(step, text.size() - next);
    held.erase(0, parser.Feed(held));
  }
  Parsed parsed;
  parsed.done = parser.done() && parser.failure().status == 0;
  parsed.status = parser.failure().status;
  parsed.rest = held + text.substr(next);
  if (parsed.done) {
    parsed.request = std::move(parser.request());
    parsed.keep_alive = parser.keep_alive();
  }
  return parsed;
}

TEST(RequestParser, GivesTheSameInPiecesOfAnySize) {
  const std::string text =
      "PUT /_matrix/client/v3/rooms/!a%3Ab/send/m%2Fx?q=%20 HTTP/1.1\r\n"
      "Host: example.org\r\nX-A:  padded \r\nContent-Length: 5\r\n\r\nhelloGET";
  for (const size_t step : {1, 2, 3, 7, 16, 1000}) {
    const Parsed parsed = Parse(text, step);
    ASSERT_TRUE(parsed.done) << step;
    EXPECT_EQ(parsed.request.method, HttpMethod::kPut);
    EXPECT_EQ(parsed.request.target,
              "/_matrix/client/v3/rooms/!a%3Ab/send/m%2Fx?q=%20");
    EXPECT_EQ(parsed.request.headers.Get("x-a"), "padded");
    EXPECT_EQ(parsed.request.body, "hello");
    EXPECT_EQ(parsed.rest, "GET");
    EXPECT_TRUE(parsed.keep_alive);
  }
}

TEST(RequestParser, ReadsChunkedBodies) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nHost: evil\r\nX-T: "
      "1\r\n\r\nrest";
  for (const size_t step : {1, 4, 1000}) {
    const Parsed parsed = Parse(text, step);
    ASSERT_TRUE(parsed.done) << step;
    EXPECT_EQ(parsed.request.body, "hello world");
    EXPECT_EQ(parsed.rest, "rest");
    // Trailer fields are no header fields.
    EXPECT_EQ(parsed.request.headers.Get("X-T"), std::nullopt);
    EXPECT_EQ(parsed.request.headers.Get("Host"), "a");
  }
}

TEST(RequestParser, TakesAnAbsoluteTargetForItsPath) {
  const struct {
    const char* sent;
    const char* target;
  } kCases[] = {
      {"http://example.org/a?b", "/a?b"},
      {"HTTPS://example.org:1/a", "/a"},
      {"http://example.org", "/"},
      {"http://example.org?x", "/?x"},
      {"*", "*"},
      {"//a", "//a"},
  };
  for (const auto& test : kCases) {
    const Parsed parsed = Parse(
        std::string("GET ") + test.sent + " HTTP/1.1\r\nHost: a\r\n\r\n", 99);
    ASSERT_TRUE(parsed.done) << test.sent;
    EXPECT_EQ(parsed.request.target, test.target);
  }
}

TEST(RequestParser, KnowsWhoWantsToStay) {
  EXPECT_FALSE(
      Parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 99)
          .keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.0\r\n\r\n", 99).keep_alive);
  EXPECT_TRUE(
      Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 99).keep_alive);
}

TEST(RequestParser, RefusesMalformedRequests) {
  const struct {
    const char* text;
    int status;
  } kCases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},  // No Host.
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"\x16\x03\x01\x02hello, this is a TLS greeting\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
       "Content-Length: 2\r\n\r\nab",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
       "Content-Length: 1\r\n\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
       "zz\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
       "fffffffffffffffff\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
       501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
       501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417},
  };
  for (const auto& test : kCases) {
    for (const size_t step : {1, 1000}) {
      const Parsed parsed = Parse(test.text, step);
      EXPECT_FALSE(parsed.done) << test.text;
      EXPECT_EQ(parsed.status, test.status) << test.text;
    }
  }
}

TEST(RequestParser, LimitsTheHeaderHoweverItComes) {
  const ParserLimits limits{.header_bytes = 200, .header_fields = 10};
  EXPECT_EQ(Parse("GET /" + std::string(300, 'a'), 7, limits).status, 431);
  EXPECT_EQ(
      Parse("GET / HTTP/1.1\r\nX: " + std::string(300, 'a'), 7, limits).status,
      431);
  // Fields that come one by one, each whole.
  std::string fields = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 30; ++i) fields += "X: aaaaaaaaaaaaaa\r\n";
  EXPECT_EQ(Parse(fields, 1, limits).status, 431);
  EXPECT_EQ(Parse(fields, 19, limits).status, 431);
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 11; ++i) many += "X:1\r\n";
  EXPECT_EQ(Parse(many + "\r\n", 1000, limits).status, 431);
}

TEST(RequestParser, LimitsTrailersAndChunkExtensions) {
  const ParserLimits limits{.header_bytes = 200};
  const std::string head =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(Parse(head + "1;" + std::string(300, 'x'), 7, limits).status, 431);
  EXPECT_EQ(Parse(head + "0\r\nX: " + std::string(300, 'x'), 7, limits).status,
            431);
}

TEST(RequestParser, LimitsTheBody) {
  const ParserLimits limits{.body_bytes = 4};
  EXPECT_TRUE(
      Parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd", 99,
            limits)
          .done);
  EXPECT_EQ(Parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 99,
                  limits)
                .status,
            413);
  EXPECT_EQ(Parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
                  "\r\n\r\n3\r\nabc\r\n2\r\n",
                  99, limits)
                .status,
            413);
}

TEST(RequestParser, KnowsWhoExpectsAWord) {
  RequestParser parser({});
  parser.Feed(
      "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
      "Content-Length: 3\r\n\r\n");
  EXPECT_TRUE(parser.header_done());
  EXPECT_FALSE(parser.done());
  EXPECT_TRUE(parser.expects_continue());
  RequestParser old({});
  old.Feed(
      "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_FALSE(old.expects_continue());
}

}  // namespace
}  // namespace matrixcore::net
