#include "matrixcore/testing/linearizability.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace matrixcore {

bool CounterModel::Apply(const Call& call, bool answered) {
  switch (call.kind) {
    case kRead:
      return !answered || call.answer == value;
    case kAdd:
      value += call.amount;
      return !answered || !call.answer.has_value() || call.answer == value;
    case kSet:
      value = call.amount;
      return true;
    case kSwap: {
      const bool does = value == call.expected;
      if (does) value = call.amount;
      return !answered || (call.answer == 1) == does;
    }
  }
  return false;
}

std::string CounterModel::Describe(const Call& call) {
  const std::string answer =
      call.answer.has_value() ? fmt::format(" = {}", *call.answer) : "";
  switch (call.kind) {
    case kRead:
      return "read" + answer;
    case kAdd:
      return fmt::format("add {}", call.amount) + answer;
    case kSet:
      return fmt::format("set {}", call.amount);
    case kSwap:
      return fmt::format("swap {} for {}", call.expected, call.amount) + answer;
  }
  return "";
}

bool ClaimModel::Apply(const Call& call, bool answered) {
  if (call.kind == kOffer) {
    items.push_back(call.item);
    return true;
  }
  if (answered && call.item != (items.empty() ? 0 : items.front())) {
    return false;
  }
  if (!items.empty()) items.pop_front();
  return true;
}

std::string ClaimModel::State() const {
  return fmt::format("{}", fmt::join(items, ","));
}

std::string ClaimModel::Describe(const Call& call) {
  return fmt::format("{} {}", call.kind == kOffer ? "offer" : "claim",
                     call.item);
}

bool LeaseModel::Apply(const Call& call, bool answered) {
  if (call.kind == kRelease) {
    // One that was lost before releases nothing.
    if (call.token == newest) held = false;
    return true;
  }
  if (!answered) {
    held = true;
    return true;
  }
  if (call.token == 0) return held;
  if (held || call.token <= newest) return false;
  newest = call.token;
  held = true;
  return true;
}

std::string LeaseModel::State() const {
  return fmt::format("{} {}", newest, held);
}

std::string LeaseModel::Describe(const Call& call) {
  return fmt::format("{} {}", call.kind == kTry ? "try" : "release",
                     call.token);
}

}  // namespace matrixcore
