#include "memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace matrixcore::server {
namespace {

constexpr size_t kKilobyte = 1024;
constexpr size_t kMegabyte = 1024 * kKilobyte;
constexpr size_t kSearchConnections = 2;

}  // namespace

Result<MemoryPlan> PlanMemory(const Config& config, size_t readers) {
  const auto budget = static_cast<size_t>(config.cache_budget_bytes);
  MemoryPlan plan;
  plan.writer_pages = config.sqlite.writer_cache_bytes;
  if (plan.writer_pages == 0) {
    plan.writer_pages =
        std::clamp(budget / 16, 512 * kKilobyte, 64 * kMegabyte);
  }
  plan.reader_pages = config.sqlite.reader_cache_bytes;
  if (plan.reader_pages == 0) {
    // Their pages are good until the next commit only: more would not help.
    plan.reader_pages =
        std::clamp(budget / 8 / readers, 64 * kKilobyte, 512 * kKilobyte);
  }
  plan.search_pages = std::clamp(budget / 32, 128 * kKilobyte, 2 * kMegabyte);
  plan.all_pages = plan.writer_pages + readers * plan.reader_pages +
                   kSearchConnections * plan.search_pages;
  const size_t most = budget - budget / 4;
  if (plan.all_pages <= most) return plan;
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format(
          "caches.budget_bytes: SQLite's page caches would take {} of {} bytes "
          "(database.writer_cache_bytes {}, {} readers of "
          "database.reader_cache_bytes {}, the search index {}), and less than "
          "a quarter would be left; raise the budget to {} or more, or lower "
          "those or database.readers",
          plan.all_pages, budget, plan.writer_pages, readers, plan.reader_pages,
          kSearchConnections * plan.search_pages,
          (plan.all_pages / 3 + 1) * 4));
}

}  // namespace matrixcore::server
