#include "matrixcore/json/canonical.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "json/number.h"
#include "json/order.h"
#include "json/tape.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::json {
namespace {

// Appends pieces of a source text and single characters.  Pieces that lie next
// to each other in the source are copied as one, so that a text that is
// canonical already costs one copy.
class Splicer {
 public:
  Splicer(std::string_view source, std::string* out)
      : source_(source), out_(*out) {}

  void Source(uint32_t begin, uint32_t end) {
    if (begin != end_) {
      Flush();
      begin_ = begin;
    }
    end_ = end;
  }
  void Character(char c) {
    if (begin_ != end_ && end_ < source_.size() && source_[end_] == c) {
      ++end_;
    } else {
      Flush();
      out_.push_back(c);
    }
  }
  // Writes what is pending and gives the output for direct use.
  std::string* Output() {
    Flush();
    return &out_;
  }

 private:
  void Flush() {
    out_.append(source_.data() + begin_, end_ - begin_);
    begin_ = end_;
  }

  const std::string_view source_;
  std::string& out_;
  uint32_t begin_ = 0;  // What is pending.
  uint32_t end_ = 0;
};

class Canonicalizer {
 public:
  Canonicalizer(const Tape& tape, NumberRule rule, std::string* out)
      : tape_(tape), rule_(rule), splicer_(tape.text, out) {}

  Status Run(uint32_t root) {
    MC_RETURN_IF_ERROR(Begin(root));
    while (!open_.empty()) MC_RETURN_IF_ERROR(Step());
    splicer_.Output();
    return OkStatus();
  }

 private:
  // A container that is being written.
  struct Frame {
    bool object = false;
    bool first = true;
    bool sorted = true;  // Members in text order; else in the order of keys_.
    uint32_t at = 0;     // The next node, or the next of keys_.
    uint32_t end = 0;
    uint32_t keys_begin = 0;
  };

  // Writes a scalar, or opens a container.
  Status Begin(uint32_t node) {
    const Node& n = tape_.nodes[node];
    switch (static_cast<Kind>(n.kind)) {
      case Kind::kObject:
      case Kind::kArray:
        Open(node);
        return OkStatus();
      case Kind::kString:
        String(node);
        return OkStatus();
      case Kind::kInteger:
        if (rule_ == NumberRule::kStrict && !IsSafeInteger(tape_.Raw(node))) {
          return BadNumber(node);
        }
        break;
      case Kind::kFloat:
        return Float(node);
      default:
        break;
    }
    splicer_.Source(n.begin, n.end);
    return OkStatus();
  }

  void Open(uint32_t node) {
    const Node& n = tape_.nodes[node];
    splicer_.Source(n.begin, n.begin + 1);
    Frame& frame = open_.emplace_back();
    frame.object = static_cast<Kind>(n.kind) == Kind::kObject;
    frame.at = node + 1;
    frame.end = tape_.Next(node);
    frame.keys_begin = static_cast<uint32_t>(keys_.size());
    if (frame.object && !KeysAreSorted(tape_, node)) {
      frame.sorted = false;
      AppendSortedKeys(tape_, node, &keys_);
      frame.at = frame.keys_begin;
      frame.end = static_cast<uint32_t>(keys_.size());
    }
  }

  // Goes on with the innermost container.
  Status Step() {
    Frame& frame = open_.back();
    if (frame.at == frame.end) {
      splicer_.Character(frame.object ? '}' : ']');
      keys_.resize(frame.keys_begin);
      open_.pop_back();
      return OkStatus();
    }
    if (!frame.first) splicer_.Character(',');
    frame.first = false;
    uint32_t node = frame.sorted ? frame.at : keys_[frame.at];
    if (frame.object) {
      String(node);
      splicer_.Character(':');
      ++node;
    }
    frame.at = frame.sorted ? tape_.Next(node) : frame.at + 1;
    return Begin(node);  // May invalidate `frame`.
  }

  void String(uint32_t node) {
    const Node& n = tape_.nodes[node];
    if ((n.extra & Node::kEscaped) != 0) {
      AppendString(splicer_.Output(), tape_.String(node));
    } else {
      splicer_.Source(n.begin, n.end);
    }
  }

  Status Float(uint32_t node) {
    if (rule_ == NumberRule::kStrict) return BadNumber(node);
    const std::optional<double> number = ParseDouble(tape_.Raw(node));
    if (!number) return BadNumber(node);
    AppendFloat(splicer_.Output(), *number);
    return OkStatus();
  }

  Status BadNumber(uint32_t node) const {
    constexpr size_t kShown = 40;
    return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                  fmt::format("The number {} is not allowed",
                              tape_.Raw(node).substr(0, kShown)));
  }

  const Tape& tape_;
  const NumberRule rule_;
  Splicer splicer_;
  std::vector<Frame> open_;
  std::vector<uint32_t> keys_;  // Sorted keys of the open objects that need it.
};

}  // namespace

Status AppendCanonical(Value value, NumberRule rule, std::string* out) {
  const Tape* tape = ValueAccess::rep(value);
  if (tape == nullptr) return OkStatus();
  const size_t size = out->size();
  Status status = Canonicalizer(*tape, rule, out).Run(ValueAccess::node(value));
  if (!status.ok()) out->resize(size);
  return status;
}

Result<std::string> Canonical(Value value, NumberRule rule) {
  std::string out;
  out.reserve(value.raw().size());
  MC_RETURN_IF_ERROR(AppendCanonical(value, rule, &out));
  return out;
}

Result<std::string> Canonical(std::string_view text, NumberRule rule) {
  MC_ASSIGN_OR_RETURN(const Document document, Document::ParseView(text));
  return Canonical(document.root(), rule);
}

bool HasOnlyStrictNumbers(Value value) {
  const Tape* tape = ValueAccess::rep(value);
  if (tape == nullptr) return true;
  const uint32_t end = tape->Next(ValueAccess::node(value));
  for (uint32_t node = ValueAccess::node(value); node < end; ++node) {
    const Kind kind = tape->kind(node);
    if (kind == Kind::kFloat) return false;
    if (kind == Kind::kInteger && !IsSafeInteger(tape->Raw(node))) return false;
  }
  return true;
}

}  // namespace matrixcore::json
