// Strings as numbers; internal to stateres.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace matrixcore {

// Grows a vector by a quarter, not to the double, when it is full.
template <typename T>
void PushBack(std::vector<T>* column, T value) {
  if (column->size() == column->capacity()) {
    column->reserve(column->size() + column->size() / 4 + 16);
  }
  column->push_back(std::move(value));
}

// Gives each distinct string a number from 0 on and keeps its text, in one
// piece of memory.
class StringTable {
 public:
  StringTable();
  StringTable(const StringTable&) = delete;
  StringTable& operator=(const StringTable&) = delete;

  // The number of the text, made if need be.
  uint32_t Intern(std::string_view text);
  // The same, or UINT32_MAX.
  uint32_t Find(std::string_view text) const;
  // Valid until the next Intern.
  std::string_view operator[](uint32_t number) const {
    return std::string_view(text_).substr(
        begins_[number], begins_[number + 1] - begins_[number]);
  }
  uint32_t size() const { return static_cast<uint32_t>(begins_.size() - 1); }
  void Reserve(size_t strings, size_t bytes);
  size_t ByteSize() const;

 private:
  struct Hash {
    using is_transparent = void;
    const StringTable* table;
    size_t operator()(std::string_view text) const;
    size_t operator()(uint32_t number) const {
      return (*this)((*table)[number]);
    }
  };
  struct Equal {
    using is_transparent = void;
    const StringTable* table;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, std::string_view b) const {
      return (*table)[a] == b;
    }
    bool operator()(std::string_view a, uint32_t b) const {
      return a == (*table)[b];
    }
  };

  std::string text_;
  std::vector<uint32_t> begins_;
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
};

}  // namespace matrixcore
