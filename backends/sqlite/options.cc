#include "sqlite/options.h"

#include <fmt/format.h>

#include <string_view>

namespace matrixcore::sqlite {

Status CheckOptions(const std::string& path, const SqliteOptions& options) {
  const auto invalid = [&path](std::string_view what) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: {}", path, what));
  };
  if (path.empty()) return invalid("the database has no name");
  if (options.readers == 0) return invalid("readers must be at least 1");
  const uint32_t page = options.page_bytes;
  if (page < 512 || page > 65536 || (page & (page - 1)) != 0) {
    return invalid("page_bytes must be a power of two from 512 to 65536");
  }
  return OkStatus();
}

Connection::Options ReaderOptions(const SqliteOptions& options) {
  return {.cache_bytes = options.reader_cache_bytes,
          .mmap_bytes = options.mmap_bytes,
          .busy_timeout = options.busy_timeout,
          .full_sync = true,
          .read_only = true,
          .untouched = false,
          .page_counts = options.page_counts};
}

}  // namespace matrixcore::sqlite
