#include "json/order.h"

#include <algorithm>
#include <string_view>

namespace matrixcore::json {

bool KeysAreSorted(const Tape& tape, uint32_t object) {
  const uint32_t end = tape.Next(object);
  uint32_t at = object + 1;
  if (at == end) return true;
  std::string_view last = tape.String(at);
  for (at = tape.Next(at + 1); at < end; at = tape.Next(at + 1)) {
    const std::string_view key = tape.String(at);
    if (last >= key) return false;
    last = key;
  }
  return true;
}

void AppendSortedKeys(const Tape& tape, uint32_t object,
                      std::vector<uint32_t>* keys) {
  const size_t first = keys->size();
  const uint32_t end = tape.Next(object);
  for (uint32_t at = object + 1; at < end; at = tape.Next(at + 1)) {
    keys->push_back(at);
  }
  const auto begin = keys->begin() + static_cast<ptrdiff_t>(first);
  // The later of two equal keys comes first, so that unique() keeps it.
  std::sort(begin, keys->end(), [&tape](uint32_t a, uint32_t b) {
    const int order = tape.String(a).compare(tape.String(b));
    return order != 0 ? order < 0 : a > b;
  });
  keys->erase(std::unique(begin, keys->end(),
                          [&tape](uint32_t a, uint32_t b) {
                            return tape.String(a) == tape.String(b);
                          }),
              keys->end());
}

}  // namespace matrixcore::json
