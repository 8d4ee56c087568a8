// What values hold on the heap, as the allocator counts it: for the charges of
// caches (base/cache_budget.h).
//
// HeapBytes(value) is what a value owns beside its own sizeof.  Types with such
// a function of their own are found by argument-dependent lookup.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace matrixcore {

// What an allocation of `size` bytes takes, with what the allocator adds: of
// the program's jemalloc, or else of the C library.  Nothing for 0.
size_t HeapBlock(size_t size);

// The block of a make_shared<T>: T with two counts and a virtual table.
template <typename T>
size_t SharedBlock() {
  return HeapBlock(sizeof(T) + 16);
}

// Plain data owns nothing.
template <typename T>
requires std::is_trivially_copyable_v<T>
constexpr size_t HeapBytes(const T&) { return 0; }

template <typename Char>
size_t HeapBytes(const std::basic_string<Char>& text) {
  // Short strings lie in the object itself.
  const char* const begin = reinterpret_cast<const char*>(&text);
  const char* const data = reinterpret_cast<const char*>(text.data());
  const bool inside = !std::less<const char*>()(data, begin) &&
                      std::less<const char*>()(data, begin + sizeof(text));
  return inside ? 0 : HeapBlock((text.capacity() + 1) * sizeof(Char));
}

// Declared first, as they contain one another.
template <typename A, typename B>
size_t HeapBytes(const std::pair<A, B>& pair);
template <typename T>
size_t HeapBytes(const std::vector<T>& list);

template <typename T>
size_t HeapBytes(const std::optional<T>& value) {
  return value ? HeapBytes(*value) : 0;
}

template <typename A, typename B>
size_t HeapBytes(const std::pair<A, B>& pair) {
  return HeapBytes(pair.first) + HeapBytes(pair.second);
}

// The array, and what its elements own unless they are plain data.
template <typename T>
size_t HeapBytes(const std::vector<T>& list) {
  size_t bytes = HeapBlock(list.capacity() * sizeof(T));
  if constexpr (!std::is_trivially_copyable_v<T>) {
    for (const T& element : list) bytes += HeapBytes(element);
  }
  return bytes;
}

// The array of one of Abseil's flat tables, without what its elements own:
// slots, one byte each of control data and a group of it at the end.
template <typename Table>
size_t FlatTableBytes(const Table& table) {
  constexpr size_t kGroup = 16 + 2 * sizeof(size_t);
  if (table.capacity() == 0) return 0;
  return HeapBlock(table.capacity() * (sizeof(typename Table::value_type) + 1) +
                   kGroup);
}

}  // namespace matrixcore
