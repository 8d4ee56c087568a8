#include "memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrixcore::server {
namespace {

using ::testing::HasSubstr;

Config WithBudget(int64_t bytes) {
  Config config;
  config.cache_budget_bytes = bytes;
  config.sqlite.writer_cache_bytes = 0;
  config.sqlite.reader_cache_bytes = 0;
  return config;
}

TEST(MemoryPlan, OfTheDefaultBudget) {
  const auto plan = PlanMemory(WithBudget(64 << 20), 10);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->writer_pages, 4u << 20);
  EXPECT_EQ(plan->reader_pages, 512u << 10);
  EXPECT_EQ(plan->search_pages, 2u << 20);
  EXPECT_EQ(plan->all_pages, 13u << 20);
}

TEST(MemoryPlan, ManyReadersGetSmallerCaches) {
  const auto plan = PlanMemory(WithBudget(64 << 20), 100);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->reader_pages, (8u << 20) / 100);
}

TEST(MemoryPlan, OfASmallBudget) {
  const auto plan = PlanMemory(WithBudget(8 << 20), 10);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->writer_pages, 512u << 10);
  EXPECT_EQ(plan->reader_pages, (1u << 20) / 10);
  EXPECT_EQ(plan->search_pages, 256u << 10);
}

TEST(MemoryPlan, KeepsWhatIsConfigured) {
  Config config = WithBudget(64 << 20);
  config.sqlite.writer_cache_bytes = 10 << 20;
  config.sqlite.reader_cache_bytes = 1 << 20;
  const auto plan = PlanMemory(config, 4);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->writer_pages, 10u << 20);
  EXPECT_EQ(plan->reader_pages, 1u << 20);
}

TEST(MemoryPlan, RefusesPageCachesThatLeaveTooLittle) {
  Config config = WithBudget(16 << 20);
  config.sqlite.writer_cache_bytes = 12 << 20;
  const auto plan = PlanMemory(config, 4);
  EXPECT_EQ(plan.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(plan.status().message(),
              HasSubstr("database.writer_cache_bytes 12582912"));
  // What the message advises is enough.
  EXPECT_THAT(plan.status().message(), HasSubstr("raise the budget to "));
}

}  // namespace
}  // namespace matrixcore::server
