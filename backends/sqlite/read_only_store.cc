#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/store/catalog.h"
#include "sqlite/connection.h"
#include "sqlite/log_check.h"
#include "sqlite/migrate.h"
#include "sqlite/options.h"
#include "sqlite/reader_pool.h"

namespace matrixcore {
namespace sqlite {
namespace {

Connection::Options UntouchedOptions(const SqliteOptions& options) {
  Connection::Options connection = ReaderOptions(options);
  connection.untouched = true;
  return connection;
}

class ReadOnlyStore : public Store {
 public:
  ReadOnlyStore(const std::string& path, const Schema& schema,
                const SqliteOptions& options)
      : path_(path),
        options_(UntouchedOptions(options)),
        catalog_(schema),
        readers_(path, catalog_, options_, options.readers) {}
  ~ReadOnlyStore() override { Close(); }

  Status Open() {
    MC_RETURN_IF_ERROR(CheckLogInUse(path_));
    MC_ASSIGN_OR_RETURN(const auto connection,
                        Connection::Open(path_, options_));
    return CheckTables(*connection, catalog_.schema());
  }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return readers_.NewSnapshot();
  }

  void CommitAsync(WriteBatch, Done done) override {
    done(Status(StatusCode::kUnavailable,
                fmt::format("{}: it was opened for reading only", path_)));
  }

  Position LastPosition() const override {
    const auto snapshot = readers_.NewSnapshot();
    return snapshot.ok() ? (*snapshot)->position() : 0;
  }

  Status Check() override { return NewSnapshot().status(); }

  void Close() override { readers_.Close(); }

 private:
  const std::string path_;
  const Connection::Options options_;
  const Catalog catalog_;
  mutable ReaderPool readers_;
};

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<Store>> OpenSqliteStoreReadOnly(
    const std::string& path, const Schema& schema,
    const SqliteOptions& options) {
  MC_RETURN_IF_ERROR(sqlite::CheckOptions(path, options));
  MC_RETURN_IF_ERROR(ValidateSchema(schema));
  auto store = std::make_unique<sqlite::ReadOnlyStore>(path, schema, options);
  MC_RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace matrixcore
