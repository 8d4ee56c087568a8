// Caches that break one rule each, and the checks that must notice.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/broken.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/cache_conformance.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {
namespace {

constexpr size_t kBytes = 10'000;

// Passes everything on; a broken cache overrides what it breaks.
class CacheWrapper : public Cache {
 public:
  explicit CacheWrapper(Cache& base) : base_(base) {}
  std::optional<std::string> Get(std::string_view key) override {
    return base_.Get(key);
  }
  void Put(std::string_view key, std::string value, Duration ttl) override {
    base_.Put(key, std::move(value), ttl);
  }
  void Erase(std::string_view key) override { base_.Erase(key); }
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    return base_.Add(key, amount, ttl);
  }

 protected:
  Cache& base() { return base_; }

 private:
  Cache& base_;
};

class KeepsTheFirst : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  void Put(std::string_view key, std::string value, Duration ttl) override {
    if (!base().Get(key)) base().Put(key, std::move(value), ttl);
  }
};

class CutsKeys : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  std::optional<std::string> Get(std::string_view key) override {
    return base().Get(std::string(key).c_str());
  }
  void Put(std::string_view key, std::string value, Duration ttl) override {
    base().Put(std::string(key).c_str(), std::move(value), ttl);
  }
};

class NeverForgets : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  void Put(std::string_view key, std::string value, Duration) override {
    base().Put(key, std::move(value), seconds(3'600));
  }
};

class TellsTheOldSum : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    MC_ASSIGN_OR_RETURN(const int64_t sum, base().Add(key, amount, ttl));
    return sum - amount;
  }
};

class EachAddRenewsTheLife : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    MC_ASSIGN_OR_RETURN(const int64_t sum, base().Add(key, amount, ttl));
    base().Put(key, std::to_string(sum), ttl);
    return sum;
  }
};

class KeepsWhatIsReplaced : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  void Put(std::string_view key, std::string value, Duration ttl) override {
    if (value.size() < kBytes) base().Put(key, std::move(value), ttl);
  }
};

// Answers as if it had added, every tenth time.
class LosesAdditions : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    if (++calls_ % 10 != 0) return base().Add(key, amount, ttl);
    MC_ASSIGN_OR_RETURN(const int64_t sum, base().Add(key, 0, ttl));
    return sum + amount;
  }

 private:
  std::atomic<int> calls_{0};
};

class WrapsAround : public CacheWrapper {
 public:
  using CacheWrapper::CacheWrapper;
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    const std::string old = base().Get(key).value_or("0");
    int64_t sum = 0;
    if (__builtin_add_overflow(std::stoll(old), amount, &sum)) {
      base().Put(key, std::to_string(sum), ttl);
      return sum;
    }
    return base().Add(key, amount, ttl);
  }
};

template <typename Broken>
class BrokenFixture : public CacheFixture {
 public:
  Cache& cache() override { return broken_; }
  void Advance(Duration duration) override { time_.Advance(duration); }
  size_t too_large_bytes() const override { return kBytes + 1; }

 private:
  SimTime time_;
  CacheBudget budget_{kBytes};
  const std::unique_ptr<Cache> sound_ = NewMemoryCache(time_, budget_);
  Broken broken_{*sound_};
};

template <typename Broken>
Breakage<CacheFixture> Breaks(std::string rule,
                              std::vector<std::string> noticed_by) {
  return {std::move(rule),
          [] { return std::make_unique<BrokenFixture<Broken>>(); },
          std::move(noticed_by)};
}

std::vector<Breakage<CacheFixture>> CacheBreakages() {
  return {
      Breaks<KeepsTheFirst>("PutReplaces", {"KeepsAndReplaces"}),
      Breaks<CutsKeys>("KeysAreAnyBytes", {"KeepsAnyBytes"}),
      Breaks<NeverForgets>("LivesEnd", {"ForgetsWhenTimeIsOver"}),
      Breaks<TellsTheOldSum>("AddTellsTheSum",
                             {"Counts", "CountersAreLinearizable"}),
      Breaks<EachAddRenewsTheLife>("TheFirstAddSetsTheLife",
                                   {"TheFirstAddSetsTheLife"}),
      Breaks<KeepsWhatIsReplaced>("WhatIsTooLargeGoes",
                                  {"DropsWhatIsTooLarge"}),
      Breaks<LosesAdditions>("NoAdditionIsLost", {"CountsFromManyThreads",
                                                  "CountersAreLinearizable"}),
      Breaks<WrapsAround>("SumsDoNotWrapAround",
                          {"SumsStopAtTheEndsOfTheirRange"}),
  };
}

MC_INSTANTIATE_BREAKAGES(Cache, CacheChecks(), CacheBreakages)

TEST(CacheSuiteTest, HasNothingToSayAboutASoundCache) {
  EXPECT_THAT(
      RunConformance<CacheFixture>(
          CacheChecks(),
          [] { return std::make_unique<BrokenFixture<CacheWrapper>>(); }),
      ::testing::IsEmpty());
}

}  // namespace
}  // namespace matrixcore
