// CHECK for fuzzers: a broken promise ends the run, with the input kept.
#pragma once

#include <cstdio>
#include <cstdlib>

#define MC_FUZZ_CHECK(condition)                                           \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)
