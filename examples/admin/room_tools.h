// What the commands over rooms have in common.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"
#include "matrixcore/base/status.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/room/room_check.h"
#include "matrixcore/store/store.h"

namespace matrixcore::admin {

// The public half of the server's signing key, for signatures of its own
// events.  kNotFound when the data folder has none.
Result<KeyLookup> OwnKey(const server::Config& config);

// Tells people of a finding, on standard output.
void PrintFinding(const RoomFinding& finding);

// The ids of all rooms of the store, in the order in which they were made.
Result<std::vector<std::string>> AllRooms(Store& store);

// A file that appears under its name only when it is complete: until then it is
// "NAME-draft", which goes when it is not.  "-" is standard output.
class OutputFile {
 public:
  // kAlreadyExists when there is such a file; kUnavailable.
  static Result<std::unique_ptr<OutputFile>> Create(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Status Write(std::string_view bytes);
  // Makes it durable and gives it its name.
  Status Commit();

 private:
  OutputFile(std::string path, std::FILE* file)
      : path_(std::move(path)), file_(file) {}
  Status Failed(std::string_view what) const;

  const std::string path_;  // "" for standard output.
  std::FILE* file_;
};

}  // namespace matrixcore::admin
