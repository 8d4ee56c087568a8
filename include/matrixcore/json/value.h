// Reading JSON: Document owns a parsed text, Value is a view of one value in
// it.
//
//   Result<json::Document> doc = json::Document::Parse(std::move(body));
//   std::optional<std::string_view> name = doc->root()["name"].AsString();
//
// A Document is immutable once parsed and may be read by many threads.  Values
// and the string_views that they give are valid while their Document lives and
// does not move its text (moving a Document keeps them valid).
//
// Every value knows the exact bytes that it was parsed from (raw()), so stored
// JSON is spliced into an answer without being written again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"

namespace matrixcore::json {

enum class Kind : uint8_t {
  kMissing,  // What a look-up gives when there is nothing.
  kNull,
  kBool,
  kInteger,  // Digits with an optional '-': no fraction, no exponent, not -0.
  kFloat,    // Any other number.
  kString,
  kArray,
  kObject,
};

struct ParseOptions {
  // Containers inside containers; a deeper text is refused.
  uint32_t max_depth = 128;
  // True: a repeated key makes the text invalid.  False: the last one counts.
  bool refuse_duplicate_keys = false;
};

class Value;

class Document {
 public:
  // Parses one JSON value with nothing but white space around it.  Strings must
  // be valid UTF-8 without lone surrogates; \u0000 is allowed.  Numbers must
  // not exceed what a double can hold, and the text not 128 MiB.  On failure:
  // kInvalidArgument with errcode M_NOT_JSON and the byte offset in the
  // message. Memory beside the text: 16 bytes a value and 16 bytes a key.
  static Result<Document> Parse(std::string text,
                                const ParseOptions& options = {});
  // As Parse, for a text owned elsewhere that outlives the Document unchanged.
  static Result<Document> ParseView(std::string_view text,
                                    const ParseOptions& options = {});

  Document();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();

  Value root() const;
  // The whole text.
  std::string_view text() const;

  // Memory that this holds on the heap, in bytes.
  size_t HeapBytes() const;

 private:
  friend class Value;
  friend struct ValueAccess;
  struct Rep;
  explicit Document(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// A view of one value; two words, pass by value.  Every accessor may be called
// on every kind: a wrong kind gives the empty answer.
class Value {
 public:
  Value() = default;

  Kind kind() const;
  explicit operator bool() const { return kind() != Kind::kMissing; }
  bool IsMissing() const { return kind() == Kind::kMissing; }
  bool IsNull() const { return kind() == Kind::kNull; }
  bool IsBool() const { return kind() == Kind::kBool; }
  bool IsInteger() const { return kind() == Kind::kInteger; }
  bool IsNumber() const {
    return kind() == Kind::kInteger || kind() == Kind::kFloat;
  }
  bool IsString() const { return kind() == Kind::kString; }
  bool IsArray() const { return kind() == Kind::kArray; }
  bool IsObject() const { return kind() == Kind::kObject; }

  std::optional<bool> AsBool() const;
  // Only for kInteger that fits.
  std::optional<int64_t> AsInt() const;
  // Any number that is finite as a double.
  std::optional<double> AsDouble() const;
  // Unescaped.
  std::optional<std::string_view> AsString() const;
  // The string, or `fallback` for any other kind.
  std::string_view StringOr(std::string_view fallback) const {
    return AsString().value_or(fallback);
  }

  // Members of an object, elements of an array; else 0.
  size_t size() const;
  bool empty() const { return size() == 0; }
  // The member of that name (the last one, if repeated); linear.
  Value operator[](std::string_view key) const;
  // The element; linear in `index`: iterate instead of indexing in a loop.
  Value at(size_t index) const;

  // The bytes of this value in the text, without white space around them.  ""
  // for kMissing.
  std::string_view raw() const;

  struct Member;
  // Iterates the elements of an array, or the values of an object in text
  // order.
  class Iterator {
   public:
    Value operator*() const;
    // The name of the member, when iterating an object; else "".
    std::string_view key() const;
    Iterator& operator++();
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.node_ == b.node_;
    }

   private:
    friend class Value;
    const Document::Rep* rep_ = nullptr;
    uint32_t node_ = 0;
    bool object_ = false;
  };
  Iterator begin() const;
  Iterator end() const;

  // Members of an object: for (auto [key, value] : v.members()).  With repeated
  // keys every occurrence is listed.
  class Members;
  Members members() const;

 private:
  friend class Document;
  friend struct ValueAccess;
  Value(const Document::Rep* rep, uint32_t node) : rep_(rep), node_(node) {}
  const Document::Rep* rep_ = nullptr;
  uint32_t node_ = 0;
};

struct Value::Member {
  std::string_view key;
  Value value;
};

class Value::Members {
 public:
  class Iterator {
   public:
    explicit Iterator(Value::Iterator it) : it_(it) {}
    Member operator*() const { return {it_.key(), *it_}; }
    Iterator& operator++() {
      ++it_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    Value::Iterator it_;
  };
  explicit Members(Value v) : value_(v) {}
  Iterator begin() const { return Iterator(value_.begin()); }
  Iterator end() const { return Iterator(value_.end()); }

 private:
  Value value_;
};

inline Value::Members Value::members() const {
  return Members(IsObject() ? *this : Value());
}

// True when both are the same JSON value: objects without regard to the order
// of their members, numbers by value.
bool Equal(Value a, Value b);

}  // namespace matrixcore::json
