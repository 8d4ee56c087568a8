# What `cmake --install` installs:
#
#   component Development   static libraries, public headers and a CMake package:
#                           find_package(matrixcore), matrixcore::<module> and
#                           matrixcore::core (src/CMakeLists.txt)
#   component Server        the programs
#
# The package's config file finds again what the installed libraries link.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# mc_find_again(LIBRARY OUT): the line of the config file that finds what the
# link item LIBRARY comes from; empty for our own and for plain -l names.
function(mc_find_again library out)
  set(line "")
  if(library MATCHES "^PkgConfig::(.+)$")
    if(NOT DEFINED MC_PKG_CONFIG_NAME_${CMAKE_MATCH_1})
      message(FATAL_ERROR "${library} is not from mc_pkg_config()")
    endif()
    set(line "mc_find_pkg_config(${CMAKE_MATCH_1} ${MC_PKG_CONFIG_NAME_${CMAKE_MATCH_1}})")
  elseif(library MATCHES "^(Threads|absl|fmt|spdlog|OpenSSL|tomlplusplus|CLI11)::")
    set(line "find_dependency(${CMAKE_MATCH_1})")
  elseif(library MATCHES "^SQLite::")
    set(line "find_dependency(SQLite3)")
  elseif(library MATCHES "^Boost::")
    set(line "find_dependency(Boost 1.81 CONFIG)")
  elseif(library MATCHES "::" AND NOT library MATCHES "^matrixcore::")
    message(FATAL_ERROR "McInstall.cmake does not know what ${library} comes from")
  endif()
  set(${out} "${line}" PARENT_SCOPE)
endfunction()

get_property(modules GLOBAL PROPERTY MC_MODULES)
list(TRANSFORM modules PREPEND mc_ OUTPUT_VARIABLE libraries)
set(find_lines)
foreach(library ${libraries})
  get_target_property(type ${library} TYPE)
  get_target_property(links ${library} INTERFACE_LINK_LIBRARIES)
  if(links)
    foreach(link ${links})
      string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" link "${link}")
      mc_find_again("${link}" line)
      list(APPEND find_lines ${line})
    endforeach()
  endif()
endforeach()
list(REMOVE_DUPLICATES find_lines)
list(JOIN find_lines "\n" MC_FIND_LINES)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/matrixcore)
foreach(library ${libraries})
  get_target_property(header_sets ${library} INTERFACE_HEADER_SETS)
  set(headers)
  if(header_sets)
    set(headers FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
                COMPONENT Development)
  endif()
  install(TARGETS ${library} EXPORT matrixcore
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Development
          ${headers})
endforeach()
install(TARGETS mc_core EXPORT matrixcore COMPONENT Development)
install(EXPORT matrixcore NAMESPACE matrixcore:: FILE matrixcoreTargets.cmake
        DESTINATION ${package_dir} COMPONENT Development)

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/matrixcoreConfig.cmake.in
  ${PROJECT_BINARY_DIR}/matrixcoreConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 every minor version may change the API.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/matrixcoreConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/matrixcoreConfig.cmake
              ${PROJECT_BINARY_DIR}/matrixcoreConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT Development)

foreach(program homeserver matrixcore-admin)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME COMPONENT Server)
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT Development)
