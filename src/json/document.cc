#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "json/rapidjson_reader.h"
#include "json/tape.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/base/utf8.h"
#include "matrixcore/json/value.h"

namespace matrixcore::json {
namespace {

// Says where in `text`, by line and column too when it has several lines.
Status NotJson(std::string_view what, size_t offset, std::string_view text) {
  std::string place = fmt::format("byte {}", offset);
  const std::string_view before = text.substr(0, offset);
  const auto newlines = std::count(before.begin(), before.end(), '\n');
  if (newlines > 0) {
    place += fmt::format(" (line {}, column {})", newlines + 1,
                         before.size() - before.rfind('\n'));
  }
  return Status(StatusCode::kInvalidArgument, "M_NOT_JSON",
                fmt::format("Not JSON at {}: {}", place, what));
}

bool IsIntegerText(std::string_view number) {
  return number.find_first_of(".eE") == std::string_view::npos &&
         number != "-0";
}

// Whether two of the keys are the same.  Sorts them if they are many, so that
// the time stays near-linear.
bool HasRepeated(std::vector<std::string_view>& keys) {
  constexpr size_t kFew = 16;
  if (keys.size() > kFew) {
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
  }
  for (size_t i = 1; i < keys.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (keys[i] == keys[k]) return true;
    }
  }
  return false;
}

// Receives RapidJSON's events and appends nodes.  An event that returns false
// stops the reader; `problem` then says why.
class TapeBuilder {
 public:
  TapeBuilder(Tape* tape, TextStream* stream, const ParseOptions& options)
      : tape_(*tape),
        nodes_(tape->nodes),
        stream_(*stream),
        options_(options) {}

  bool Null() { return AddLiteral(Kind::kNull, 4, 0); }
  bool Bool(bool value) {
    return value ? AddLiteral(Kind::kBool, 4, Node::kTrue)
                 : AddLiteral(Kind::kBool, 5, 0);
  }
  bool RawNumber(const char*, unsigned length, bool) {
    const size_t end = stream_.Tell();
    const size_t begin = end - length;
    const bool integer = IsIntegerText(tape_.text.substr(begin, length));
    Add(integer ? Kind::kInteger : Kind::kFloat, begin, end, 0, 0);
    return true;
  }
  bool String(const char*, unsigned, bool) {
    const size_t begin = stream_.string_begin() - 1;
    if (!stream_.has_escapes()) {
      Add(Kind::kString, begin, stream_.Tell(), 0, 0);
      return true;
    }
    // The reader lets a low surrogate without a high one through.
    if (!IsValidUtf8(stream_.FinishDecoded())) {
      return Fail("A lone surrogate in a string.", begin);
    }
    Add(Kind::kString, begin, stream_.Tell(), stream_.decoded_begin(),
        Node::kEscaped);
    return true;
  }
  bool Key(const char* text, unsigned length, bool copy) {
    return String(text, length, copy);
  }
  bool StartObject() { return Open(Kind::kObject); }
  bool StartArray() { return Open(Kind::kArray); }
  bool EndObject(unsigned members) {
    if (options_.refuse_duplicate_keys && members > 1) {
      keys_.clear();
      const auto size = static_cast<uint32_t>(nodes_.size());
      for (uint32_t key = open_ + 1; key < size; key = tape_.Next(key + 1)) {
        keys_.push_back(tape_.String(key));
      }
      if (HasRepeated(keys_)) {
        return Fail("An object with a repeated key.", nodes_[open_].begin);
      }
    }
    return Close(members);
  }
  bool EndArray(unsigned elements) { return Close(elements); }

