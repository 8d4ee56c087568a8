// The bytes of the input choose commits and reads; the memory store and the
// model must agree about all of them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "fuzz/check.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/random.h"
#include "matrixcore/testing/store_conformance.h"

namespace mc = matrixcore;

namespace {

// The input, then the same for ever.
class BytesAsRandom : public mc::Random {
 public:
  explicit BytesAsRandom(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  void Fill(std::span<uint8_t> out) override {
    // A choice is a number of eight bytes; one byte of input each is enough and
    // leaves the fuzzer fewer bytes that change nothing.  The top is never 0,
    // since a number that is too small is drawn again.
    std::fill(out.begin(), out.end(), uint8_t{0});
    if (out.empty()) return;
    out.back() = 1;
    if (bytes_.empty()) return;
    out.front() = bytes_.front();
    bytes_ = bytes_.subspan(1);
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto store = mc::NewMemoryStore(mc::ConformanceSchema());
  const auto model = mc::NewModelStore(mc::ConformanceSchema());
  BytesAsRandom random({data, size});
  mc::Findings findings;
  while (!random.empty() && findings.empty()) {
    mc::CompareStores(*store, *model, random, 4, findings);
  }
  for (const std::string& finding : findings.list()) {
    std::fprintf(stderr, "%s\n", finding.c_str());
  }
  MC_FUZZ_CHECK(findings.empty());
  return 0;
}
