// Status and Result<T>: how matrixcore reports failures.
//
// No exception crosses a module boundary.  A function that can fail returns
// Status, or Result<T> when it also has a value.  A *negative answer* ("this
// event is not allowed", "no such row") is not a failure: such functions
// return an optional or a verdict.
//
// A Status carries three things: a StatusCode for the program to branch on, an
// optional Matrix errcode ("M_FORBIDDEN") when the failure has one in the
// protocol, and a message for people.  Messages of kInternal, kDataLoss and
// kUnavailable may name files or tables: log them, never send them to a client.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace matrixcore {

enum class StatusCode {
  kOk,
  kInvalidArgument,     // The input is wrong whatever the state is.
  kUnauthenticated,     // Nobody proved who asks.
  kPermissionDenied,    // Known, but may not do this.
  kNotFound,            // The thing named does not exist.
  kAlreadyExists,       // It does exist and must not.
  kFailedPrecondition,  // The state forbids it; retrying alone cannot help.
  kAborted,             // Lost a race (a batch precondition): read and retry.
  kResourceExhausted,   // A limit or a quota; later may work.
  kUnavailable,         // A part is down or shutting down; later may work.
  kDeadlineExceeded,    // Too slow; it may or may not have happened.
  kTooLarge,            // The input exceeds a size limit.
  kUnsupported,         // Understood, but not offered here.
  kDataLoss,            // Stored data is damaged.
  kInternal,            // A bug.
};

// The code's name in lower case with dashes, such as "not-found".
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message)
      : code_(code), message_(std::move(message)) {}
  // `errcode` is a string literal such as "M_FORBIDDEN"; it is not copied.
  Status(StatusCode code, std::string_view errcode, std::string message)
      : code_(code), errcode_(errcode), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  // The Matrix errcode, or "" when the protocol has no better one than the
  // default of the code.
  std::string_view errcode() const { return errcode_; }
  const std::string& message() const { return message_; }

  // For logs: "not-found M_NOT_FOUND: no such room".
  std::string ToString() const;

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string_view errcode_;
  std::string message_;
};

inline Status OkStatus() { return Status(); }

// Either a T or a Status that is not ok.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<1>, std::move(value)) {}
  Result(Status status) : state_(std::in_place_index<0>, std::move(status)) {
    assert(!std::get<0>(state_).ok());
  }

  bool ok() const { return state_.index() == 1; }
  explicit operator bool() const { return ok(); }

  // The failure; ok when there is a value.
  Status status() const& { return ok() ? Status() : std::get<0>(state_); }
  Status status() && {
    return ok() ? Status() : std::get<0>(std::move(state_));
  }

  // The value.  Only to be called when ok().
  T& value() & {
    assert(ok());
    return *std::get_if<1>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<1>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<1>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<Status, T> state_;
};

#define MC_CONCAT_INNER_(a, b) a##b
#define MC_CONCAT_(a, b) MC_CONCAT_INNER_(a, b)

// MC_RETURN_IF_ERROR(Do());  returns the Status of Do() unless it is ok.
#define MC_RETURN_IF_ERROR(expr)                                    \
  do {                                                              \
    if (::matrixcore::Status mc_status_ = (expr); !mc_status_.ok()) \
      return mc_status_;                                            \
  } while (false)

// MC_ASSIGN_OR_RETURN(auto x, Make());  declares x or returns the failure.
#define MC_ASSIGN_OR_RETURN(lhs, expr) \
  MC_ASSIGN_OR_RETURN_(MC_CONCAT_(mc_result_, __LINE__), lhs, expr)
#define MC_ASSIGN_OR_RETURN_(result, lhs, expr)        \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = std::move(result).value()

}  // namespace matrixcore
