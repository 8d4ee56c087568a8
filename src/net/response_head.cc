#include "net/response_head.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <ctime>
#include <iterator>

namespace matrixcore::net {
namespace {

// The reason phrases of RFC 9110 and RFC 6585 that a Matrix server may send.
std::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

bool EqualsNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool IsFraming(std::string_view name) {
  return EqualsNoCase(name, "content-length") ||
         EqualsNoCase(name, "connection") || EqualsNoCase(name, "date") ||
         EqualsNoCase(name, "transfer-encoding") ||
         EqualsNoCase(name, "x-request-id");
}

// A character of RFC 9110's token.
bool IsTokenChar(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || kOthers.find(c) != std::string_view::npos;
}

bool IsToken(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), IsTokenChar);
}

void AppendValue(std::string& out, std::string_view value) {
  const size_t start = out.size();
  out.append(value);
  std::replace_if(
      out.begin() + static_cast<ptrdiff_t>(start), out.end(),
      [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; },
      ' ');
}

}  // namespace

HttpResponse ErrorResponse(int status, std::string_view errcode,
                           std::string_view message) {
  HttpResponse response;
  response.status = status;
  response.headers.Add("Content-Type", "application/json");
  response.headers.Add("Access-Control-Allow-Origin", "*");
  response.headers.Add("Access-Control-Allow-Methods",
                       "GET, POST, PUT, DELETE, OPTIONS");
  response.headers.Add("Access-Control-Allow-Headers",
                       "X-Requested-With, Content-Type, Authorization");
  response.body =
      fmt::format(R"({{"errcode":"{}","error":"{}"}})", errcode, message);
  return response;
}

bool StatusHasBody(int status) {
  return status >= 200 && status != 204 && status != 304;
}

void HeadWriter::Write(std::string& out, const HttpResponse& response,
                       const Framing& framing) {
  out.clear();
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\nDate: {}\r\n",
                 response.status, Reason(response.status), Date());
  for (const auto& [name, value] : response.headers.fields()) {
    if (IsFraming(name) || !IsToken(name)) continue;
    out.append(name).append(": ");
    AppendValue(out, value);
    out.append("\r\n");
  }
  if (StatusHasBody(response.status)) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n",
                   response.body.size());
  }
  if (!framing.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (framing.http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  if (!framing.request_id.empty()) {
    out.append("X-Request-Id: ").append(framing.request_id).append("\r\n");
  }
  out.append("\r\n");
}

std::string_view HeadWriter::Date() {
  const int64_t second = clock_.Now().ms / 1000;
  if (second == second_) return date_;
  second_ = second;
  const std::time_t time = static_cast<std::time_t>(second);
  std::tm tm{};
  gmtime_r(&time, &tm);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed",
                                   "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  date_ = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                      kDays[tm.tm_wday], tm.tm_mday, kMonths[tm.tm_mon],
                      tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return date_;
}

}  // namespace matrixcore::net
