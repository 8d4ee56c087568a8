// Compares the route tables with the specification's operations, and writes
// docs/spec-coverage.md.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "api/routes.h"
#include "vectors/vectors.h"

namespace matrixcore::api {
namespace {

// A line of tests/vectors/endpoints.tsv.
struct Operation {
  std::string api;
  std::string method;
  std::string path;
  std::string id;
  bool deprecated = false;
  std::string file;
};

std::vector<Operation> ReadOperations() {
  std::vector<Operation> operations;
  for (const std::string& line : vectors::ReadLines("endpoints.tsv")) {
    std::vector<std::string> cells(1);
    for (const char c : line) {
      if (c == '\t') {
        cells.emplace_back();
      } else {
        cells.back() += c;
      }
    }
    EXPECT_EQ(cells.size(), 9U) << line;
    if (cells.size() != 9 || cells[0] == "api") continue;
    operations.push_back({.api = cells[0],
                          .method = cells[1],
                          .path = cells[2].substr(0, cells[2].find(' ')),
                          .id = cells[3],
                          .deprecated = !cells[5].empty(),
                          .file = cells[8]});
  }
  return operations;
}

// A path without the names of its placeholders.
std::string Shape(std::string_view path) {
  std::string shape;
  bool inside = false;
  for (const char c : path) {
    inside = inside || c == '{';
    if (!inside) shape += c;
    if (c == '}') {
      inside = false;
      shape += "{}";
    }
  }
  return shape;
}

// "GET /path/{}" of every route, with its operation.
std::map<std::string, std::string_view> Routes() {
  std::map<std::string, std::string_view> routes;
  for (const std::span<const Route> table : AllRoutes()) {
    for (const Route& route : table) {
      routes.emplace(
          fmt::format("{} {}", HttpMethodName(route.method), Shape(route.path)),
          route.operation);
    }
  }
  return routes;
}

std::string NameOf(const Operation& operation) {
  return fmt::format("{} {}", operation.method, Shape(operation.path));
}

// Operations that the specification tells from another one with the same method
// and path by their parameters, and that the other one's function serves.
constexpr std::pair<std::string_view, std::string_view> kShared[] = {
    {"inviteBy3PID", "inviteUser"},
    {"peekEvents", "getEvents"},
};

bool IsServed(const Operation& operation) {
  static const auto routes = Routes();
  const auto route = routes.find(NameOf(operation));
  if (route == routes.end()) return false;
  for (const auto& [id, by] : kShared) {
    if (id == operation.id) return route->second == by;
  }
  return route->second == operation.id;
}

// What other servers and clients ask of a homeserver; the other APIs are those
// of other programs.
constexpr std::string_view kApis[] = {"client-server", "server-server"};

void WriteApi(std::string* out, std::string_view api,
              const std::vector<Operation>& operations) {
  size_t served = 0;
  size_t all = 0;
  std::string table;
  for (const Operation& operation : operations) {
    if (operation.api != api) continue;
    const bool has = IsServed(operation);
    ++all;
    served += has ? 1 : 0;
    table += fmt::format("| {} | {} | `{} {}` |{} |\n", has ? "yes" : "",
                         operation.id, operation.method, operation.path,
                         operation.deprecated ? " deprecated" : "");
  }
  *out += fmt::format(
      "\n## {}: {} of {} operations\n\n"
      "| served | operation | method and path | |\n|---|---|---|---|\n{}",
      api, served, all, table);
}

std::string CoverageDocument() {
  std::string out =
      "# Operations of the specification that are served\n"
      "\n"
      "Generated from the route tables by `scripts/spec-coverage`; a test "
      "fails when it is out of date.\n"
      "The operations are those of version 1.19 "
      "(`tests/vectors/endpoints.tsv`). What is served is\n"
      "complete for its parameters and errors.\n";
  const std::vector<Operation> operations = ReadOperations();
  for (const std::string_view api : kApis) WriteApi(&out, api, operations);
  return out;
}

TEST(SpecCoverageTest, RoutesCarryTheOperationOfTheirPath) {
  std::map<std::string, std::set<std::string>> known;
  for (const Operation& operation : ReadOperations()) {
    known[NameOf(operation)].insert(operation.id);
  }
  for (const auto& [name, operation] : Routes()) {
    const auto there = known.find(name);
    if (there == known.end()) {
      EXPECT_EQ(operation, "") << name << " is not in the specification";
    } else {
      EXPECT_EQ(there->second.count(std::string(operation)), 1U)
          << name << ": " << operation;
    }
  }
}

TEST(SpecCoverageTest, PrintsOperationsWithoutARoute) {
  for (const Operation& operation : ReadOperations()) {
    if (operation.api != kApis[0] && operation.api != kApis[1]) continue;
    if (IsServed(operation)) continue;
    std::printf("no route: %s (%s, %s)\n", NameOf(operation).c_str(),
                operation.id.c_str(), operation.file.c_str());
  }
}

TEST(SpecCoverageTest, TheDocumentIsCurrent) {
  const std::filesystem::path path =
      std::filesystem::path(MC_VECTORS_DIR) / "../../docs/spec-coverage.md";
  const std::string wanted = CoverageDocument();
  if (std::getenv("MATRIXCORE_UPDATE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << wanted;
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == wanted)
      << "docs/spec-coverage.md is out of date: run scripts/spec-coverage";
}

}  // namespace
}  // namespace matrixcore::api
