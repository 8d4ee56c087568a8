#include "matrixcore/base/heap_bytes.h"

#include <absl/container/flat_hash_map.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <list>
#include <memory>
#include <string>

namespace matrixcore {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool kOwnAllocator = true;
#else
constexpr bool kOwnAllocator = false;
#endif
#else
constexpr bool kOwnAllocator = false;
#endif

// What the allocator gave for a pointer, with its header.
size_t Given(const void* pointer) {
  return malloc_usable_size(const_cast<void*>(pointer)) + sizeof(size_t);
}

TEST(HeapBytes, RoundsAsTheAllocatorDoes) {
  EXPECT_EQ(HeapBlock(0), 0u);
  EXPECT_EQ(HeapBlock(1), 32u);
  EXPECT_EQ(HeapBlock(24), 32u);
  EXPECT_EQ(HeapBlock(25), 48u);
  EXPECT_EQ(HeapBlock(1000), 1008u);
}

TEST(HeapBytes, OfShortTextsAreNone) {
  EXPECT_EQ(HeapBytes(std::string("short")), 0u);
}

TEST(HeapBytes, OfTextsAndListsAreTheirBlocks) {
  if (kOwnAllocator) GTEST_SKIP() << "a sanitizer brings its own allocator";
  const std::string text(100, 'x');
  EXPECT_EQ(HeapBytes(text), Given(text.data()));
  std::vector<std::string> list(3);
  list[1] = std::string(50, 'y');
  EXPECT_EQ(HeapBytes(list), Given(list.data()) + Given(list[1].data()));
  const std::vector<int> numbers(7);
  EXPECT_EQ(HeapBytes(numbers), Given(numbers.data()));
}

TEST(HeapBytes, OfNestedValuesAreAdded) {
  const std::string text(100, 'x');
  const std::optional<std::vector<std::pair<int, std::string>>> nested = {
      {{1, text}, {2, text}}};
  EXPECT_EQ(HeapBytes(nested),
            HeapBlock(nested->capacity() * sizeof((*nested)[0])) +
                2 * HeapBytes(text));
  EXPECT_EQ(HeapBytes(std::optional<std::vector<int>>()), 0u);
}

// Within a few bytes, whatever the version of the library.
TEST(HeapBytes, OfFlatTablesAreTheirArrays) {
  absl::flat_hash_map<int64_t, int64_t> table;
  EXPECT_EQ(FlatTableBytes(table), 0u);
  for (int64_t i = 0; i < 1000; ++i) table[i] = i;
  const double expected = static_cast<double>(table.capacity()) * 17;
  EXPECT_NEAR(static_cast<double>(FlatTableBytes(table)), expected, 64);
}

}  // namespace
}  // namespace matrixcore
