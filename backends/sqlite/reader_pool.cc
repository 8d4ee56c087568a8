#include "sqlite/reader_pool.h"

#include <optional>
#include <utility>

namespace matrixcore::sqlite {

// A connection with its statements.  A snapshot is a read transaction, and that
// lasts as long as any statement runs: the one that reads the log's position is
// left standing on its row, which spares a BEGIN and a COMMIT.
class ReaderPool::Reader {
 public:
  static Result<std::unique_ptr<Reader>> Open(
      const std::string& path, const Catalog& catalog,
      const Connection::Options& options) {
    MC_ASSIGN_OR_RETURN(auto connection, Connection::Open(path, options));
    MC_ASSIGN_OR_RETURN(Statement log,
                        connection->Prepare("SELECT position FROM mc_log"));
    return std::unique_ptr<Reader>(
        new Reader(std::move(connection), std::move(log), catalog));
  }

  // Begins a transaction: the log's position in it.
  Result<Position> Begin() {
    const int code = log_.Step();
    if (code == SQLITE_ROW) return log_.Int(0);
    log_.Reset();
    if (code != SQLITE_DONE) return connection_->Error(code);
    return connection_->Error(SQLITE_CORRUPT);
  }
  void End() {
    log_.Reset();
    connection_->CountPages();
  }

  TableReader& tables() { return tables_; }

 private:
  Reader(std::unique_ptr<Connection> connection, Statement log,
         const Catalog& catalog)
      : connection_(std::move(connection)),
        log_(std::move(log)),
        tables_(*connection_, catalog) {}

  const std::unique_ptr<Connection> connection_;
  Statement log_;
  TableReader tables_;
};

class ReaderPool::PooledSnapshot : public Snapshot {
 public:
  PooledSnapshot(ReaderPool& pool, const Catalog& catalog,
                 std::unique_ptr<Reader> reader, Position position)
      : pool_(pool),
        catalog_(catalog),
        reader_(std::move(reader)),
        position_(position) {}
  ~PooledSnapshot() override {
    reader_->End();
    pool_.Return(std::move(reader_));
  }

  Position position() const override { return position_; }

  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    MC_RETURN_IF_ERROR(catalog_.CheckKey(table, key));
    return reader_->tables().Get(*catalog_.Find(&table), key);
  }

  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    std::vector<std::optional<Row>> rows;
    rows.reserve(keys.size());
    for (const Row& key : keys) {
      MC_ASSIGN_OR_RETURN(rows.emplace_back(), Get(table, key));
    }
    return rows;
  }

  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    MC_RETURN_IF_ERROR(catalog_.CheckScan(spec));
    return reader_->tables().Scan(spec);
  }

 private:
  ReaderPool& pool_;
  const Catalog& catalog_;
  std::unique_ptr<Reader> reader_;
  const Position position_;
};

ReaderPool::ReaderPool(std::string path, const Catalog& catalog,
                       Connection::Options options, size_t most)
    : path_(std::move(path)),
      catalog_(catalog),
      options_(options),
      most_(most) {}

ReaderPool::~ReaderPool() = default;

Result<std::unique_ptr<Snapshot>> ReaderPool::NewSnapshot() {
  MC_ASSIGN_OR_RETURN(auto reader, Take());
  Result<Position> position = reader->Begin();
  if (!position.ok()) {
    Return(std::move(reader));
    return std::move(position).status();
  }
  return std::unique_ptr<Snapshot>(std::make_unique<PooledSnapshot>(
      *this, catalog_, std::move(reader), *position));
}

Result<std::unique_ptr<ReaderPool::Reader>> ReaderPool::Take() {
  {
    MutexLock lock(mutex_);
    while (!closed_ && in_use_ == most_) changed_.Wait(mutex_);
    if (closed_) {
      return Status(StatusCode::kUnavailable, "the store is closed");
    }
    ++in_use_;
    if (!free_.empty()) {
      auto reader = std::move(free_.back());
      free_.pop_back();
      return reader;
    }
  }
  auto opened = Reader::Open(path_, catalog_, options_);
  if (!opened.ok()) Return(nullptr);
  return opened;
}

void ReaderPool::Return(std::unique_ptr<Reader> reader) {
  MutexLock lock(mutex_);
  --in_use_;
  changed_.NotifyOne();
  if (reader != nullptr && !closed_) free_.push_back(std::move(reader));
  // A reader that is still here closes after the lock is released: parameters
  // outlive local variables.
}

void ReaderPool::Close() {
  std::vector<std::unique_ptr<Reader>> readers;
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyAll();
  readers.swap(free_);
}

}  // namespace matrixcore::sqlite
