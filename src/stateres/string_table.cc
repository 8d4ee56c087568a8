#include "stateres/string_table.h"

#include <functional>

namespace matrixcore {

StringTable::StringTable() : begins_{0}, numbers_(0, Hash{this}, Equal{this}) {}

size_t StringTable::Hash::operator()(std::string_view text) const {
  return std::hash<std::string_view>{}(text);
}

uint32_t StringTable::Intern(std::string_view text) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return *found;
  const uint32_t number = size();
  if (text_.size() + text.size() > text_.capacity()) {
    text_.reserve(text_.size() + text_.size() / 4 + text.size() + 256);
  }
  text_ += text;
  PushBack(&begins_, static_cast<uint32_t>(text_.size()));
  numbers_.insert(number);
  return number;
}

uint32_t StringTable::Find(std::string_view text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? UINT32_MAX : *found;
}

void StringTable::Reserve(size_t strings, size_t bytes) {
  text_.reserve(text_.size() + bytes);
  begins_.reserve(begins_.size() + strings);
  numbers_.reserve(numbers_.size() + strings);
}

size_t StringTable::ByteSize() const {
  return text_.capacity() + begins_.capacity() * sizeof(uint32_t) +
         numbers_.capacity() * (sizeof(uint32_t) + 1);
}

}  // namespace matrixcore
