# mc_library(NAME event
#            HDRS event.h ...      public headers, below include/matrixcore/NAME
#            SRCS event.cc ...     relative to the calling directory
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
  list(TRANSFORM ARG_HDRS PREPEND
       ${PROJECT_SOURCE_DIR}/include/matrixcore/${ARG_NAME}/)
  list(TRANSFORM ARG_DEPS PREPEND matrixcore:: OUTPUT_VARIABLE deps)

  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS} ${ARG_HDRS})
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:include>)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${deps}
                          PRIVATE ${ARG_LINK} $<BUILD_INTERFACE:mc_warnings>)
  else()
    add_library(${target} INTERFACE)
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_include_directories(${target} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<INSTALL_INTERFACE:include>)
    target_link_libraries(${target} INTERFACE ${deps} ${ARG_LINK})
  endif()
  add_library(matrixcore::${ARG_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${ARG_NAME})
  set_property(GLOBAL APPEND PROPERTY MC_MODULES ${ARG_NAME})
  set_property(GLOBAL PROPERTY MC_DEPS_${ARG_NAME} "${ARG_DEPS}")

  if(MATRIXCORE_BUILD_TESTS AND ARG_TESTS)
    mc_test(NAME ${ARG_NAME}_test SRCS ${ARG_TESTS}
            LINK ${target} ${ARG_LINK} ${ARG_TEST_LINK})
  endif()
endfunction()

# mc_test(NAME x_test SRCS .. LINK ..): a GoogleTest program whose cases are
# single tests for ctest.
function(mc_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "SRCS;LINK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LINK} mc_warnings
                        GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${ARG_NAME} PROPERTIES TIMEOUT ${ARG_TIMEOUT}
                       DISCOVERY_TIMEOUT 60)
endfunction()
