// The Store in one SQLite file: the default of a server.
//
// Beside the file lie FILE-wal and FILE-shm (SQLite's log; part of the data, to
// be copied or moved only with it) and FILE-lock (who has it open).  Operators
// may read the database with the sqlite3 program at any time; tables and
// columns are those of the schema.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

// How often connections found a page in their page caches, and how often not.
struct SqlitePageCounts {
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
};

struct SqliteOptions {
  enum class Synchronous {
    // A commit that was reported survives a power cut.
    kFull,
    // It survives the death of the process, but a power cut may undo the newest
    // commits, and their positions are then given out again.
    kNormal,
  };
  Synchronous synchronous = Synchronous::kFull;

  // How many snapshots there can be at once.  Their connections are opened when
  // first needed.
  size_t readers = 4;
  // Most memory for pages of the file: of the one writer, and of each reader (a
  // reader's pages are good only until the next commit); 0 is 2 MiB.
  size_t writer_cache_bytes = size_t{4} << 20;
  size_t reader_cache_bytes = size_t{512} << 10;
  // What those were good for.  May be null; must outlive the store.
  SqlitePageCounts* page_counts = nullptr;
  // Reads so much of the file through a memory map.  Saves some time, and
  // counts as resident memory.
  size_t mmap_bytes = 0;
  // Used when the file is made: a power of two from 512 to 65536.
  uint32_t page_bytes = 4096;

  // The log's size from which its contents are moved to the file in the
  // background.  At three times that size writers wait for readers to let go of
  // it, at six times for the moving itself.
  size_t wal_bytes = size_t{32} << 20;
  // How long to wait for another program that holds the file's lock.
  Duration busy_timeout = seconds(5);

  // After an unclean stop the file's structure is checked: at opening if it is
  // at most so large, and in the background if it is larger.  (What the log
  // lost of acknowledged commits is always looked for, with kFull.)
  size_t check_at_open_bytes = size_t{64} << 20;

  // Told what happens at opening and in the background.  May be null; must
  // outlive the store.
  Logger* logger = nullptr;
};

// Opens or makes (with mode 0600) the database, brings its tables up to the
// schema's version in one transaction, and takes hold of it: a second store on
// the same file is refused, in this process or another.  The names in `schema`
// must outlive the store; the schema itself is copied.
//
// Errors, each naming the file and what to do; the file is then unchanged:
// kInvalidArgument (the schema or an option), kUnavailable (in use, read-only,
// no space, not allowed), kDataLoss (damaged), kFailedPrecondition (made by a
// newer program, by another program, or with other tables under that version).
//
// Of the store: when writing fails for lack of space or the like, that batch
// fails with kUnavailable and later ones are tried again.  When a commit cannot
// be made durable (fsync fails) nobody knows what the disk holds: that and
// every later batch fails until the file is opened again; reading goes on.
Result<std::unique_ptr<Store>> OpenSqliteStore(
    const std::string& path, const Schema& schema,
    const SqliteOptions& options = {});

// Opens an existing database for queries alone, also while a server has it
// open, in this process or another: every snapshot sees what was committed
// until then. Changes no file, not even after an unclean stop, and the file may
// be read-only; but a file that nobody has open and whose log was left behind
// needs a directory where SQLite can make its -shm.
//
// Of `options` the readers, their memory and busy_timeout count.  Commits fail
// with kUnavailable.  Errors: kInvalidArgument, kUnavailable and kDataLoss as
// above; kFailedPrecondition also for the tables of an older program, which
// only a server brings up to date.
Result<std::unique_ptr<Store>> OpenSqliteStoreReadOnly(
    const std::string& path, const Schema& schema,
    const SqliteOptions& options = {});

// --- The file as a whole: for the tools of operators ---
//
// These functions take a database by its path.  Those that read it work
// beside a server that has it open, in this process or another, and hold up
// neither its writers nor its readers; but as long as they read, its log is not
// cut short. Errors are those of OpenSqliteStoreReadOnly.

// Called now and then, on the calling thread: so much of a long operation is
// done, in bytes.  Null to hear nothing.
using SqliteProgress = std::function<void(uint64_t done, uint64_t total)>;

