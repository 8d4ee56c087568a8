# Third-party packages, all from the distribution (scripts/install-deps names
# them); their headers are SYSTEM: their warnings are not ours.
#
# McInstall.cmake repeats in the package's config file what the installed
# libraries need of this list: keep the two together.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(tomlplusplus REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET GLOBAL libsodium)
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET GLOBAL prometheus-cpp-core)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET GLOBAL libcurl)
# Debian 12's default Boost is 1.74; CONFIG skips it for the newer package.
find_package(Boost 1.81 REQUIRED CONFIG)
find_path(MATRIXCORE_RAPIDJSON_INCLUDE rapidjson/reader.h REQUIRED)
find_path(MATRIXCORE_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)

if(MATRIXCORE_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(MATRIXCORE_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
