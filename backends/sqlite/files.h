// Files as a whole, beside what SQLite does to them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"

namespace matrixcore::sqlite {

// kUnavailable: `path`, `what` failed, the reason by errno, and what to check.
Status FileError(const std::string& path, std::string_view what);

// Makes an empty file of mode 0600, durably, unless `path` exists.  True when
// it was made.  kUnavailable names the path and the reason.
Result<bool> CreatePrivateFile(const std::string& path);

// The size of an existing file.
Result<uint64_t> FileBytes(const std::string& path);

// Whether `bytes` more fit where `path` lies: kUnavailable tells how many are
// missing.
Status CheckRoom(const std::string& path, uint64_t bytes);

// A file that is being made under another name, so that `path` is never half of
// it.  Removed when destroyed, unless it was finished.
class Draft {
 public:
  // Empty, of mode 0600; what an earlier attempt left is replaced.
  static Result<Draft> Make(const std::string& path);
  Draft(Draft&& other) noexcept;
  Draft& operator=(Draft&&) = delete;
  ~Draft();

  // Where it is written.
  const std::string& name() const { return name_; }
  // Makes it durable and gives it the name `path`, in the place of what has
  // that name.
  Status Finish();

 private:
  explicit Draft(std::string path)
      : path_(std::move(path)), name_(path_ + "-draft") {}
  void Remove();

  const std::string path_;
  const std::string name_;
  bool ours_ = true;
};

}  // namespace matrixcore::sqlite
