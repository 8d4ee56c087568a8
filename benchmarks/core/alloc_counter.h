// How often the program has allocated memory.
#pragma once

#include <cstddef>

namespace matrixcore {

// Calls of operator new so far, by all threads.
size_t AllocationCount();

}  // namespace matrixcore
