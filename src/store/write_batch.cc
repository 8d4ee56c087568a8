#include "matrixcore/store/write_batch.h"

#include <fmt/format.h>

#include <iterator>
#include <type_traits>

#include "matrixcore/base/bytes.h"

namespace matrixcore {
namespace {

template <typename AnyCell>
size_t CellBytes(const AnyCell& cell) {
  size_t bytes = sizeof(AnyCell);
  if (const auto* text = std::get_if<std::string>(&cell)) bytes += text->size();
  if (const auto* blob = std::get_if<Blob>(&cell)) bytes += blob->bytes.size();
  return bytes;
}

template <typename AnyRow>
size_t RowBytes(const AnyRow& row) {
  size_t bytes = 0;
  for (const auto& cell : row) bytes += CellBytes(cell);
  return bytes;
}

// In double quotes; what is not printable ASCII as \xNN, so that any two texts
// differ on paper too.
void PrintText(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

template <typename AnyCell>
void PrintCell(const AnyCell& cell, std::string& out) {
  std::visit(
      [&out](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          out += "null";
        } else if constexpr (std::is_same_v<T, int64_t>) {
          fmt::format_to(std::back_inserter(out), "{}", value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          PrintText(value, out);
        } else if constexpr (std::is_same_v<T, Blob>) {
          fmt::format_to(std::back_inserter(out), "x'{}'",
                         HexEncode(AsBytes(value.bytes)));
        } else {
          fmt::format_to(std::back_inserter(out), "${}", value.index);
        }
      },
      cell);
}

template <typename AnyRow>
void PrintRow(const AnyRow& row, std::string& out) {
  out += '[';
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out += ", ";
    PrintCell(row[i], out);
  }
  out += ']';
}

void PrintTable(std::string_view verb, const TableSpec* table,
                std::string& out) {
  fmt::format_to(std::back_inserter(out), "{} {} ", verb,
                 table == nullptr ? "(no table)" : table->name);
}

void PrintColumn(const TableSpec* table, uint32_t column, std::string& out) {
  if (table != nullptr && column < table->columns.size()) {
    fmt::format_to(std::back_inserter(out), " {}", table->columns[column].name);
  } else {
    fmt::format_to(std::back_inserter(out), " column {}", column);
  }
}

struct Printer {
  std::string& out;

  void operator()(const WriteBatch::RowAbsent& p) {
    PrintTable("require absent", p.table, out);
    PrintRow(p.key, out);
  }
  void operator()(const WriteBatch::RowPresent& p) {
    PrintTable("require present", p.table, out);
    PrintRow(p.key, out);
  }
  void operator()(const WriteBatch::ColumnEquals& p) {
    PrintTable("require", p.table, out);
    PrintRow(p.key, out);
    PrintColumn(p.table, p.column, out);
    out += " = ";
    PrintCell(p.value, out);
  }
  void operator()(const WriteBatch::Put& op) {
    PrintTable("put", op.table, out);
    PrintRow(op.row, out);
  }
  void operator()(const WriteBatch::Insert& op) {
    PrintTable("insert", op.table, out);
    PrintRow(op.row, out);
  }
  void operator()(const WriteBatch::Delete& op) {
    PrintTable("delete", op.table, out);
    PrintRow(op.key, out);
  }
  void operator()(const WriteBatch::DeletePrefix& op) {
    PrintTable("delete all", op.table, out);
    PrintRow(op.prefix, out);
  }
  void operator()(const WriteBatch::Add& op) {
    PrintTable("add", op.table, out);
    PrintRow(op.key, out);
    PrintColumn(op.table, op.column, out);
    fmt::format_to(std::back_inserter(out), " {:+}", op.amount);
  }
};

struct Measurer {
  size_t operator()(const WriteBatch::RowAbsent& p) const {
    return RowBytes(p.key);
  }
  size_t operator()(const WriteBatch::RowPresent& p) const {
    return RowBytes(p.key);
  }
  size_t operator()(const WriteBatch::ColumnEquals& p) const {
    return RowBytes(p.key) + CellBytes(p.value);
  }
  size_t operator()(const WriteBatch::Put& op) const {
    return RowBytes(op.row);
  }
  size_t operator()(const WriteBatch::Insert& op) const {
    return RowBytes(op.row);
  }
  size_t operator()(const WriteBatch::Delete& op) const {
    return RowBytes(op.key);
  }
  size_t operator()(const WriteBatch::DeletePrefix& op) const {
    return RowBytes(op.prefix);
  }
  size_t operator()(const WriteBatch::Add& op) const {
    return RowBytes(op.key);
  }
};

void ShiftPositions(BatchRow& row, uint32_t by) {
  for (BatchCell& cell : row) {
    if (auto* position = std::get_if<PositionRef>(&cell)) position->index += by;
  }
}

}  // namespace

Row ResolveRow(const BatchRow& row, int64_t first) {
  Row resolved;
  resolved.reserve(row.size());
  for (const BatchCell& cell : row) {
    resolved.push_back(std::visit(
        [first](const auto& value) -> Cell {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, PositionRef>) {
            return first + value.index;
          } else {
            return value;
          }
        },
        cell));
  }
  return resolved;
}

size_t WriteBatch::ByteSize() const {
  size_t bytes = sizeof(WriteBatch) + operations_.size() * sizeof(Operation) +
                 preconditions_.size() * sizeof(Precondition);
  for (const Precondition& p : preconditions_)
    bytes += std::visit(Measurer{}, p);
  for (const Operation& op : operations_) bytes += std::visit(Measurer{}, op);
  return bytes;
}

std::string WriteBatch::ToString() const {
  std::string out;
  Printer printer{out};
  if (positions_ > 0) out += fmt::format("positions {}\n", positions_);
  for (const Precondition& precondition : preconditions_) {
    std::visit(printer, precondition);
    out += '\n';
  }
  for (const Operation& operation : operations_) {
    std::visit(printer, operation);
    out += '\n';
  }
  return out;
}

void WriteBatch::Append(WriteBatch other) {
  operations_.reserve(operations_.size() + other.operations_.size());
  for (Operation& operation : other.operations_) {
    std::visit(
        [this](auto& op) {
          using T = std::decay_t<decltype(op)>;
          if constexpr (std::is_same_v<T, Put> || std::is_same_v<T, Insert>) {
            ShiftPositions(op.row, positions_);
          } else if constexpr (std::is_same_v<T, DeletePrefix>) {
            ShiftPositions(op.prefix, positions_);
          } else {
            ShiftPositions(op.key, positions_);
          }
        },
        operation);
    operations_.push_back(std::move(operation));
  }
  preconditions_.insert(preconditions_.end(),
                        std::make_move_iterator(other.preconditions_.begin()),
                        std::make_move_iterator(other.preconditions_.end()));
  positions_ += other.positions_;
}

}  // namespace matrixcore
