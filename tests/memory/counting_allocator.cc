#include "counting_allocator.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MC_COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MC_COUNTS 0
#else
#define MC_COUNTS 1
#endif
#else
#define MC_COUNTS 1
#endif

#if MC_COUNTS

namespace {

std::atomic<size_t> held{0};

size_t BlockOf(void* memory) {
  return malloc_usable_size(memory) + sizeof(size_t);
}

void Free(void* memory) {
  if (memory == nullptr) return;
  held.fetch_sub(BlockOf(memory), std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  held.fetch_add(BlockOf(memory), std::memory_order_relaxed);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { Free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  Free(memory);
}

namespace matrixcore {
size_t HeldBytes() { return held.load(); }
}  // namespace matrixcore

#else

namespace matrixcore {
size_t HeldBytes() { return 0; }
}  // namespace matrixcore

#endif
