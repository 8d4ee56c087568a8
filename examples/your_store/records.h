// The records of a store's file: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include "matrixcore/store/table.h"

namespace your {

// FNV-1a: notices what a crash leaves of a record.
inline uint64_t Checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

// Appends to a record.
class Encoder {
 public:
  void Number(uint64_t number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    out.append(bytes, sizeof number);
  }
  void Text(std::string_view text) {
    Number(text.size());
    out.append(text);
  }
  void Cell(const matrixcore::Cell& cell) {
    Number(cell.index());
    if (const auto* number = std::get_if<int64_t>(&cell)) {
      Number(static_cast<uint64_t>(*number));
    } else if (const auto* blob = std::get_if<matrixcore::Blob>(&cell)) {
      Text(blob->bytes);
    } else if (!matrixcore::IsNull(cell)) {
      Text(matrixcore::CellText(cell));
    }
  }
  std::string out;
};

// What a file begins with.
inline constexpr std::string_view kMagic = "your-store-file\n";

// A record as it lies in the file: its size, its checksum, its bytes.
inline constexpr size_t kHeaderBytes = 2 * sizeof(uint64_t);
inline std::string Frame(std::string_view payload) {
  Encoder out;
  out.Number(payload.size());
  out.Number(Checksum(payload));
  return out.out.append(payload);
}

// Reads what an Encoder wrote.  After bytes that no Encoder wrote, ok() is
// false and everything is empty.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool empty() const { return bytes_.empty() || !ok_; }

  uint64_t Number() {
    uint64_t number = 0;
    const std::string_view bytes = Take(sizeof number);
    if (ok_) std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }
  std::string_view Text() { return Take(Number()); }
  matrixcore::Cell Cell() {
    switch (Number()) {
      case 0:
        return {};
      case 1:
        return static_cast<int64_t>(Number());
      case 2:
        return std::string(Text());
      case 3:
        return matrixcore::Blob{std::string(Text())};
    }
    ok_ = false;
    return {};
  }

 private:
  std::string_view Take(uint64_t size) {
    if (size > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace your
