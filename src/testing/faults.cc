#include "matrixcore/testing/faults.h"

#include <fmt/format.h>

#include <iterator>
#include <thread>
#include <utility>

namespace matrixcore {
namespace {

// SplitMix64: neighbouring numbers give numbers that have nothing in common.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

constexpr std::string_view kNames[kFaultCount] = {
    "snapshot-fails", "read-fails",   "commit-fails", "commit-answer-lost",
    "cache-forgets",  "cache-fails",  "blob-fails",   "blob-answer-lost",
    "blob-torn",      "search-fails", "lease-fails",  "lease-lost",
    "publish-fails",  "wakeup-lost",  "delay"};

}  // namespace

std::string_view FaultName(Fault fault) {
  return kNames[static_cast<size_t>(fault)];
}

FaultRates FaultRates::All(uint32_t one_in) {
  FaultRates rates;
  rates.one_in.fill(one_in);
  return rates.Set(Fault::kReadFails, one_in * 10)
      .Set(Fault::kDelay, one_in * 10);
}

FaultInjector::FaultInjector(uint64_t seed, FaultRates rates, Delay delay)
    : seed_(seed), rates_(rates), delay_(std::move(delay)) {}

uint64_t FaultInjector::Draw(Fault fault, uint64_t call) const {
  return Mix(Mix(Mix(seed_) + static_cast<uint64_t>(fault)) + call);
}

bool FaultInjector::Strikes(Fault fault) {
  const uint32_t rate = rates_.one_in[static_cast<size_t>(fault)];
  Kind& kind = of(fault);
  if (kind.paused > 0) return false;
  const uint64_t call = kind.calls++;
  const bool planned = call >= kind.plan_begin && call < kind.plan_end;
  if (!planned && (rate == 0 || Draw(fault, call) % rate != 0)) return false;
  ++kind.struck;
  return true;
}

void FaultInjector::Plan(Fault fault, uint64_t spared, uint64_t times) {
  Kind& kind = of(fault);
  kind.plan_end = 0;
  kind.plan_begin = kind.calls + spared;
  kind.plan_end = kind.plan_begin + times;
}

void FaultInjector::MaybeDelay() {
  if (!Strikes(Fault::kDelay)) return;
  const auto turns = static_cast<uint32_t>(
      1 + Draw(Fault::kDelay, ~of(Fault::kDelay).struck.load()) % 8);
  if (delay_) return delay_(turns);
  for (uint32_t i = 0; i < turns; ++i) std::this_thread::yield();
}

FaultInjector::Pause::Pause(FaultInjector& faults)
    : faults_(&faults), first_(0), end_(kFaultCount) {
  Count(1);
}
FaultInjector::Pause::Pause(FaultInjector& faults, Fault fault)
    : faults_(&faults),
      first_(static_cast<size_t>(fault)),
      end_(static_cast<size_t>(fault) + 1) {
  Count(1);
}
FaultInjector::Pause::Pause(Pause&& other) noexcept
    : faults_(std::exchange(other.faults_, nullptr)),
      first_(other.first_),
      end_(other.end_) {}
FaultInjector::Pause::~Pause() { Count(-1); }

void FaultInjector::Pause::Count(int by) {
  if (faults_ == nullptr) return;
  for (size_t i = first_; i < end_; ++i) faults_->kinds_[i].paused += by;
}

uint64_t FaultInjector::calls(Fault fault) const { return of(fault).calls; }
uint64_t FaultInjector::struck(Fault fault) const { return of(fault).struck; }

uint64_t FaultInjector::struck() const {
  uint64_t all = 0;
  for (const Kind& kind : kinds_) all += kind.struck;
  return all;
}

std::string FaultInjector::Summary() const {
  std::string text = fmt::format("seed {}:", seed_);
  for (size_t i = 0; i < kFaultCount; ++i) {
    if (kinds_[i].struck == 0) continue;
    fmt::format_to(std::back_inserter(text), " {} {} of {},", kNames[i],
                   kinds_[i].struck.load(), kinds_[i].calls.load());
  }
  text.back() = '.';
  return text;
}

}  // namespace matrixcore
