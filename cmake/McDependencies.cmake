# Third-party packages, all from the distribution (scripts/install-deps names
# them); their headers are SYSTEM: their warnings are not ours.  What a library
# of ours links, mc_find_again() in McInstall.cmake must know too.

# mc_pkg_config(sodium libsodium): the target PkgConfig::sodium, for what comes
# with a .pc file only.
macro(mc_pkg_config name package)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${package})
  set(MC_PKG_CONFIG_NAME_${name} ${package})
endmacro()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(tomlplusplus REQUIRED)
mc_pkg_config(sodium libsodium)
mc_pkg_config(prometheus prometheus-cpp-core)
mc_pkg_config(curl libcurl)
# Debian 12's default Boost is 1.74; CONFIG skips it for the newer package.
find_package(Boost 1.81 REQUIRED CONFIG)
find_path(MATRIXCORE_RAPIDJSON_INCLUDE rapidjson/reader.h REQUIRED)
find_path(MATRIXCORE_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
find_path(MATRIXCORE_UTF8PROC_INCLUDE utf8proc.h REQUIRED)

if(MATRIXCORE_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(MATRIXCORE_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
