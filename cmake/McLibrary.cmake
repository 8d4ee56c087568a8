# How this project declares its parts:
#
#   mc_library     a module: library, public headers, tests, permitted includes
#   mc_test        a GoogleTest program of its own
#   mc_executable  a program
#
# Files are relative to the calling directory.  #include paths start at the
# directory above it ("event/redaction.h"), public headers at include/.

include(GoogleTest)

# mc_library(NAME event
#            HDRS event.h ...      public headers, below include/matrixcore/NAME
#                                  (a backend's: include/matrixcore/backends)
#            SRCS event.cc ...
#            TESTS event_test.cc   gtest sources, built into NAME_test
#            DEPS json crypto      modules of ours, linked publicly
#            LINK fmt::fmt ...     third-party targets, linked privately
#            TEST_LINK ...)        further targets for the tests only
#
# declares the library mc_NAME with the alias matrixcore::NAME.  DEPS is the
# module's permission list: tests/layers fails on an include of any other.
function(mc_library)
  cmake_parse_arguments(ARG "" "NAME" "HDRS;SRCS;TESTS;DEPS;LINK;TEST_LINK" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mc_library(${ARG_NAME}): unknown ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(target mc_${ARG_NAME})
  set(include_dir ${PROJECT_SOURCE_DIR}/include)
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR
             BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE dir)
  set(header_dir ${ARG_NAME})
  if(dir MATCHES "^backends/")
    set(header_dir backends)
  endif()
  set(public_headers)  # as one writes them in an #include
  foreach(header ${ARG_HDRS})
    set(header matrixcore/${header_dir}/${header})
    cmake_path(NORMAL_PATH header)
    list(APPEND public_headers ${header})
  endforeach()
  list(TRANSFORM public_headers PREPEND ${include_dir}/ OUTPUT_VARIABLE hdrs)
  list(TRANSFORM ARG_DEPS PREPEND mc_ OUTPUT_VARIABLE deps)
  mc_allow_missing(${hdrs} ${ARG_SRCS} ${ARG_TESTS})

  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS})
    set(scope PUBLIC)
    mc_include_parent(${target})
    target_link_libraries(${target} PRIVATE ${ARG_LINK} $<BUILD_INTERFACE:mc_warnings>)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARG_LINK})
  endif()
  target_compile_features(${target} ${scope} cxx_std_20)
  target_link_libraries(${target} ${scope} ${deps})
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${include_dir}> $<INSTALL_INTERFACE:include>)
  if(hdrs)
    target_sources(${target} ${scope}
      FILE_SET HEADERS BASE_DIRS ${include_dir} FILES ${hdrs})
  endif()
  add_library(matrixcore::${ARG_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${ARG_NAME} OUTPUT_NAME matrixcore_${ARG_NAME})

  set_property(GLOBAL APPEND PROPERTY MC_MODULES ${ARG_NAME})
  set_property(GLOBAL PROPERTY MC_DIR_${ARG_NAME} "${dir}")
  set_property(GLOBAL PROPERTY MC_HDRS_${ARG_NAME} "${public_headers}")
  foreach(part SRCS TESTS DEPS)
    set_property(GLOBAL PROPERTY MC_${part}_${ARG_NAME} "${ARG_${part}}")
  endforeach()

  if(MATRIXCORE_BUILD_TESTS AND ARG_TESTS)
    mc_test(NAME ${ARG_NAME}_test SRCS ${ARG_TESTS}
            LINK ${target} ${ARG_LINK} ${ARG_TEST_LINK})
  endif()
endfunction()

# A listed file that is not there yet fails the build of its own target, not
# the configuration of all.
function(mc_allow_missing)
  foreach(file ${ARGN})
    cmake_path(ABSOLUTE_PATH file OUTPUT_VARIABLE path)
    if(NOT EXISTS ${path})
      set_source_files_properties(${path} PROPERTIES GENERATED TRUE)
    endif()
  endforeach()
endfunction()

# mc_executable(NAME homeserver SRCS main.cc LINK matrixcore::api ...)
function(mc_executable)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;LINK" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mc_executable(${ARG_NAME}): unknown ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  mc_include_parent(${ARG_NAME})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LINK} mc_warnings)
endfunction()

function(mc_include_parent target)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR PARENT_PATH parent)
  target_include_directories(${target} PRIVATE ${parent})
endfunction()

# mc_test(NAME x_test SRCS .. LINK .. [TIMEOUT seconds] [LABELS ..]): a
# GoogleTest program whose cases are single tests for ctest.
function(mc_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SRCS;LINK;LABELS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mc_test(${ARG_NAME}): unknown ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  mc_executable(NAME ${ARG_NAME} SRCS ${ARG_SRCS}
                LINK ${ARG_LINK} GTest::gmock GTest::gmock_main)
  mc_reuse_test_pch(${ARG_NAME})
  # PRE_TEST lists the cases when ctest starts, not after every link, and a
  # program that was not built is one failing test instead of a broken run.
  gtest_discover_tests(${ARG_NAME} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# GoogleTest's headers cost about a second in every test file, so they are
# precompiled, once for all test programs.  (An executable owns them, because
# GCC takes precompiled headers only with the same -fPIE.)  Nothing else is:
# in the libraries it would hide missing includes for little time.
function(mc_add_test_pch)
  set(main ${PROJECT_BINARY_DIR}/mc_test_pch.cc)
  file(CONFIGURE OUTPUT ${main} CONTENT "int main() { return 0; }\n")
  mc_executable(NAME mc_test_pch SRCS ${main} LINK GTest::gmock)
  target_precompile_headers(mc_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  mc_pch_options(mc_test_pch)
endfunction()

function(mc_reuse_test_pch target)
  target_precompile_headers(${target} REUSE_FROM mc_test_pch)
  mc_pch_options(${target})
endfunction()

# What ccache needs to cache files that use a precompiled header.
function(mc_pch_options target)
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
    "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endfunction()

# Writes what was declared to mc_library, for the tests that check structure.
function(mc_write_module_list file)
  get_property(modules GLOBAL PROPERTY MC_MODULES)
  set(entries)
  foreach(module ${modules})
    get_property(dir GLOBAL PROPERTY MC_DIR_${module})
    set(entry "  \"${module}\": {\"dir\": \"${dir}\"")
    foreach(part HDRS SRCS TESTS DEPS)
      get_property(items GLOBAL PROPERTY MC_${part}_${module})
      list(TRANSFORM items REPLACE "(.+)" "\"\\1\"")
      list(JOIN items ", " items)
      string(TOLOWER ${part} part)
      string(APPEND entry ", \"${part}\": [${items}]")
    endforeach()
    list(APPEND entries "${entry}}")
  endforeach()
  list(JOIN entries ",\n" entries)
  file(CONFIGURE OUTPUT ${file} CONTENT "{\n${entries}\n}\n" @ONLY)
endfunction()
