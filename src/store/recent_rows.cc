#include "store/recent_rows.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "matrixcore/store/catalog.h"
#include "store/row_bytes.h"
#include "store/row_name.h"

namespace matrixcore {
namespace {

// Rows of a group: as far back as those go who follow it.
constexpr size_t kMaxRows = 24;
// Of the budget of all caches.
constexpr uint32_t kShare = 2;

std::string NameOf(std::span<const Cell> prefix) {
  std::string name;
  AppendCells(&name, prefix);
  return name;
}

bool IsAbove(Position position, const ScanSpec::Bound& from) {
  const int64_t bound = CellInt(from.value);
  return from.inclusive ? position >= bound : position > bound;
}

bool IsBelow(Position position, const ScanSpec::Bound& to) {
  const int64_t bound = CellInt(to.value);
  return to.inclusive ? position <= bound : position < bound;
}

}  // namespace

RecentRows::RecentRows(const TableSpec& table, CacheBudget& budget)
    : table_(table),
      groups_(budget, "recent_" + std::string(table.name), kShare, BytesOf) {}

size_t RecentRows::BytesOf(const GroupPtr& group) {
  size_t bytes = SharedBlock<Group>() +
                 HeapBlock(group->rows.capacity() * sizeof(group->rows[0]));
  for (const auto& row : group->rows) {
    bytes += SharedBlock<Row>() + HeapBytesOf(*row);
  }
  return bytes;
}

bool RecentRows::IsAddition(const BatchRow& row) const {
  return row.size() > position_column() &&
         std::holds_alternative<PositionRef>(row[position_column()]);
}

void RecentRows::Add(const BatchRow& batch_row, Position first) {
  MutexLock lock(mutex_);
  if (others_ > 0) return;
  auto row = std::make_shared<const Row>(ResolveRow(batch_row, first));
  const std::string name = NameOf({row->data(), position_column()});
  auto group = std::make_shared<Group>();
  group->complete_after = first - 1;
  if (const auto known = groups_.Get(name)) *group = **known;
  const auto position = [this](const auto& kept) {
    return CellInt((*kept)[position_column()]);
  };
  const auto place = std::lower_bound(
      group->rows.begin(), group->rows.end(), position(row),
      [&](const auto& kept, Position pos) { return position(kept) < pos; });
  if (place != group->rows.end() && position(*place) == position(row)) {
    *place = std::move(row);  // Put twice by one batch.
  } else {
    group->rows.insert(place, std::move(row));
  }
  if (group->rows.size() > kMaxRows) {
    group->complete_after = position(group->rows[0]);
    group->rows.erase(group->rows.begin());
  }
  groups_.Put(name, std::move(group));
}

void RecentRows::BeginOther() {
  MutexLock lock(mutex_);
  ++others_;
  groups_.EraseIf([](const std::string&) { return true; });
}

void RecentRows::EndOther() {
  MutexLock lock(mutex_);
  --others_;
}

std::optional<std::vector<Row>> RecentRows::Find(const ScanSpec& scan,
                                                 Position position) {
  if (scan.index || !scan.descending ||
      scan.prefix.size() != position_column()) {
    return std::nullopt;
  }
  GroupPtr group;
  {
    MutexLock lock(mutex_);
    if (others_ > 0) return std::nullopt;
    const auto known = groups_.Get(NameOf(scan.prefix));
    if (!known) return std::nullopt;
    group = *known;
  }
  return FindIn(*group, scan, position);
}

std::optional<std::vector<Row>> RecentRows::FindIn(const Group& group,
                                                   const ScanSpec& scan,
                                                   Position position) const {
  std::vector<Row> found;
  for (auto row = group.rows.rbegin(); row != group.rows.rend(); ++row) {
    if (found.size() == scan.limit) return found;
    const Position pos = CellInt((**row)[position_column()]);
    if (pos > position || (scan.to && !IsBelow(pos, *scan.to))) continue;
    if (scan.from && !IsAbove(pos, *scan.from)) return found;
    found.push_back(Project(**row, scan));
  }
  // What is not here lies at `complete_after` or before.
  const bool all = found.size() == scan.limit ||
                   (scan.from && !IsAbove(group.complete_after, *scan.from));
  if (!all) return std::nullopt;
  return found;
}

}  // namespace matrixcore
