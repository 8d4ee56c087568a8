#include "sqlite/vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace matrixcore::sqlite {
namespace {

// Gathered bytes are written at the latest when they are so many: the most that
// SQLite's own file system takes in one call.
constexpr size_t kMaxGathered = (size_t{128} << 10) - 1;
// The database itself is only written when the log is moved into it.  That
// makes so many bytes durable at a time, so that a commit never waits for the
// disk to take all of them.
constexpr size_t kMaxUnsynced = size_t{512} << 10;

// A frame of the log begins with this header; bytes 4 to 7 are not all zero in
// the frame that commits (SQLite, "The WAL File Format").
constexpr int kFrameHeader = 24;
constexpr int kCommitAt = 4;
constexpr int kCommitBytes = 4;

// What SQLite takes for an open file: the base must come first.
struct File {
  sqlite3_file base;
  sqlite3_file*
      real;  // Allocated by OpenFile, with the size that its VFS asks.
};

// A log, which gathers.
struct LogFile {
  File file;
  std::string* gathered;  // To be written from `start` on; has its capacity.
  sqlite3_int64 start;
  bool commits;           // The newest frame header is that of a commit.
  sqlite3_int64 read_at;  // What was read since the last write; -1 if nothing.
};

// The database.
struct DatabaseFile {
  File file;
  size_t unsynced;  // Bytes written since they were last made durable.
};

sqlite3_file* Real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real;
}

LogFile& Log(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }

int Flush(LogFile& log) {
  log.commits = false;
  if (log.gathered->empty()) return SQLITE_OK;
  sqlite3_file* const real = log.file.real;
  const int code =
      real->pMethods->xWrite(real, log.gathered->data(),
                             static_cast<int>(log.gathered->size()), log.start);
  // After a failure the transaction ends without a trace.
  log.gathered->clear();
  return code;
}

// Only a writer's log gets the memory; false if there is none.
bool Reserve(std::string& gathered) {
  if (gathered.capacity() >= kMaxGathered) return true;
  try {
    gathered.reserve(kMaxGathered);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

bool Commits(const void* header) {
  const char* const bytes = static_cast<const char*>(header) + kCommitAt;
  return std::any_of(bytes, bytes + kCommitBytes,
                     [](char byte) { return byte != 0; });
}

int WriteLog(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  LogFile& log = Log(file);
  const auto bytes = static_cast<size_t>(size);
  const auto end = log.start + static_cast<sqlite3_int64>(log.gathered->size());
  if (!log.gathered->empty() &&
      (at != end || log.gathered->size() + bytes > kMaxGathered)) {
    const bool commits = log.commits;
    const int code = Flush(log);
    if (code != SQLITE_OK) return code;
    log.commits = commits;
  }
  if (log.gathered->empty()) log.start = at;
  // When a transaction has changed a page that it had already written to the
  // log, SQLite reads its frames again at its end and writes their headers, not
  // their pages: the last of them is what commits.
  const bool again = at == std::exchange(log.read_at, -1);
  const bool header = size == kFrameHeader && !again;
  const bool complete = log.commits && !header;
  log.commits = header && Commits(data);
  const bool gathers = header || !log.gathered->empty();
  if (!gathers || bytes > kMaxGathered || !Reserve(*log.gathered)) {
    return Real(file)->pMethods->xWrite(Real(file), data, size, at);
  }
  log.gathered->append(static_cast<const char*>(data), bytes);
  return complete ? Flush(log) : SQLITE_OK;
}

int ReadLog(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
  LogFile& log = Log(file);
  if (!log.gathered->empty() && at + size > log.start) {
    const int code = Flush(log);
    if (code != SQLITE_OK) return code;
  }
  log.read_at = at;
  return Real(file)->pMethods->xRead(Real(file), data, size, at);
}

int CloseFile(sqlite3_file* file) {
  const int code = Real(file)->pMethods->xClose(Real(file));
  sqlite3_free(Real(file));
  return code;
}

// What was gathered of a transaction that did not commit is not missed.
int CloseLog(sqlite3_file* file) {
  delete Log(file).gathered;
  return CloseFile(file);
}

// The methods of a file that only passes calls on.
sqlite3_io_methods PassingMethods() {
  return {
      .iVersion = 3,
      .xClose = CloseFile,
      .xRead =
          [](sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
            return Real(f)->pMethods->xRead(Real(f), data, size, at);
          },
      .xWrite =
          [](sqlite3_file* f, const void* data, int size, sqlite3_int64 at) {
            return Real(f)->pMethods->xWrite(Real(f), data, size, at);
          },
      .xTruncate =
          [](sqlite3_file* f, sqlite3_int64 size) {
            return Real(f)->pMethods->xTruncate(Real(f), size);
          },
      .xSync =
          [](sqlite3_file* f, int flags) {
            return Real(f)->pMethods->xSync(Real(f), flags);
          },
      .xFileSize =
          [](sqlite3_file* f, sqlite3_int64* size) {
            return Real(f)->pMethods->xFileSize(Real(f), size);
          },
      .xLock = [](sqlite3_file* f,
                  int lock) { return Real(f)->pMethods->xLock(Real(f), lock); },
      .xUnlock =
          [](sqlite3_file* f, int lock) {
            return Real(f)->pMethods->xUnlock(Real(f), lock);
          },
      .xCheckReservedLock =
          [](sqlite3_file* f, int* out) {
            return Real(f)->pMethods->xCheckReservedLock(Real(f), out);
          },
      .xFileControl =
          [](sqlite3_file* f, int op, void* arg) {
            return Real(f)->pMethods->xFileControl(Real(f), op, arg);
          },
      .xSectorSize =
          [](sqlite3_file* f) {
            return Real(f)->pMethods->xSectorSize(Real(f));
          },
      .xDeviceCharacteristics =
          [](sqlite3_file* f) {
            return Real(f)->pMethods->xDeviceCharacteristics(Real(f));
          },
      .xShmMap =
          [](sqlite3_file* f, int region, int size, int extend,
             void volatile** out) {
            return Real(f)->pMethods->xShmMap(Real(f), region, size, extend,
                                              out);
          },
      .xShmLock =
          [](sqlite3_file* f, int offset, int n, int flags) {
            return Real(f)->pMethods->xShmLock(Real(f), offset, n, flags);
          },
      .xShmBarrier =
          [](sqlite3_file* f) { Real(f)->pMethods->xShmBarrier(Real(f)); },
      .xShmUnmap =
          [](sqlite3_file* f, int remove) {
            return Real(f)->pMethods->xShmUnmap(Real(f), remove);
          },
      .xFetch =
          [](sqlite3_file* f, sqlite3_int64 at, int size, void** out) {
            *out = nullptr;
            if (Real(f)->pMethods->iVersion < 3) return SQLITE_OK;
            return Real(f)->pMethods->xFetch(Real(f), at, size, out);
          },
      .xUnfetch =
          [](sqlite3_file* f, sqlite3_int64 at, void* page) {
            if (Real(f)->pMethods->iVersion < 3) return SQLITE_OK;
            return Real(f)->pMethods->xUnfetch(Real(f), at, page);
          },
  };
}

sqlite3_io_methods LogMethods() {
  sqlite3_io_methods methods = PassingMethods();
  methods.xClose = CloseLog;
  methods.xRead = ReadLog;
  methods.xWrite = WriteLog;
  methods.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
    const int code = Flush(Log(f));
    if (code != SQLITE_OK) return code;
    return Real(f)->pMethods->xTruncate(Real(f), size);
  };
  methods.xSync = [](sqlite3_file* f, int flags) {
    const int code = Flush(Log(f));
    if (code != SQLITE_OK) return code;
    return Real(f)->pMethods->xSync(Real(f), flags);
  };
  methods.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
    const int code = Flush(Log(f));
    if (code != SQLITE_OK) return code;
    return Real(f)->pMethods->xFileSize(Real(f), size);
  };
  return methods;
}

