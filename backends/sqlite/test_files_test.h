// What tests do to files behind a store's back.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>
#include <iterator>
#include <string>

namespace matrixcore {

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Another program at the file, such as an sqlite3 shell.
class Shell {
 public:
  explicit Shell(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
  }
  ~Shell() { sqlite3_close(handle_); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  void Run(const std::string& sql) {
    char* error = nullptr;
    sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &error);
    if (error != nullptr) ADD_FAILURE() << sql << ": " << error;
    sqlite3_free(error);
  }
  std::string Ask(const std::string& sql) {
    std::string answer;
    sqlite3_exec(
        handle_, sql.c_str(),
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) += values[0] ? values[0] : "null";
          return 0;
        },
        &answer, nullptr);
    return answer;
  }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace matrixcore
