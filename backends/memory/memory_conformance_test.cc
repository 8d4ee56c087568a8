// The suites of the test kit, on what lives in memory.
#include <gtest/gtest.h>

#include <memory>

#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore {
namespace {

class MemoryStoreFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewMemoryStore(schema);
  }
  bool durable() const override { return false; }
};

std::unique_ptr<StoreFixture> MakeStore() {
  return std::make_unique<MemoryStoreFixture>();
}

class ModelStoreFixture : public MemoryStoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewModelStore(schema);
  }
};

MC_INSTANTIATE_CONFORMANCE(MemoryStore, StoreChecks(), MakeStore);

// The model is what others are compared with, so it has to be right; it is not
// made for many threads.
TEST(ModelStoreTest, PassesTheSuite) {
  for (const StoreCheck& check : StoreChecks()) {
    const std::string name(check.name);
    if (name.find("Under") != std::string::npos || name == "OneInsertWins" ||
        name == "PositionsAppearInOrder" ||
        name == "DoneIsCalledInCommitOrder") {
      continue;
    }
    ModelStoreFixture fixture;
    for (const std::string& finding : RunConformanceCheck(check, fixture)) {
      ADD_FAILURE() << name << ": " << finding;
    }
  }
}

TEST(MemoryStoreTest, AgreesWithTheModelForManySeeds) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    const auto store = NewMemoryStore(ConformanceSchema());
    const auto model = NewModelStore(ConformanceSchema());
    Findings findings;
    CompareStores(*store, *model, seed, 500, findings);
    for (const std::string& finding : findings.list()) ADD_FAILURE() << finding;
  }
}

}  // namespace
}  // namespace matrixcore