int WriteDatabase(sqlite3_file* file, const void* data, int size,
                  sqlite3_int64 at) {
  const int code = Real(file)->pMethods->xWrite(Real(file), data, size, at);
  if (code != SQLITE_OK) return code;
  size_t& unsynced = reinterpret_cast<DatabaseFile*>(file)->unsynced;
  unsynced += static_cast<size_t>(size);
  if (unsynced < kMaxUnsynced) return SQLITE_OK;
  unsynced = 0;
  return Real(file)->pMethods->xSync(Real(file), SQLITE_SYNC_NORMAL);
}

sqlite3_io_methods DatabaseMethods() {
  sqlite3_io_methods methods = PassingMethods();
  methods.xWrite = WriteDatabase;
  methods.xSync = [](sqlite3_file* f, int flags) {
    reinterpret_cast<DatabaseFile*>(f)->unsynced = 0;
    return Real(f)->pMethods->xSync(Real(f), flags);
  };
  return methods;
}

int OpenFile(sqlite3_vfs* self, const char* name, sqlite3_file* file, int flags,
             int* out_flags) {
  static const sqlite3_io_methods passing_methods = PassingMethods();
  static const sqlite3_io_methods log_methods = LogMethods();
  static const sqlite3_io_methods database_methods = DatabaseMethods();
  file->pMethods = nullptr;
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  // When the default one is taken away, the next in SQLite's list takes over.
  if (vfs == self) vfs = self->pNext;
  if (vfs == nullptr) return SQLITE_CANTOPEN;
  auto* const own = reinterpret_cast<File*>(file);
  own->real = static_cast<sqlite3_file*>(sqlite3_malloc(vfs->szOsFile));
  if (own->real == nullptr) return SQLITE_NOMEM;
  std::memset(own->real, 0, static_cast<size_t>(vfs->szOsFile));
  std::string* gathered = nullptr;
  int code = SQLITE_OK;
  const bool is_log = (flags & SQLITE_OPEN_WAL) != 0;
  if (is_log) {
    gathered = new (std::nothrow) std::string;
    if (gathered == nullptr) code = SQLITE_NOMEM;
  }
  if (code == SQLITE_OK) {
    code = vfs->xOpen(vfs, name, own->real, flags, out_flags);
  }
  if (code != SQLITE_OK) {
    if (own->real->pMethods != nullptr) {
      own->real->pMethods->xClose(own->real);
    }
    sqlite3_free(own->real);
    delete gathered;
    return code;
  }
  if (is_log) {
    LogFile& log = Log(file);
    log.gathered = gathered;
    log.start = 0;
    log.commits = false;
    log.read_at = -1;
    file->pMethods = &log_methods;
  } else if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
    reinterpret_cast<DatabaseFile*>(file)->unsynced = 0;
    file->pMethods = &database_methods;
  } else {
    file->pMethods = &passing_methods;
  }
  return SQLITE_OK;
}

}  // namespace

const char* VfsName() {
  // SQLite keeps it in a list for as long as the process lives.
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *sqlite3_vfs_find(nullptr);
    made.pNext = nullptr;
    made.zName = "matrixcore";
    made.szOsFile = static_cast<int>(sizeof(LogFile));
    made.xOpen = OpenFile;
    return made;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? vfs.zName : nullptr;
}

}  // namespace matrixcore::sqlite