struct SqliteFileInfo {
  uint32_t schema_version = 0;
  Position position = 0;    // Of the newest commit.
  uint64_t bytes = 0;       // Of all pages, those in the log included.
  uint64_t free_bytes = 0;  // Of pages that hold nothing.
};
// Also of a database of another version; nothing but its head is read.
Result<SqliteFileInfo> InspectSqlite(const std::string& path);

// Copies the database as it is at one moment to `to`, a single file of mode
// 0600 without a log.  The copy is durable when this returns; until then there
// is no file `to`, only a "TO-draft", which a copy that is broken off leaves
// behind and the next one replaces.  Returns what the copy is like.
// kAlreadyExists when there is a `to`; kUnavailable when it does not fit on the
// disk, which is found out before.
Result<SqliteFileInfo> BackUpSqlite(const std::string& from,
                                    const std::string& to,
                                    const SqliteProgress& progress = nullptr);

// The way back: makes the database `to` from a copy, all at once as above, and
// brings its tables up to the schema's version.  Meanwhile no server can open
// `to`, and after a death of this process neither: it is told that the file is
// gone.  The copy is only read.  Returns what the copy is like.
struct SqliteRestoreOptions {
  // The log of the new database goes on above this.
  Position skip_to = 0;
  // What else has to be done to it before a server may open it; may be null.
  std::function<Status(Store&)> prepare = nullptr;
  SqliteProgress progress = nullptr;
};
Result<SqliteFileInfo> RestoreSqlite(const std::string& from,
                                     const std::string& to,
                                     const Schema& schema,
                                     const SqliteRestoreOptions& options);

// Whether no server has the database open; kUnavailable tells who has.
Status CheckSqliteIsFree(const std::string& path);

// Looks for damage everywhere: every page, every row, every entry of an index;
// reads the file about twice.  Returns what is wrong, in words, at most 100
// problems; nothing when all is well.
Result<std::vector<std::string>> VerifySqlite(
    const std::string& path, const Schema& schema,
    const SqliteProgress& progress = nullptr);

// Writes the database anew, so that the room of what was deleted goes back to
// the disk.  The server must be stopped: kUnavailable if it is not.  Needs room
// for a second copy (bytes - free_bytes): kUnavailable, before anything is
// written, when the disk has not so much.  The new file takes the old one's
// place at once, or not at all.  Damaged files are not for this: verify first.
struct SqliteVacuumInfo {
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};
Result<SqliteVacuumInfo> VacuumSqlite(const std::string& path,
                                      const SqliteProgress& progress = nullptr);

// What each table and each index holds, ordered by bytes, the largest first.
struct SqliteTreeInfo {
  std::string table = {};
  // "" for the rows themselves, "key" for the index of the key.
  std::string index = {};
  uint64_t entries = 0;
  uint64_t bytes = 0;         // Of its pages ...
  uint64_t unused_bytes = 0;  // ... and of what is empty in them.
};
// kUnsupported when SQLite was built without its table dbstat.
Result<std::vector<SqliteTreeInfo>> MeasureSqlite(
    const std::string& path, const SqliteProgress& progress = nullptr);

// The rows of `table` with one value in its first key column.
struct SqliteGroupInfo {
  Cell key = {};
  uint64_t rows = 0;
  uint64_t bytes = 0;  // Of their texts and blobs.
};
// Those groups that are among the `most` largest by rows or by bytes, ordered
// by bytes, the largest first.  Here progress counts rows.
Result<std::vector<SqliteGroupInfo>> LargestSqliteGroups(
    const std::string& path, const TableSpec& table, size_t most,
    const SqliteProgress& progress = nullptr);

// --- The full-text index ---

// Opens or makes (with mode 0600) a full-text index in a file of its own, with
// the same files beside it.  It holds nothing that cannot be made again: a file
// that is damaged, no database, or of another version of this program is
// replaced by an empty index, and a power cut may take its newest changes away.
// `cache_bytes`: the page cache of each of its two connections; `page_counts`
// as in SqliteOptions.
// Errors: kUnavailable (in use, read-only, no space, not allowed).
Result<std::unique_ptr<SearchIndex>> OpenSqliteSearchIndex(
    const std::string& path, size_t cache_bytes = size_t{2} << 20,
    SqlitePageCounts* page_counts = nullptr);

}  // namespace matrixcore
