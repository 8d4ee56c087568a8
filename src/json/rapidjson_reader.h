// The only file that includes RapidJSON: its reader, fed from a stream of ours.
//
// RapidJSON knows JSON's grammar; the stream knows where strings end.  When the
// reader asks for a place to decode a string "in situ", the stream looks for
// the closing quote with wide instructions: a string without escapes is then
// skipped, not copied.  Only the others are decoded, into a separate buffer, so
// that the text stays as it was sent.  Internal to src/json.
#pragma once

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "json/scan.h"

namespace matrixcore::json {

struct ReaderStack {};  // Selects the stack below.

}  // namespace matrixcore::json

// The reader's stack of open containers: on the call stack at ordinary depths,
// then on the heap.  (RapidJSON's own one adds to a null pointer before its
// first allocation, which is undefined.)
template <>
class rapidjson::internal::Stack<matrixcore::json::ReaderStack> {
 public:
  Stack(matrixcore::json::ReaderStack*, size_t) {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void Clear() { size_ = 0; }
  template <typename T>
  T* Push(size_t count = 1) {
    const size_t bytes = count * sizeof(T);
    if (capacity_ - size_ < bytes) Grow(bytes);
    T* const top = reinterpret_cast<T*>(bottom_ + size_);
    size_ += bytes;
    return top;
  }
  template <typename T>
  T* Pop(size_t count) {
    assert(size_ >= count * sizeof(T));
    size_ -= count * sizeof(T);
    return reinterpret_cast<T*>(bottom_ + size_);
  }
  template <typename T>
  T* Top() {
    assert(size_ >= sizeof(T));
    return reinterpret_cast<T*>(bottom_ + size_ - sizeof(T));
  }

 private:
  void Grow(size_t bytes) {
    const size_t capacity = capacity_ * 2 + bytes;
    auto larger = std::make_unique<unsigned char[]>(capacity);
    std::memcpy(larger.get(), bottom_, size_);
    heap_ = std::move(larger);
    bottom_ = heap_.get();
    capacity_ = capacity;
  }

  alignas(16) unsigned char inline_[512];
  std::unique_ptr<unsigned char[]> heap_;
  unsigned char* bottom_ = inline_;
  size_t size_ = 0;
  size_t capacity_ = sizeof(inline_);
};

namespace matrixcore::json {

class TextStream {
 public:
  using Ch = char;

  // Decoded strings are appended to `decoded`: four bytes of length, then the
  // bytes.
  TextStream(std::string_view text, std::string* decoded)
      : begin_(text.data()),
        at_(begin_),
        end_(begin_ + text.size()),
        decoded_(*decoded) {}

  // What RapidJSON asks of a stream.
  char Peek() const { return at_ != end_ ? *at_ : '\0'; }
  char Take() { return at_ != end_ ? *at_++ : '\0'; }
  size_t Tell() const { return static_cast<size_t>(at_ - begin_); }

  // Called after an opening quote, and after a number for no purpose of ours.
  char* PutBegin() {
    if (at_ == begin_ || at_[-1] != '"') return nullptr;
    string_begin_ = at_;
    at_ = FindSpecial(at_, end_);
    has_escapes_ = at_ == end_ || *at_ != '"';
    if (has_escapes_) {
      decoded_begin_ = decoded_.size();
      decoded_.append(sizeof(uint32_t), '\0');
      decoded_.append(string_begin_, at_);
    }
    return nullptr;
  }
  void Put(char c) {
    if (!has_escapes_) return;  // The reader's terminating NUL.
    decoded_.push_back(c);
    if (c > 0) {
      // Not in the middle of a character: take the plain bytes that follow.
      const char* plain_end = FindSpecial(at_, end_);
      decoded_.append(at_, plain_end);
      at_ = plain_end;
    }
  }
  size_t PutEnd(char*) { return 1; }  // Counts the terminating NUL.
  void Flush() {}

  // About the string that was read last.
  bool has_escapes() const { return has_escapes_; }
  size_t string_begin() const {
    return static_cast<size_t>(string_begin_ - begin_);
  }
  // Stores the length, drops the NUL, and gives the decoded bytes.
  std::string_view FinishDecoded() {
    decoded_.pop_back();
    const size_t start = decoded_begin_ + sizeof(uint32_t);
    const auto size = static_cast<uint32_t>(decoded_.size() - start);
    std::memcpy(decoded_.data() + decoded_begin_, &size, sizeof(size));
    return std::string_view(decoded_).substr(start);
  }
  size_t decoded_begin() const { return decoded_begin_; }

 private:
  const char* const begin_;
  const char* at_;
  const char* const end_;
  std::string& decoded_;
  const char* string_begin_ = nullptr;
  size_t decoded_begin_ = 0;
  bool has_escapes_ = false;
};

// Numbers come as text; nesting uses the heap, not the call stack.
inline constexpr unsigned kReaderFlags = rapidjson::kParseInsituFlag |
                                         rapidjson::kParseNumbersAsStringsFlag |
                                         rapidjson::kParseIterativeFlag;

using Reader =
    rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, ReaderStack>;

}  // namespace matrixcore::json
