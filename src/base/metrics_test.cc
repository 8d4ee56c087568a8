#include "matrixcore/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace matrixcore {
namespace {

TEST(Metrics, ShowsCountersAndGauges) {
  const auto metrics = NewMetrics();
  Counter& sent = metrics->GetCounter("mc_sent_total", "Events sent.");
  sent.Add();
  sent.Add(2);
  sent.Add(-5);  // A counter never goes down.
  Gauge& parked = metrics->GetGauge("mc_parked", "Parked syncs.");
  parked.Set(10);
  parked.Add(-3);
  EXPECT_EQ(metrics->Text(),
            "# HELP mc_parked Parked syncs.\n"
            "# TYPE mc_parked gauge\n"
            "mc_parked 7\n"
            "# HELP mc_sent_total Events sent.\n"
            "# TYPE mc_sent_total counter\n"
            "mc_sent_total 3\n");
}

TEST(Metrics, ShowsSeriesSortedByTheirLabels) {
  const auto metrics = NewMetrics();
  for (const char* method : {"PUT", "GET", "POST"}) {
    metrics->GetCounter("mc_requests_total", "Requests.", {{"method", method}})
        .Add();
  }
  EXPECT_EQ(metrics->Text(),
            "# HELP mc_requests_total Requests.\n"
            "# TYPE mc_requests_total counter\n"
            "mc_requests_total{method=\"GET\"} 1\n"
            "mc_requests_total{method=\"POST\"} 1\n"
            "mc_requests_total{method=\"PUT\"} 1\n");
}

TEST(Metrics, OneNameAndLabelsAreOneSeries) {
  const auto metrics = NewMetrics();
  Counter& a =
      metrics->GetCounter("mc_x_total", "X.", {{"a", "1"}, {"b", "2"}});
  Counter& b =
      metrics->GetCounter("mc_x_total", "X.", {{"b", "2"}, {"a", "1"}});
  Counter& c = metrics->GetCounter("mc_x_total", "X.", {{"a", "1"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
}

TEST(Metrics, HistogramsCountInclusiveBounds) {
  const auto metrics = NewMetrics();
  Histogram& seconds =
      metrics->GetHistogram("mc_seconds", "Time.", {0.25, 0.5});
  for (double value : {0.125, 0.25, 0.375, 4.0}) seconds.Observe(value);
  EXPECT_EQ(metrics->Text(),
            "# HELP mc_seconds Time.\n"
            "# TYPE mc_seconds histogram\n"
            "mc_seconds_count 4\n"
            "mc_seconds_sum 4.75\n"
            "mc_seconds_bucket{le=\"0.25\"} 2\n"
            "mc_seconds_bucket{le=\"0.5\"} 3\n"
            "mc_seconds_bucket{le=\"+Inf\"} 4\n");
}

TEST(Metrics, AsksCallbacksEachTime) {
  const auto metrics = NewMetrics();
  double value = 1;
  metrics->AddGaugeCallback("mc_rooms", "Rooms.", {},
                            [&value] { return value; });
  EXPECT_THAT(metrics->Text(), testing::HasSubstr("mc_rooms 1\n"));
  value = 2;
  EXPECT_THAT(metrics->Text(), testing::HasSubstr("mc_rooms 2\n"));
  metrics->AddGaugeCallback("mc_rooms", "Rooms.", {}, [] { return 9.0; });
  EXPECT_EQ(metrics->Text(),
            "# HELP mc_rooms Rooms.\n# TYPE mc_rooms gauge\nmc_rooms 9\n");
}

TEST(Metrics, ShowsCallbacksOfOneNameByTheirLabels) {
  const auto metrics = NewMetrics();
  metrics->AddCounterCallback("mc_hits_total", "Hits.", {{"cache", "b"}},
                              [] { return 2.0; });
  metrics->AddCounterCallback("mc_hits_total", "Hits.", {{"cache", "a"}},
                              [] { return 1.0; });
  EXPECT_EQ(metrics->Text(),
            "# HELP mc_hits_total Hits.\n"
            "# TYPE mc_hits_total counter\n"
            "mc_hits_total{cache=\"a\"} 1\n"
            "mc_hits_total{cache=\"b\"} 2\n");
}

TEST(Metrics, ACallbackMayUseTheRegistry) {
  const auto metrics = NewMetrics();
  metrics->AddGaugeCallback("mc_a", "A.", {}, [&metrics] {
    metrics->GetCounter("mc_asked_total", "Asked.").Add();
    return 1.0;
  });
  EXPECT_THAT(metrics->Text(), testing::HasSubstr("mc_a 1\n"));
}

TEST(Metrics, EscapesLabelValues) {
  const auto metrics = NewMetrics();
  metrics->GetCounter("mc_total", "X.", {{"path", "a\"b\\c\nd"}}).Add();
  EXPECT_THAT(metrics->Text(),
              testing::HasSubstr("mc_total{path=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

TEST(Metrics, CountsFromManyThreads) {
  const auto metrics = NewMetrics();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&metrics] {
      Counter& counter = metrics->GetCounter("mc_total", "X.");
      for (int k = 0; k < 10'000; ++k) counter.Add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics->Text(), testing::HasSubstr("mc_total 40000\n"));
}

}  // namespace
}  // namespace matrixcore
