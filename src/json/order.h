// The members of an object in the order of canonical JSON.  Internal to
// src/json.
#pragma once

#include <cstdint>
#include <vector>

#include "json/tape.h"

namespace matrixcore::json {

// Whether the keys of `object` are in order already, none repeated.
bool KeysAreSorted(const Tape& tape, uint32_t object);

// Appends the key nodes of `object` sorted by their strings' bytes, which for
// UTF-8 is the order of code points.  Of a repeated key only the last stays.
void AppendSortedKeys(const Tape& tape, uint32_t object,
                      std::vector<uint32_t>* keys);

}  // namespace matrixcore::json