  // Never called: numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  std::string_view problem() const { return problem_; }
  size_t problem_offset() const { return problem_offset_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  void Add(Kind kind, size_t begin, size_t end, size_t detail, uint32_t extra) {
    Node& node = nodes_.emplace_back();
    node.begin = static_cast<uint32_t>(begin);
    node.end = static_cast<uint32_t>(end);
    node.detail = static_cast<uint32_t>(detail);
    node.kind = static_cast<uint32_t>(kind) & 15;
    node.extra = extra & 0xFFFFFFF;
  }
  bool AddLiteral(Kind kind, size_t length, uint32_t extra) {
    const size_t end = stream_.Tell();
    Add(kind, end - length, end, 0, extra);
    return true;
  }
  bool Open(Kind kind) {
    const size_t begin = stream_.Tell();
    if (depth_ >= options_.max_depth) return Fail("Too deep nesting.", begin);
    ++depth_;
    const auto self = static_cast<uint32_t>(nodes_.size());
    // While it is open, a container's `detail` is its parent.
    Add(kind, begin, begin, open_, 0);
    open_ = self;
    return true;
  }
  bool Close(unsigned count) {
    Node& node = nodes_[open_];
    node.end = static_cast<uint32_t>(stream_.Tell() + 1);
    node.extra = static_cast<uint32_t>(nodes_.size() - open_) & 0xFFFFFFF;
    open_ = std::exchange(node.detail, count);
    --depth_;
    return true;
  }
  bool Fail(std::string_view problem, size_t offset) {
    problem_ = problem;
    problem_offset_ = offset;
    return false;
  }

  Tape& tape_;
  std::vector<Node>& nodes_;
  TextStream& stream_;
  const ParseOptions& options_;
  uint32_t open_ = kNone;  // The innermost container that is open.
  uint32_t depth_ = 0;
  std::vector<std::string_view> keys_;
  std::string_view problem_;
  size_t problem_offset_ = 0;
};

Status FillTape(Tape* tape, const ParseOptions& options) {
  const std::string_view text = tape->text;
  if (text.size() > kMaxTextBytes) {
    return NotJson("Too long.", kMaxTextBytes, "");
  }
  const size_t valid = ValidUtf8Prefix(text);
  if (valid != text.size()) return NotJson("Invalid UTF-8.", valid, text);

  tape->nodes.reserve(text.size() / 16 + 4);
  TextStream stream(text, &tape->unescaped);
  TapeBuilder builder(tape, &stream, options);
  Reader reader;
  const rapidjson::ParseResult result =
      reader.Parse<kReaderFlags>(stream, builder);
  if (!builder.problem().empty()) {
    return NotJson(builder.problem(), builder.problem_offset(), text);
  }
  if (result.IsError()) {
    return NotJson(rapidjson::GetParseError_En(result.Code()), result.Offset(),
                   text);
  }
  // The reader takes a NUL for the end.
  if (stream.Tell() != text.size()) {
    return NotJson("A NUL character.", stream.Tell(), text);
  }
  if (tape->nodes.capacity() > tape->nodes.size() + tape->nodes.size() / 4) {
    tape->nodes.shrink_to_fit();
  }
  return OkStatus();
}

}  // namespace

Document::Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Document::Document(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

size_t Document::HeapBytes() const {
  if (rep_ == nullptr) return 0;
  return HeapBlock(sizeof(Rep)) + matrixcore::HeapBytes(rep_->owned) +
         matrixcore::HeapBytes(rep_->nodes) +
         matrixcore::HeapBytes(rep_->unescaped);
}

Result<Document> Document::Parse(std::string text,
                                 const ParseOptions& options) {
  auto rep = std::make_unique<Rep>();
  rep->owned = std::move(text);
  rep->text = rep->owned;
  MC_RETURN_IF_ERROR(FillTape(rep.get(), options));
  return Document(std::move(rep));
}

Result<Document> Document::ParseView(std::string_view text,
                                     const ParseOptions& options) {
  auto rep = std::make_unique<Rep>();
  rep->text = text;
  MC_RETURN_IF_ERROR(FillTape(rep.get(), options));
  return Document(std::move(rep));
}

Value Document::root() const {
  return rep_ == nullptr ? Value() : Value(rep_.get(), 0);
}

std::string_view Document::text() const {
  return rep_ == nullptr ? std::string_view() : rep_->text;
}

}  // namespace matrixcore::json
