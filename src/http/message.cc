#include "matrixcore/http/message.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace matrixcore {
namespace {

constexpr std::array<std::string_view, 8> kMethodNames = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", ""};

char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

HttpResponse DroppedResponse() {
  HttpResponse response;
  response.status = 500;
  response.headers.Add("Content-Type", "application/json");
  response.body = R"({"errcode":"M_UNKNOWN","error":"Internal server error"})";
  return response;
}

}  // namespace

std::string_view HttpMethodName(HttpMethod method) {
  return kMethodNames[static_cast<size_t>(method)];
}

HttpMethod ParseHttpMethod(std::string_view name) {
  for (size_t i = 0; i + 1 < kMethodNames.size(); ++i) {
    if (kMethodNames[i] == name) return static_cast<HttpMethod>(i);
  }
  return HttpMethod::kOther;
}

void HttpHeaders::Set(std::string_view name, std::string value) {
  std::erase_if(fields_, [name](const auto& field) {
    return EqualIgnoringCase(field.first, name);
  });
  fields_.emplace_back(name, std::move(value));
}

std::optional<std::string_view> HttpHeaders::Get(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (EqualIgnoringCase(field, name)) return value;
  }
  return std::nullopt;
}

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    if (pending()) (*this)(DroppedResponse());
    send_ = std::exchange(other.send_, {});
  }
  return *this;
}

Responder::~Responder() {
  if (pending()) (*this)(DroppedResponse());
}

void Responder::operator()(HttpResponse response) {
  assert(pending() && "answered twice");
  if (!pending()) return;
  // Empty before the call: `send_` may destroy this responder.
  Send send = std::exchange(send_, {});
  std::move(send)(std::move(response));
}

}  // namespace matrixcore
