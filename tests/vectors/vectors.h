// Reads the test vectors of this directory.  Targets that use it define
// MC_VECTORS_DIR.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "matrixcore/json/value.h"

namespace matrixcore::vectors {

// The bytes of a file, named relative to tests/vectors.
inline std::string ReadFile(const std::string& name) {
  std::ifstream file(std::filesystem::path(MC_VECTORS_DIR) / name,
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << "cannot read " << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline json::Document ReadJson(const std::string& name) {
  Result<json::Document> document = json::Document::Parse(ReadFile(name));
  EXPECT_TRUE(document.ok()) << name << ": " << document.status().message();
  return document.ok() ? std::move(*document) : json::Document();
}

// The lines of a JSON Lines file.
inline std::vector<std::string> ReadLines(const std::string& name) {
  std::vector<std::string> lines;
  std::istringstream text(ReadFile(name));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace matrixcore::vectors
