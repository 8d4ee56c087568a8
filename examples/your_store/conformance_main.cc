// Runs the conformance suites, without a test framework: that of Store on a
// store of this project's own, the others on the backends in memory.  The
// argument is a path that nothing lies at.

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/blob_conformance.h"
#include "matrixcore/testing/bus_conformance.h"
#include "matrixcore/testing/cache_conformance.h"
#include "matrixcore/testing/coordinator_conformance.h"
#include "matrixcore/testing/search_conformance.h"
#include "matrixcore/testing/sim.h"
#include "matrixcore/testing/store_conformance.h"
#include "your_store/your_store.h"

namespace mc = matrixcore;

namespace {

class OwnStore : public mc::StoreFixture {
 public:
  explicit OwnStore(std::string path) : path_(std::move(path)) {}
  ~OwnStore() override { std::filesystem::remove(path_); }
  mc::Result<std::unique_ptr<mc::Store>> Open(
      const mc::Schema& schema) override {
    return your::OpenYourStore(path_, schema);
  }
  bool durable() const override { return true; }

 private:
  const std::string path_;
};

class Blobs : public mc::BlobFixture {
 public:
  mc::Result<std::unique_ptr<mc::BlobStore>> Open() override {
    return mc::NewMemoryBlobStore();
  }
  bool durable() const override { return false; }
};

class Caches : public mc::CacheFixture {
 public:
  mc::Cache& cache() override { return *cache_; }
  void Advance(mc::Duration duration) override { time_.Advance(duration); }
  size_t too_large_bytes() const override { return 10'001; }

 private:
  mc::SimTime time_;
  mc::CacheBudget budget_{10'000};
  const std::unique_ptr<mc::Cache> cache_ = mc::NewMemoryCache(time_, budget_);
};

class Leases : public mc::CoordinatorFixture {
 public:
  mc::Coordinator& first() override { return *leases_; }
  mc::Coordinator& second() override { return *leases_; }
  const mc::Clock& clock() const override { return time_; }

 private:
  const mc::SimTime time_;
  const std::unique_ptr<mc::Coordinator> leases_ =
      mc::NewMemoryCoordinator(time_);
};

class Buses : public mc::BusFixture {
 public:
  mc::Bus& first() override { return *bus_; }
  mc::Bus& second() override { return *bus_; }

 private:
  const std::unique_ptr<mc::Bus> bus_ = mc::NewMemoryBus();
};

class Searches : public mc::SearchFixture {
 public:
  mc::SearchIndex& index() override { return *index_; }
  bool Reopen() override { return false; }

 private:
  const std::unique_ptr<mc::SearchIndex> index_ = mc::NewMemorySearchIndex();
};

// Runs a suite; whether nothing was found.
template <typename Fixture>
bool Run(std::string_view name,
         std::span<const mc::ConformanceCheck<Fixture>> checks,
         const std::function<std::unique_ptr<Fixture>()>& make) {
  const auto findings = mc::RunConformance<Fixture>(checks, make);
  for (const std::string& finding : findings) {
    std::printf("%s: %s\n", std::string(name).c_str(), finding.c_str());
  }
  return findings.empty();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string path = argv[1];
  bool good = Run<mc::StoreFixture>("store", mc::StoreChecks(), [&path] {
    return std::make_unique<OwnStore>(path);
  });
  good &= Run<mc::BlobFixture>("blobs", mc::BlobChecks(),
                               [] { return std::make_unique<Blobs>(); });
  good &= Run<mc::CacheFixture>("cache", mc::CacheChecks(),
                                [] { return std::make_unique<Caches>(); });
  good &= Run<mc::CoordinatorFixture>("leases", mc::CoordinatorChecks(), [] {
    return std::make_unique<Leases>();
  });
  good &= Run<mc::BusFixture>("bus", mc::BusChecks(),
                              [] { return std::make_unique<Buses>(); });
  good &= Run<mc::SearchFixture>("search", mc::SearchChecks(),
                                 [] { return std::make_unique<Searches>(); });
  if (!good) return 1;
  std::puts("all conform");
  return 0;
}
