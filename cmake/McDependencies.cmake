# Third-party packages, all from the distribution.  Each is SYSTEM: its
# warnings are not ours.  scripts/install-deps names the packages.

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
find_package(Boost 1.81 REQUIRED)
find_path(MATRIXCORE_RAPIDJSON_INCLUDE rapidjson/reader.h REQUIRED)
find_path(MATRIXCORE_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)

if(MATRIXCORE_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(MATRIXCORE_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
