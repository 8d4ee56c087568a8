// SearchIndex in a SQLite file of its own, by FTS5.
//
// Full-text tables only find candidates; SearchTerms decides, on the folded
// text that is kept beside.  Both tables have no content of their own, so that
// a text is stored once:
//
//   long_words   trigrams: every word of three characters or more, anywhere
//   short_words  ShortTokens, in hexadecimal so that no tokenizer minds them
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/mutex.h"
#include "sqlite/connection.h"
#include "sqlite/file_lock.h"
#include "sqlite/files.h"

namespace matrixcore {
namespace {

using sqlite::Connection;
using sqlite::Statement;

// Changes whenever the tables or what is put into them change: an index of
// another form is made anew.
constexpr int64_t kForm = 1;
// Candidates that one search looks at, and of those in its groups, reads.
constexpr size_t kMaxCandidates = 200'000;

constexpr char kSchema[] = R"(
  CREATE TABLE progress (position INTEGER NOT NULL);
  INSERT INTO progress VALUES (0);
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY, grp INTEGER NOT NULL, item INTEGER NOT NULL,
    field INTEGER NOT NULL, source INTEGER NOT NULL, text TEXT NOT NULL);
  CREATE INDEX documents_grp ON documents (grp);
  CREATE INDEX documents_source ON documents (source) WHERE source <> id;
  CREATE VIRTUAL TABLE long_words USING fts5(
    text, content='', columnsize=0, tokenize='trigram case_sensitive 1');
  CREATE VIRTUAL TABLE short_words USING fts5(
    text, content='', columnsize=0, detail='none', tokenize='ascii');
)";

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

std::string ShortText(std::string_view folded) {
  std::string text;
  for (const std::string& token : ShortTokens(folded)) {
    text += Hex(token);
    text += ' ';
  }
  return text;
}

// An FTS5 query for the long words, or else for the short ones.  Words have no
// quotes in them.
std::string MatchText(const SearchTerms& terms, bool is_long) {
  std::string text;
  for (const SearchTerms::Word& word : terms.words()) {
    if (word.is_long != is_long) continue;
    if (!text.empty()) text += " AND ";
    text += '"' + (is_long ? word.text : Hex(word.text)) + '"';
  }
  return text;
}

class SqliteSearchIndex final : public SearchIndex {
 public:
  SqliteSearchIndex(size_t cache_bytes, SqlitePageCounts* page_counts)
      : cache_bytes_(cache_bytes), page_counts_(page_counts) {}
  ~SqliteSearchIndex() override { Close(); }

