# Compiler settings that every target of ours shares.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# A compiler cache, when there is one.
find_program(MATRIXCORE_CCACHE ccache)
if(MATRIXCORE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MATRIXCORE_CCACHE})
endif()

# The fastest linker at hand.
include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} MATRIXCORE_HAVE_${linker})
  if(MATRIXCORE_HAVE_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

# Warnings, for our own targets only (mc_own_code links this privately).
add_library(mc_warnings INTERFACE)
target_compile_options(mc_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # GCC 12 reports uninitialised and dangling uses inside its own headers.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)

# address | thread | undefined, joined by commas; set by the presets.
set(MATRIXCORE_SANITIZE "" CACHE STRING "Sanitizers to build with")
if(MATRIXCORE_SANITIZE)
  add_compile_options(-fsanitize=${MATRIXCORE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MATRIXCORE_SANITIZE})
endif()
