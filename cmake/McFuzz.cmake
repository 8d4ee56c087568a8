# mc_fuzz(NAME json_fuzz SRCS json_fuzz.cc [CORPUS dir] LINK matrixcore::json)
#
# declares a program around one LLVMFuzzerTestOneInput().  With
# MATRIXCORE_BUILD_FUZZERS (preset fuzz, clang) it is a libFuzzer program, part
# of the target `fuzzers` and listed in the build directory's fuzzers.txt, from
# which `scripts/test --fuzz` runs it.  In every other build it is a test that
# replays the corpus, so what fuzzing once found stays found.
function(mc_fuzz)
  cmake_parse_arguments(ARG "" "NAME;CORPUS" "SRCS;LINK" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mc_fuzz(${ARG_NAME}): unknown ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(corpus "")
  if(ARG_CORPUS)
    set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_CORPUS})
  endif()
  if(MATRIXCORE_BUILD_FUZZERS)
    mc_executable(NAME ${ARG_NAME} SRCS ${ARG_SRCS} LINK ${ARG_LINK})
    target_link_options(${ARG_NAME} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers ${ARG_NAME})
    set_property(GLOBAL APPEND_STRING PROPERTY MC_FUZZERS
                 "${ARG_NAME} $<TARGET_FILE:${ARG_NAME}> ${corpus}\n")
  elseif(MATRIXCORE_BUILD_TESTS)
    mc_executable(NAME ${ARG_NAME} LINK ${ARG_LINK}
                  SRCS ${ARG_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${ARG_NAME}.Replay COMMAND ${ARG_NAME} ${corpus})
    set_tests_properties(${ARG_NAME}.Replay PROPERTIES TIMEOUT 120)
  endif()
endfunction()

if(MATRIXCORE_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "MATRIXCORE_BUILD_FUZZERS needs clang (preset fuzz)")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
  # At the end of the configuration, when every fuzzer has been declared.
  cmake_language(DEFER DIRECTORY ${PROJECT_SOURCE_DIR} CALL cmake_language EVAL CODE [[
    get_property(list GLOBAL PROPERTY MC_FUZZERS)
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/fuzzers.txt CONTENT "${list}")
  ]])
endif()
