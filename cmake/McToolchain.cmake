# Compiler settings that every target of ours shares.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# A compiler cache, when there is one.  With the base directory and without
# the working directory in the hash, build directories share their results;
# the sloppiness is what ccache asks for when headers are precompiled.
find_program(MATRIXCORE_CCACHE ccache)
mark_as_advanced(MATRIXCORE_CCACHE)
if(MATRIXCORE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  cmake_path(GET PROJECT_SOURCE_DIR PARENT_PATH base)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${base} CCACHE_NOHASHDIR=1
      ${MATRIXCORE_CCACHE})
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

# Compiling a Beast file takes 840 MB, a test file 350 MB, a link little: a
# small machine must not start more jobs than its memory holds.
cmake_host_system_information(RESULT memory_mb QUERY TOTAL_PHYSICAL_MEMORY)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
math(EXPR jobs "${memory_mb} / 900")
if(jobs LESS 1)
  set(jobs 1)
endif()
if(jobs LESS cores)
  set_property(GLOBAL APPEND PROPERTY JOB_POOLS mc_compile=${jobs})
  set(CMAKE_JOB_POOL_COMPILE mc_compile)
endif()

# Flags for our own targets only; third-party headers are SYSTEM.  mc_library,
# mc_test and mc_executable link this privately, so nothing leaks to linkers.
add_library(mc_warnings INTERFACE)
target_compile_options(mc_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${MATRIXCORE_WERROR}>:-Werror>
  # Clang counts -Wsign-conversion as part of -Wconversion, GCC does not.
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>
  # GCC 12 reports uninitialised, overlapping and out-of-range uses inside its
  # own headers (std::string's operator+ and move constructor).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>
  -fstack-protector-strong)
target_compile_definitions(mc_warnings INTERFACE _GLIBCXX_ASSERTIONS)

# address | thread | undefined, joined by commas; set by the presets.
set(MATRIXCORE_SANITIZE "" CACHE STRING "Sanitizers to build with")
if(MATRIXCORE_SANITIZE)
  add_compile_options(-fsanitize=${MATRIXCORE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MATRIXCORE_SANITIZE})
else()
  target_compile_options(mc_warnings INTERFACE
    $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
endif()
add_link_options(LINKER:-z,relro,-z,now)