  Status Open(const std::string& path) {
    MutexLock write(write_mutex_);
    MutexLock read(read_mutex_);
    MC_ASSIGN_OR_RETURN(lock_, sqlite::FileLock::Acquire(path));
    MC_ASSIGN_OR_RETURN([[maybe_unused]] const bool made,
                        sqlite::CreatePrivateFile(path));
    MC_ASSIGN_OR_RETURN(writer_, Connection::Open(path, Options(false)));
    MC_RETURN_IF_ERROR(writer_->Execute(
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=1000;"));
    MC_ASSIGN_OR_RETURN(const int64_t form,
                        writer_->QueryInt("PRAGMA user_version"));
    if (form != kForm) MC_RETURN_IF_ERROR(MakeTables());
    MC_RETURN_IF_ERROR(PrepareWriter());
    MC_ASSIGN_OR_RETURN(reader_, Connection::Open(path, Options(true)));
    return PrepareReader();
  }

  Result<int64_t> Position() override {
    MutexLock lock(write_mutex_);
    if (writer_ == nullptr) return Closed();
    return writer_->QueryInt("SELECT position FROM progress");
  }

  Status Apply(const SearchChanges& changes) override {
    MutexLock lock(write_mutex_);
    if (writer_ == nullptr) return Closed();
    MC_RETURN_IF_ERROR(writer_->Execute("BEGIN IMMEDIATE"));
    Status status = ApplyInside(changes);
    if (status.ok()) status = writer_->Execute("COMMIT");
    if (!status.ok()) writer_->Rollback();
    writer_->CountPages();
    return status;
  }

  Result<std::vector<int64_t>> FromSource(int64_t source) override {
    MutexLock lock(write_mutex_);
    if (writer_ == nullptr) return Closed();
    from_source_.Bind(1, source);
    return Numbers(from_source_);
  }

  Result<std::vector<SearchHit>> Search(const SearchQuery& query) override {
    if (query.terms.empty() || query.groups.empty() || query.limit == 0) {
      return std::vector<SearchHit>();
    }
    const bool is_long =
        std::any_of(query.terms.words().begin(), query.terms.words().end(),
                    [](const SearchTerms::Word& word) { return word.is_long; });
    const Cell match = MatchText(query.terms, is_long);
    MutexLock lock(read_mutex_);
    if (reader_ == nullptr) return Closed();
    Statement& find = is_long ? find_long_ : find_short_;
    find.Bind(1, match);
    find.Bind(2, query.before);
    std::vector<SearchHit> hits;
    int code = SQLITE_ROW;
    for (size_t seen = 0; seen < kMaxCandidates && hits.size() < query.limit;
         ++seen) {
      code = find.Step();
      if (code != SQLITE_ROW) break;
      const int64_t group = find.Int(1);
      if ((static_cast<uint32_t>(find.Int(3)) & query.fields) == 0 ||
          !std::binary_search(query.groups.begin(), query.groups.end(),
                              group)) {
        continue;
      }
      const auto score = query.terms.Score(find.Bytes(4));
      if (score) hits.push_back({find.Int(0), group, find.Int(2), *score});
    }
    find.Reset();
    reader_->CountPages();
    if (code != SQLITE_ROW && code != SQLITE_DONE) return reader_->Error(code);
    return hits;
  }

  Status Clear() override {
    MutexLock lock(write_mutex_);
    if (writer_ == nullptr) return Closed();
    MC_RETURN_IF_ERROR(writer_->Execute("BEGIN IMMEDIATE"));
    const Status status = writer_->Execute(
        "DELETE FROM documents; UPDATE progress SET position = 0;"
        "INSERT INTO long_words (long_words) VALUES ('delete-all');"
        "INSERT INTO short_words (short_words) VALUES ('delete-all');"
        "COMMIT");
    if (!status.ok()) writer_->Rollback();
    return status;
  }

  void Close() override {
    MutexLock write(write_mutex_);
    MutexLock read(read_mutex_);
    for (Statement* statement :
         {&find_long_, &find_short_, &from_source_, &of_group_, &text_of_,
          &erase_, &erase_long_, &erase_short_, &put_, &put_long_, &put_short_,
          &move_}) {
      *statement = Statement();
    }
    reader_.reset();
    writer_.reset();
    lock_.reset();
  }

 private:
  Connection::Options Options(bool read_only) const {
    // What a power cut takes away is made again.
    return {.cache_bytes = cache_bytes_,
            .mmap_bytes = 0,
            .busy_timeout = seconds(5),
            .full_sync = false,
            .read_only = read_only,
            .page_counts = page_counts_};
  }
  static Status Closed() {
    return Status(StatusCode::kUnavailable, "the search index is closed");
  }

  // Of a new file, or of one of another form.
  Status MakeTables() MC_REQUIRES(write_mutex_) {
    MC_RETURN_IF_ERROR(writer_->Execute(
        "DROP TABLE IF EXISTS long_words; DROP TABLE IF EXISTS short_words;"
        "DROP TABLE IF EXISTS documents; DROP TABLE IF EXISTS progress;"));
    MC_RETURN_IF_ERROR(writer_->Execute(
        std::string("BEGIN;") + kSchema +
        "PRAGMA user_version = " + std::to_string(kForm) + "; COMMIT"));
    return OkStatus();
  }

  Status PrepareWriter() MC_REQUIRES(write_mutex_) {
    const std::pair<Statement*, const char*> all[] = {
        {&from_source_,
         "SELECT id FROM documents WHERE source = ?1 AND source <> id "
         "ORDER BY id"},
        {&of_group_, "SELECT id FROM documents WHERE grp = ?1 ORDER BY id"},
        {&text_of_, "SELECT text FROM documents WHERE id = ?1"},
        {&erase_, "DELETE FROM documents WHERE id = ?1"},
        {&erase_long_,
         "INSERT INTO long_words (long_words, rowid, text) "
         "VALUES ('delete', ?1, ?2)"},
        {&erase_short_,
         "INSERT INTO short_words (short_words, rowid, text) "
         "VALUES ('delete', ?1, ?2)"},
        {&put_,
         "INSERT INTO documents (id, grp, item, field, source, text) "
         "VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
        {&put_long_, "INSERT INTO long_words (rowid, text) VALUES (?1, ?2)"},
        {&put_short_, "INSERT INTO short_words (rowid, text) VALUES (?1, ?2)"},
        {&move_, "UPDATE progress SET position = ?1"},
    };
    for (const auto& [statement, sql] : all) {
      MC_ASSIGN_OR_RETURN(*statement, writer_->Prepare(sql));
    }
    return OkStatus();
  }

  Status PrepareReader() MC_REQUIRES(read_mutex_) {
    const auto find = [](const std::string& table) {
      // CROSS keeps the order: the full-text table walks down its row ids.
      return "SELECT d.id, d.grp, d.item, d.field, d.text FROM " + table +
             " AS w CROSS JOIN documents AS d ON d.id = w.rowid WHERE " +
             table + " MATCH ?1 AND w.rowid < ?2 ORDER BY w.rowid DESC";
    };
    MC_ASSIGN_OR_RETURN(find_long_, reader_->Prepare(find("long_words")));
    MC_ASSIGN_OR_RETURN(find_short_, reader_->Prepare(find("short_words")));
    return OkStatus();
  }

  Status ApplyInside(const SearchChanges& changes) MC_REQUIRES(write_mutex_) {
    for (const int64_t group : changes.erased_groups) {
      of_group_.Bind(1, group);
      MC_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, Numbers(of_group_));
      for (const int64_t id : ids) MC_RETURN_IF_ERROR(Erase(id));
    }
    for (const int64_t id : changes.erased) MC_RETURN_IF_ERROR(Erase(id));
    for (const SearchDocument& document : changes.put) {
      MC_RETURN_IF_ERROR(Erase(document.id));
      MC_RETURN_IF_ERROR(Put(document));
    }
    if (!changes.position) return OkStatus();
    move_.Bind(1, *changes.position);
    return Done(move_.Run());
  }

  Status Put(const SearchDocument& document) MC_REQUIRES(write_mutex_) {
    const Cell text = FoldText(document.text);
    put_.Bind(1, document.id);
    put_.Bind(2, document.group);
    put_.Bind(3, document.item);
    put_.Bind(4, int64_t{document.field});
    put_.Bind(5, document.source);
    put_.Bind(6, text);
    MC_RETURN_IF_ERROR(Done(put_.Run()));
    return Words(put_long_, put_short_, document.id, text);
  }

  // A table without content forgets a text when told what it was.
  Status Erase(int64_t id) MC_REQUIRES(write_mutex_) {
    text_of_.Bind(1, id);
    const int code = text_of_.Step();
    const Cell text =
        code == SQLITE_ROW ? Cell(std::string(text_of_.Bytes(0))) : Cell();
    text_of_.Reset();
    if (code == SQLITE_DONE) return OkStatus();
    if (code != SQLITE_ROW) return writer_->Error(code);
    MC_RETURN_IF_ERROR(Words(erase_long_, erase_short_, id, text));
    erase_.Bind(1, id);
    return Done(erase_.Run());
  }

  Status Words(Statement& of_long, Statement& of_short, int64_t id,
               const Cell& text) MC_REQUIRES(write_mutex_) {
    of_long.Bind(1, id);
    of_long.Bind(2, text);
    MC_RETURN_IF_ERROR(Done(of_long.Run()));
    const Cell tokens = ShortText(CellText(text));
    of_short.Bind(1, id);
    of_short.Bind(2, tokens);
    return Done(of_short.Run());
  }

  Status Done(int code) const MC_REQUIRES(write_mutex_) {
    return code == SQLITE_DONE ? OkStatus() : writer_->Error(code);
  }

  Result<std::vector<int64_t>> Numbers(Statement& statement)
      MC_REQUIRES(write_mutex_) {
    std::vector<int64_t> numbers;
    int code = SQLITE_ROW;
    while ((code = statement.Step()) == SQLITE_ROW) {
      numbers.push_back(statement.Int(0));
    }
    statement.Reset();
    if (code != SQLITE_DONE) return writer_->Error(code);
    return numbers;
  }

  std::unique_ptr<sqlite::FileLock> lock_;
  // Lock order: the writer's first.
  const size_t cache_bytes_;
  SqlitePageCounts* const page_counts_;
  Mutex write_mutex_;
  std::unique_ptr<Connection> writer_ MC_GUARDED_BY(write_mutex_);
  Statement from_source_ MC_GUARDED_BY(write_mutex_);
  Statement of_group_ MC_GUARDED_BY(write_mutex_);
  Statement text_of_ MC_GUARDED_BY(write_mutex_);
  Statement erase_ MC_GUARDED_BY(write_mutex_);
  Statement erase_long_ MC_GUARDED_BY(write_mutex_);
  Statement erase_short_ MC_GUARDED_BY(write_mutex_);
  Statement put_ MC_GUARDED_BY(write_mutex_);
  Statement put_long_ MC_GUARDED_BY(write_mutex_);
  Statement put_short_ MC_GUARDED_BY(write_mutex_);
  Statement move_ MC_GUARDED_BY(write_mutex_);
  Mutex read_mutex_;
  std::unique_ptr<Connection> reader_ MC_GUARDED_BY(read_mutex_);
  Statement find_long_ MC_GUARDED_BY(read_mutex_);
  Statement find_short_ MC_GUARDED_BY(read_mutex_);
};

}  // namespace

Result<std::unique_ptr<SearchIndex>> OpenSqliteSearchIndex(
    const std::string& path, size_t cache_bytes,
    SqlitePageCounts* page_counts) {
  auto index = std::make_unique<SqliteSearchIndex>(cache_bytes, page_counts);
  Status status = index->Open(path);
  if (status.code() == StatusCode::kDataLoss) {
    // Damaged, or no database at all: the next one is as good.
    index = std::make_unique<SqliteSearchIndex>(cache_bytes, page_counts);
    for (const char* suffix : {"", "-wal", "-shm"}) {
      unlink((path + suffix).c_str());
    }
    status = index->Open(path);
  }
  if (!status.ok()) return status;
  return std::unique_ptr<SearchIndex>(std::move(index));
}

}  // namespace matrixcore
