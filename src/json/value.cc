#include "matrixcore/json/value.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "json/number.h"
#include "json/order.h"
#include "json/tape.h"

namespace matrixcore::json {

Kind Value::kind() const {
  return rep_ == nullptr ? Kind::kMissing : rep_->kind(node_);
}

std::optional<bool> Value::AsBool() const {
  if (kind() != Kind::kBool) return std::nullopt;
  return (rep_->nodes[node_].extra & Node::kTrue) != 0;
}

std::optional<int64_t> Value::AsInt() const {
  if (kind() != Kind::kInteger) return std::nullopt;
  const std::string_view text = rep_->Raw(node_);
  int64_t number = 0;
  const auto result =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc()) return std::nullopt;
  return number;
}

std::optional<double> Value::AsDouble() const {
  if (!IsNumber()) return std::nullopt;
  return ParseDouble(rep_->Raw(node_));
}

std::optional<std::string_view> Value::AsString() const {
  if (kind() != Kind::kString) return std::nullopt;
  return rep_->String(node_);
}

size_t Value::size() const {
  return IsArray() || IsObject() ? rep_->nodes[node_].detail : 0;
}

Value Value::operator[](std::string_view key) const {
  if (!IsObject()) return Value();
  Value found;
  const uint32_t end = rep_->Next(node_);
  for (uint32_t at = node_ + 1; at < end; at = rep_->Next(at + 1)) {
    if (rep_->String(at) == key) found = Value(rep_, at + 1);
  }
  return found;
}

Value Value::at(size_t index) const {
  if (!IsArray() || index >= size()) return Value();
  uint32_t node = node_ + 1;
  while (index-- > 0) node = rep_->Next(node);
  return Value(rep_, node);
}

std::string_view Value::raw() const {
  return rep_ == nullptr ? std::string_view() : rep_->Raw(node_);
}

Value::Iterator Value::begin() const {
  Iterator it;
  if (IsArray() || IsObject()) {
    it.rep_ = rep_;
    it.node_ = node_ + 1;
    it.object_ = IsObject();
  }
  return it;
}

Value::Iterator Value::end() const {
  Iterator it;
  if (IsArray() || IsObject()) {
    it.rep_ = rep_;
    it.node_ = rep_->Next(node_);
    it.object_ = IsObject();
  }
  return it;
}

Value Value::Iterator::operator*() const {
  return Value(rep_, object_ ? node_ + 1 : node_);
}

std::string_view Value::Iterator::key() const {
  return object_ ? rep_->String(node_) : std::string_view();
}

Value::Iterator& Value::Iterator::operator++() {
  node_ = rep_->Next(object_ ? node_ + 1 : node_);
  return *this;
}

namespace {

// Two values still to be compared.
struct Pair {
  const Tape& a_tape;
  uint32_t a;
  const Tape& b_tape;
  uint32_t b;
};

// Compares what is not inside containers; appends what is to `todo`.
bool EqualStep(const Pair& pair, std::vector<Pair>* todo) {
  const auto& [a_tape, a, b_tape, b] = pair;
  const Kind kind = a_tape.kind(a);
  const auto is_number = [](Kind k) {
    return k == Kind::kInteger || k == Kind::kFloat;
  };
  if (is_number(kind) && is_number(b_tape.kind(b))) {
    return NumbersEqual(a_tape.Raw(a), b_tape.Raw(b));
  }
  if (kind != b_tape.kind(b)) return false;
  switch (kind) {
    case Kind::kBool:
      return a_tape.nodes[a].extra == b_tape.nodes[b].extra;
    case Kind::kString:
      return a_tape.String(a) == b_tape.String(b);
    case Kind::kArray: {
      if (a_tape.nodes[a].detail != b_tape.nodes[b].detail) return false;
      const uint32_t end = a_tape.Next(a);
      uint32_t other = b + 1;
      for (uint32_t at = a + 1; at < end; at = a_tape.Next(at)) {
        todo->push_back({a_tape, at, b_tape, other});
        other = b_tape.Next(other);
      }
      return true;
    }
    case Kind::kObject: {
      std::vector<uint32_t> a_keys;
      std::vector<uint32_t> b_keys;
      AppendSortedKeys(a_tape, a, &a_keys);
      AppendSortedKeys(b_tape, b, &b_keys);
      if (a_keys.size() != b_keys.size()) return false;
      for (size_t i = 0; i < a_keys.size(); ++i) {
        if (a_tape.String(a_keys[i]) != b_tape.String(b_keys[i])) return false;
        todo->push_back({a_tape, a_keys[i] + 1, b_tape, b_keys[i] + 1});
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace

bool Equal(Value a, Value b) {
  const Tape* a_tape = ValueAccess::rep(a);
  const Tape* b_tape = ValueAccess::rep(b);
  if (a_tape == nullptr || b_tape == nullptr) return a_tape == b_tape;
  std::vector<Pair> todo;
  if (!EqualStep({*a_tape, ValueAccess::node(a), *b_tape, ValueAccess::node(b)},
                 &todo)) {
    return false;
  }
  while (!todo.empty()) {
    const Pair pair = todo.back();
    todo.pop_back();
    if (!EqualStep(pair, &todo)) return false;
  }
  return true;
}

}  // namespace matrixcore::json
