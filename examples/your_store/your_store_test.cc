// What tells you that your store is right: the conformance suite, on it.
#include "your_store/your_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/store_conformance.h"
#include "matrixcore/testing/temporary_directory.h"

namespace your {
namespace {

using matrixcore::ConformanceSchema;
using matrixcore::Result;
using matrixcore::Schema;
using matrixcore::StatusCode;
using matrixcore::Store;
using matrixcore::StoreChecks;
using matrixcore::StoreFixture;
using matrixcore::TemporaryDirectory;
using matrixcore::WriteBatch;

class YourFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return OpenYourStore(path_, schema);
  }
  bool durable() const override { return true; }
  // The file only grows, so a copy is what it was at one moment.
  bool Crash() override {
    const std::string copy = path_ + "x";
    std::filesystem::copy_file(path_, copy);
    path_ = copy;
    return true;
  }

 private:
  const TemporaryDirectory directory_;
  std::string path_ = directory_.File("store");
};

std::unique_ptr<StoreFixture> MakeFixture() {
  return std::make_unique<YourFixture>();
}
MC_INSTANTIATE_CONFORMANCE(YourStore, StoreChecks(), MakeFixture);

WriteBatch PutNumber(int64_t id) {
  WriteBatch batch;
  batch.NewPosition();
  batch.PutRow(*ConformanceSchema().Find("numbers"), {id, id, {}, {}});
  return batch;
}

// What a record is cut to by a crash is as if it had never been written.
TEST(YourStoreTest, ARecordThatIsCutShortIsNone) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("store");
  uintmax_t whole = 0;
  {
    const auto store = OpenYourStore(path, ConformanceSchema());
    ASSERT_TRUE((*store)->Commit(PutNumber(1)).ok());
    whole = std::filesystem::file_size(path);
    ASSERT_TRUE((*store)->Commit(PutNumber(2)).ok());
  }
  for (uintmax_t size = std::filesystem::file_size(path) - 1; size > whole;
       size -= 7) {
    std::filesystem::resize_file(path, size);
    const auto store = OpenYourStore(path, ConformanceSchema());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    EXPECT_EQ((*store)->LastPosition(), 1) << "cut to " << size;
    if (size < whole + 7) break;
  }
}

TEST(YourStoreTest, AnotherFileIsRefusedAndLeftAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("letter.txt");
  std::ofstream(path) << "Dear reader,";
  const auto store = OpenYourStore(path, ConformanceSchema());
  EXPECT_EQ(store.status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(std::filesystem::file_size(path), 12u);
}

TEST(YourStoreTest, OneProgramAtATime) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("store");
  const auto first = OpenYourStore(path, ConformanceSchema());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(OpenYourStore(path, ConformanceSchema()).status().code(),
            StatusCode::kUnavailable);
}

}  // namespace
}  // namespace your
