#include "matrixcore/testing/cache_conformance.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/testing/linearizability.h"

namespace matrixcore {
namespace {

constexpr Duration kLife = seconds(60);

std::string Shown(const std::optional<std::string>& value) {
  return value.has_value() ? "\"" + value->substr(0, 40) + "\"" : "nothing";
}

void ExpectValue(Cache& cache, std::string_view key,
                 const std::optional<std::string>& value, std::string_view what,
                 Findings& findings) {
  const auto found = cache.Get(key);
  if (found == value) return;
  findings.Add(
      fmt::format("{}: {} instead of {}", what, Shown(found), Shown(value)));
}

void ExpectSum(Cache& cache, std::string_view key, int64_t amount, int64_t sum,
               std::string_view what, Findings& findings) {
  const auto added = cache.Add(key, amount, kLife);
  if (added.ok() && *added == sum) return;
  findings.Add(fmt::format(
      "{}: {} instead of {}", what,
      added.ok() ? std::to_string(*added) : added.status().ToString(), sum));
}

void KeepsAndReplaces(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  ExpectValue(cache, "a", std::nullopt, "an empty cache", findings);
  cache.Put("a", "1", kLife);
  cache.Put("b", "2", kLife);
  ExpectValue(cache, "a", "1", "a value", findings);
  cache.Put("a", "3", kLife);
  ExpectValue(cache, "a", "3", "a value put again", findings);
  ExpectValue(cache, "b", "2", "another value", findings);
  cache.Erase("a");
  cache.Erase("never there");
  ExpectValue(cache, "a", std::nullopt, "an erased value", findings);
  ExpectValue(cache, "b", "2", "another value", findings);
}

void KeepsAnyBytes(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  const std::vector<std::string> texts = {"",
                                          std::string("\0", 1),
                                          std::string("a\0b", 3),
                                          "a",
                                          "\xff\xfe",
                                          "\r\n",
                                          " ",
                                          "*",
                                          "a\nb",
                                          std::string(300, 'k')};
  for (const std::string& text : texts) cache.Put(text, text, kLife);
  for (const std::string& text : texts) {
    ExpectValue(cache, text, text, "bytes as key and value", findings);
  }
}

void ForgetsWhenTimeIsOver(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  cache.Put("short", "1", seconds(2));
  cache.Put("long", "2", seconds(6));
  cache.Put("again", "3", seconds(2));
  fixture.Advance(seconds(1));
  ExpectValue(cache, "short", "1", "before its time is over", findings);
  cache.Put("again", "4", seconds(6));
  fixture.Advance(milliseconds(1500));
  ExpectValue(cache, "short", std::nullopt, "after its time", findings);
  ExpectValue(cache, "long", "2", "a longer life", findings);
  ExpectValue(cache, "again", "4", "a life begun again", findings);
  fixture.Advance(seconds(6));
  ExpectValue(cache, "long", std::nullopt, "after its time", findings);
}

void Counts(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  ExpectSum(cache, "n", 1, 1, "a new counter", findings);
  ExpectSum(cache, "n", 5, 6, "a counter", findings);
  ExpectSum(cache, "n", -8, -2, "a counter below 0", findings);
  ExpectSum(cache, "m", 0, 0, "another counter", findings);
  ExpectValue(cache, "n", "-2", "a counter as text", findings);
  cache.Put("text", "12", kLife);
  ExpectSum(cache, "text", 1, 13, "a number that was put", findings);
  cache.Put("text", "no number", kLife);
  ExpectSum(cache, "text", 1, 1, "a text that is no number", findings);
  cache.Erase("n");
  ExpectSum(cache, "n", 1, 1, "an erased counter", findings);
}

void TheFirstAddSetsTheLife(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  const auto add = [&](int64_t sum, std::string_view what) {
    const auto added = cache.Add("n", 1, seconds(3));
    findings.Expect(added.ok() && *added == sum,
                    fmt::format("{}: not {}", what, sum));
  };
  add(1, "the first");
  fixture.Advance(seconds(2));
  add(2, "in its life");
  fixture.Advance(seconds(2));
  add(1, "after the life that the first one set");
}

void DropsWhatIsTooLarge(CacheFixture& fixture, Findings& findings) {
  if (fixture.too_large_bytes() == 0) return;
  Cache& cache = fixture.cache();
  cache.Put("a", "old", kLife);
  cache.Put("a", std::string(fixture.too_large_bytes(), 'x'), kLife);
  ExpectValue(cache, "a", std::nullopt,
              "a value that is too large, in place of another", findings);
}

void CountsFromManyThreads(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 500; ++i) {
        (void)cache.Add("n", 1, kLife);
        cache.Put(fmt::format("{}", (t + i) % 7), "v", kLife);
        (void)cache.Get(fmt::format("{}", i % 7));
        if (i % 10 == 0) cache.Erase(fmt::format("{}", i % 7));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectSum(cache, "n", 0, 2000, "additions of 4 threads", findings);
}

void SumsStopAtTheEndsOfTheirRange(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  ExpectSum(cache, "n", INT64_MAX, INT64_MAX, "a large sum", findings);
  ExpectSum(cache, "n", 1, INT64_MAX, "a sum above int64", findings);
  ExpectSum(cache, "m", INT64_MIN, INT64_MIN, "a small sum", findings);
  ExpectSum(cache, "m", -1, INT64_MIN, "a sum below int64", findings);
}

// Each answer of one counter, explained by one order of the calls.
void CountersAreLinearizable(CacheFixture& fixture, Findings& findings) {
  Cache& cache = fixture.cache();
  History<CounterModel::Call> history;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto random = NewSeededRandom(t);
      for (int i = 0; i < 60; ++i) {
        CounterModel::Call call;
        const uint64_t began = history.Begin();
        switch (random->Below(8)) {
          case 0:
            cache.Erase("n");
            call.kind = CounterModel::kSet;
            break;
          case 1:
          case 2: {
            const auto text = cache.Get("n");
            call.answer = text.has_value() ? std::stoll(*text) : 0;
            break;
          }
          default: {
            call = {.kind = CounterModel::kAdd, .amount = 1 + i % 3};
            const auto sum = cache.Add("n", call.amount, kLife);
            if (!findings.Expect(sum.ok(), "Add fails")) return;
            call.answer = *sum;
          }
        }
        history.End(began, call);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string wrong = FindContradiction(history.Take(), CounterModel());
  findings.Expect(wrong.empty(), "a counter: " + wrong);
}

constexpr CacheCheck kChecks[] = {
    {"KeepsAndReplaces", KeepsAndReplaces},
    {"KeepsAnyBytes", KeepsAnyBytes},
    {"ForgetsWhenTimeIsOver", ForgetsWhenTimeIsOver},
    {"Counts", Counts},
    {"TheFirstAddSetsTheLife", TheFirstAddSetsTheLife},
    {"DropsWhatIsTooLarge", DropsWhatIsTooLarge},
    {"CountsFromManyThreads", CountsFromManyThreads},
    {"SumsStopAtTheEndsOfTheirRange", SumsStopAtTheEndsOfTheirRange},
    {"CountersAreLinearizable", CountersAreLinearizable},
};

}  // namespace

std::span<const CacheCheck> CacheChecks() { return kChecks; }

}  // namespace matrixcore
