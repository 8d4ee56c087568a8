// What the files of the store suite share.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/store/store.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore::conformance {

// The suite's tables, by what they are for.
//
// numbers: the key is one number.
struct Numbers {
  enum : uint32_t { kId, kAmount, kLabel, kWeight };
  enum : uint32_t { kByLabel, kByWeight };  // kByWeight is unique.
};
extern const TableSpec kNumbers;
// pairs: the key is a text and a number.
struct Pairs {
  enum : uint32_t { kOwner, kId, kValue, kData, kCount };
  enum : uint32_t { kByValue, kByCount, kByData };  // kByData is unique.
};
extern const TableSpec kPairs;
// documents: large rows.
struct Documents {
  enum : uint32_t { kRoom, kName, kBody, kMark, kTag };
  enum : uint32_t { kByMark, kByTag };  // kByTag is unique.
};
extern const TableSpec kDocuments;
// links: all columns are the key.
struct Links {
  enum : uint32_t { kSource, kTarget };
  enum : uint32_t { kByTarget };
};
extern const TableSpec kLinks;

std::string Describe(const Cell& cell);
std::string Describe(const Row& row);
std::string Describe(const std::optional<Row>& row);
std::string Describe(const std::vector<Row>& rows);
std::string Describe(const ScanSpec& spec);

// One store opened for a check, with calls that note what goes wrong.  When the
// store cannot be opened the check has nothing more to say: ok() is false.
class Session {
 public:
  Session(StoreFixture& fixture, Findings& findings,
          const Schema& schema = ConformanceSchema());

  bool ok() const { return store_ != nullptr; }
  Store& store() { return *store_; }
  Findings& findings() { return findings_; }

  // Destroys the store and opens it again.
  void Reopen(const Schema& schema = ConformanceSchema());

  // Must succeed.
  CommitInfo Commit(WriteBatch batch, std::string_view what);
  // Must fail so.
  void Refuse(WriteBatch batch, StatusCode code, std::string_view what);

  // Must succeed; null otherwise.
  std::unique_ptr<Snapshot> TakeSnapshot();

  // On a new snapshot.
  std::optional<Row> Get(const TableSpec& table, const Row& key);
  std::vector<Row> Scan(const ScanSpec& spec);
  void ExpectRow(const TableSpec& table, const Row& key,
                 const std::optional<Row>& row, std::string_view what);
  void ExpectRows(const ScanSpec& spec, const std::vector<Row>& rows,
                  std::string_view what);
  void ExpectPosition(Position position, std::string_view what);

 private:
  StoreFixture& fixture_;
  Findings& findings_;
  std::unique_ptr<Store> store_;
};

// On a given snapshot.
std::optional<Row> GetOn(Snapshot& snapshot, const TableSpec& table,
                         const Row& key, Findings& findings);
std::vector<Row> ScanOn(Snapshot& snapshot, const ScanSpec& spec,
                        Findings& findings);

template <typename T>
void ExpectEqual(const T& actual, const T& expected, std::string_view what,
                 Findings& findings) {
  if (actual == expected) return;
  if constexpr (std::is_arithmetic_v<T>) {
    findings.Add(fmt::format("{}: {} instead of {}", what, actual, expected));
  } else {
    findings.Add(fmt::format("{}: {} instead of {}", what, Describe(actual),
                             Describe(expected)));
  }
}

// Runs `run(i)` for each i below `count` on a thread of its own, and waits.
void RunThreads(size_t count, const std::function<void(size_t)>& run);

// A row, as a batch takes it.
BatchRow AsBatchRow(const Row& row);

// The checks of each file.
std::span<const StoreCheck> BasicChecks();
std::span<const StoreCheck> BatchChecks();
std::span<const StoreCheck> ScanChecks();
std::span<const StoreCheck> ConcurrencyChecks();
std::span<const StoreCheck> LinearizabilityChecks();
std::span<const StoreCheck> DurabilityChecks();
std::span<const StoreCheck> MigrationChecks();

}  // namespace matrixcore::conformance
