// Whether what many threads were told at the same time could have been told to
// them one after the other: linearisability.
//
// Threads note their calls in a History, each with the time at which it began
// and ended.  FindContradiction() then looks for an order of the calls that
// agrees with those times (what ended before another began comes first) and in
// which a plain model of the object gives every answer that was given.
//
//   History<CounterModel::Call> history;
//   ... in each thread:
//     const uint64_t began = history.Begin();
//     const auto sum = cache.Add("n", 1, seconds(60));
//     history.End(began, {.kind = CounterModel::kAdd, .amount = 1,
//                         .answer = *sum});
//   ... then: "" if all is well.
//   FindContradiction(history.Take(), CounterModel());
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

// A call and when it was made, by the clock of its history.
template <typename Call>
struct TimedCall {
  static constexpr uint64_t kNever = UINT64_MAX;

  Call call;
  uint64_t began = 0;
  // kNever for a call whose answer was lost: it took effect at any time since
  // it began, or never will.
  uint64_t ended = kNever;
  bool answered() const { return ended != kNever; }
};

// What was called and answered.  Thread-safe.
template <typename Call>
class History {
 public:
  // Before the call.
  uint64_t Begin() {
    MutexLock lock(mutex_);
    return ++now_;
  }
  // After it, with its answer.
  void End(uint64_t began, Call call) {
    MutexLock lock(mutex_);
    calls_.push_back({std::move(call), began, ++now_});
  }
  // After it, when nobody knows whether it took effect.  (A call that certainly
  // did not is not noted at all.)
  void Lost(uint64_t began, Call call) {
    MutexLock lock(mutex_);
    calls_.push_back({std::move(call), began});
  }
  // All calls so far; empties the history.
  std::vector<TimedCall<Call>> Take() {
    MutexLock lock(mutex_);
    return std::exchange(calls_, {});
  }

 private:
  Mutex mutex_;
  uint64_t now_ MC_GUARDED_BY(mutex_) = 0;
  std::vector<TimedCall<Call>> calls_ MC_GUARDED_BY(mutex_);
};

// Looks for the order; see FindContradiction.
template <typename Model>
class OrderSearch {
 public:
  using Timed = TimedCall<typename Model::Call>;

  OrderSearch(std::vector<Timed> calls, Model model)
      : calls_(std::move(calls)) {
    std::sort(calls_.begin(), calls_.end(),
              [](const Timed& a, const Timed& b) { return a.began < b.began; });
    taken_.assign(calls_.size(), '0');
    answered_ = static_cast<size_t>(
        std::count_if(calls_.begin(), calls_.end(),
                      [](const Timed& call) { return call.answered(); }));
    left_ = fewest_ = answered_;
    if (!calls_.empty()) stuck_ = Model::Describe(calls_[0].call);
    steps_.push_back({std::move(model)});
  }

  std::string Run() {
    while (left_ > 0) {
      if (Forward() || Back()) continue;
      return "no order explains the answers: after " +
             std::to_string(answered_ - fewest_) + " of " +
             std::to_string(answered_) + " calls nothing leads to: " + stuck_;
    }
    return "";
  }

 private:
  // A call that was taken, and the model after it.
  struct Step {
    Model model;
    size_t tried = 0;  // Calls before it have been tried as the next one.
    size_t taken = 0;
  };

  // Takes a call that no other, not yet taken, ended before.
  bool Forward() {
    uint64_t first_end = Timed::kNever;
    const size_t tried = steps_.back().tried;
    for (size_t i = 0; i < calls_.size() && calls_[i].began < first_end; ++i) {
      if (taken_[i] == '1') continue;
      first_end = std::min(first_end, calls_[i].ended);
      if (i < tried) continue;
      Model model = steps_.back().model;
      if (!model.Apply(calls_[i].call, calls_[i].answered())) continue;
      taken_[i] = '1';
      if (!seen_.insert(taken_ + model.State()).second) {
        taken_[i] = '0';
        continue;
      }
      steps_.back().tried = i + 1;
      steps_.push_back({std::move(model), 0, i});
      if (calls_[i].answered()) --left_;
      NoteProgress();
      return true;
    }
    return false;
  }

  // Gives the last call back; false when there is none.
  bool Back() {
    if (steps_.size() == 1) return false;
    const size_t last = steps_.back().taken;
    taken_[last] = '0';
    if (calls_[last].answered()) ++left_;
    steps_.pop_back();
    return true;
  }

  void NoteProgress() {
    if (left_ >= fewest_) return;
    fewest_ = left_;
    const size_t oldest = taken_.find('0');
    if (oldest != std::string::npos) {
      stuck_ = Model::Describe(calls_[oldest].call);
    }
  }

  std::vector<Timed> calls_;  // By when they began.
  std::string taken_;         // '1' for each call that was taken.
  size_t answered_ = 0;
  size_t left_ = 0;    // Answered calls that are not taken.
  size_t fewest_ = 0;  // The least that left_ ever was.
  std::string stuck_;  // The oldest call that was not taken then.
  std::unordered_set<std::string> seen_;
  std::vector<Step> steps_;
};

// "" when the calls can have taken effect one after the other on `model`; else
// how far the best order got and which call nothing explains.
//
// Model is a small value with
//   using Call = ...;
//   // Makes the call; false when it cannot have had this answer.  A call that
//   // was not answered only takes effect.
//   bool Apply(const Call& call, bool answered);
//   std::string State() const;  // Equal texts: equal models.
//   static std::string Describe(const Call& call);
//
// The time this takes grows fast with the number of calls under way at once, so
// keep to a few threads, and to one object a history: objects that do not touch
// each other are checked apart.
template <typename Model>
std::string FindContradiction(
    std::vector<TimedCall<typename Model::Call>> calls, Model model) {
  return OrderSearch<Model>(std::move(calls), std::move(model)).Run();
}

// A number that is read, added to, set, and set if it has a certain value.
struct CounterModel {
  enum Kind : uint8_t { kRead, kAdd, kSet, kSwap };
  struct Call {
    Kind kind = kRead;
    int64_t amount = 0;    // What is added, or the new value.
    int64_t expected = 0;  // kSwap: only if the value is this one.
    // kRead: the value.  kAdd: the sum, where it is told.  kSwap: 1 if it was
    // done, else 0.
    std::optional<int64_t> answer = std::nullopt;
  };

  bool Apply(const Call& call, bool answered);
  std::string State() const { return std::to_string(value); }
  static std::string Describe(const Call& call);

  int64_t value = 0;
};

// Things that are offered, in growing order, and claimed, the oldest first,
// each once: one-time keys.
struct ClaimModel {
  enum Kind : uint8_t { kOffer, kClaim };
  struct Call {
    Kind kind = kOffer;
    int64_t item = 0;  // What was offered or got; kClaim: 0 for nothing left.
  };

  bool Apply(const Call& call, bool answered);
  std::string State() const;
  static std::string Describe(const Call& call);

  std::deque<int64_t> items = {};
};

// A lease that is tried for and released; its tokens grow.
struct LeaseModel {
  enum Kind : uint8_t { kTry, kRelease };
  struct Call {
    Kind kind = kTry;
    uint64_t token = 0;  // The one that was got or released; kTry: 0 for none.
  };

  bool Apply(const Call& call, bool answered);
  std::string State() const;
  static std::string Describe(const Call& call);

  uint64_t newest = 0;  // The token of the last lease.
  bool held = false;
};

}  // namespace matrixcore
