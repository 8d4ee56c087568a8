// What the program holds on the heap, by an operator new that counts.
#pragma once

#include <cstddef>

namespace matrixcore {

// What operator new has given and operator delete has not got back, by all
// threads: blocks as the C library made them, with their headers.  0 where the
// C library does not say (and under sanitizers).
size_t HeldBytes();

}  // namespace matrixcore
