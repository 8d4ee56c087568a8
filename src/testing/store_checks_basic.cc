// Rows: what is written is what is read.
#include <algorithm>
#include <string>

#include "matrixcore/store/catalog.h"
#include "testing/store_checks.h"

namespace matrixcore::conformance {
namespace {

void StartsEmpty(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.ExpectPosition(0, "a new store");
  for (const TableSpec& table : ConformanceSchema().tables) {
    session.ExpectRows({.table = &table}, {}, "a new store");
  }
  session.ExpectRow(kNumbers, {int64_t{1}}, std::nullopt, "a new store");
  const Status status = session.store().Check();
  findings.Expect(status.ok(), "Check() of a new store: " + status.ToString());
}

void KeepsEveryTypeOfCell(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const std::vector<Row> rows = {
      {"a", INT64_MIN, {}, {}, INT64_MAX},
      {"a", int64_t{-1}, "", Blob{""}, int64_t{0}},
      {"a", int64_t{0}, "text", Blob{"blob"}, int64_t{-1}},
      {"a", INT64_MAX, "1", Blob{"1"}, INT64_MIN},
  };
  for (const Row& row : rows) {
    WriteBatch batch;
    batch.PutRow(kPairs, {std::get<std::string>(row[0]),
                          CellInt(row[1]),
                          {},
                          {},
                          CellInt(row[4])});
    if (!IsNull(row[2])) {
      batch = WriteBatch();
      batch.PutRow(kPairs, {std::get<std::string>(row[0]), CellInt(row[1]),
                            std::get<std::string>(row[2]),
                            std::get<Blob>(row[3]), CellInt(row[4])});
    }
    session.Commit(std::move(batch), "cells");
    session.ExpectRow(kPairs, {row[0], row[1]}, row, "cells");
  }
  session.ExpectRows({.table = &kPairs}, rows, "cells");
}

// Text that careless code cuts, rewrites or refuses.
std::vector<std::string> HostileTexts() {
  return {"",
          std::string("\0", 1),
          std::string("\0\0", 2),
          std::string("a\0b", 3),
          std::string("a\0c", 3),
          "a",
          "'",
          "'; DROP TABLE pairs; --",
          "\"",
          "\\",
          "%",
          "_",
          "$1",
          "?1",
          ":name",
          "\r\n\t\x01\x7f",
          " leading and trailing ",
          "123",
          "-0",
          "1e3",
          "0x10",
          "NULL",
          "\xc3\xa9",      // e acute, composed,
          "e\xcc\x81",     // and decomposed.
          "\xef\xbf\xbd",  // The replacement character.
          "\xef\xbb\xbf"
          "bom",
          "\xef\xbf\xbf",      // A noncharacter.
          "\xf0\x9f\x92\xa9",  // Outside the basic plane.
          "\xf4\x8f\xbf\xbf",  // The last code point.
          "\xe2\x80\xae"
          "desrever",
          "A",
          "\xc3\x89",
          std::string(100'000, 'x'),
          std::string(100'000, 'x') + "y"};
}

void KeepsHostileText(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  std::vector<std::string> texts = HostileTexts();
  for (const std::string& text : texts) {
    WriteBatch batch;
    batch.PutRow(kPairs, {text, int64_t{1}, text, Blob{text}, {}});
    session.Commit(std::move(batch), "hostile text");
  }
  std::sort(texts.begin(), texts.end());
  std::vector<Row> rows;
  for (const std::string& text : texts) {
    const Row row{text, int64_t{1}, text, Blob{text}, {}};
    session.ExpectRow(kPairs, {text, int64_t{1}}, row, "hostile text as key");
    session.ExpectRows({.table = &kPairs, .prefix = {text}}, {row},
                       "hostile text as prefix");
    session.ExpectRows(
        {.table = &kPairs, .index = Pairs::kByValue, .prefix = {text}}, {row},
        "hostile text as prefix of an index");
    session.ExpectRows(
        {.table = &kPairs, .index = Pairs::kByData, .prefix = {Blob{text}}},
        {row}, "hostile bytes as prefix of an index");
    rows.push_back(row);
  }
  session.ExpectRows({.table = &kPairs}, rows, "text sorts as bytes");
  session.ExpectRows({.table = &kPairs, .index = Pairs::kByValue}, rows,
                     "text sorts as bytes");
  WriteBatch remove;
  for (const std::string& text : texts) remove.DeleteRows(kPairs, {text});
  session.Commit(std::move(remove), "hostile text");
  session.ExpectRows({.table = &kPairs}, {}, "hostile text deleted");
}

void KeepsAnyBytesInBlobs(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  WriteBatch batch;
  batch.PutRow(kLinks, {Blob{bytes}, "all"});
  for (int i = 0; i < 256; ++i) {
    batch.PutRow(kLinks,
                 {Blob{bytes.substr(static_cast<size_t>(i), 1)}, "one"});
  }
  session.Commit(std::move(batch), "bytes");
  session.ExpectRow(kLinks, {Blob{bytes}, "all"}, Row{Blob{bytes}, "all"},
                    "all bytes");
  std::vector<Row> rows;
  for (int i = 0; i < 256; ++i) {
    rows.push_back({Blob{bytes.substr(static_cast<size_t>(i), 1)}, "one"});
  }
  session.ExpectRows(
      {.table = &kLinks, .index = Links::kByTarget, .prefix = {"one"}}, rows,
      "bytes sort unsigned");
}

void KeepsLargeValues(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  std::string large(5'000'000, 'v');
  for (size_t i = 0; i < large.size(); i += 997) large[i] = '\0';
  WriteBatch batch;
  batch.PutRow(kPairs, {"large", int64_t{1}, large, {}, {}});
  batch.PutRow(kDocuments, {int64_t{1}, "large", large, {}, {}});
  batch.PutRow(kDocuments, {int64_t{1}, "small", "s", {}, Blob{"t"}});
  session.Commit(std::move(batch), "large values");
  session.ExpectRow(kPairs, {"large", int64_t{1}},
                    Row{"large", int64_t{1}, large, {}, {}}, "large values");
  session.ExpectRows({.table = &kDocuments, .prefix = {int64_t{1}}},
                     {{int64_t{1}, "large", large, {}, {}},
                      {int64_t{1}, "small", "s", {}, Blob{"t"}}},
                     "large values");
}

void RefusesTooLargeValues(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  WriteBatch batch;
  batch.PutRow(kNumbers, {int64_t{1}, int64_t{1}, {}, {}});
  batch.PutRow(kDocuments,
               {int64_t{1}, "n", std::string(kMaxCellBytes + 1, 'x'), {}, {}});
  session.Refuse(std::move(batch), StatusCode::kTooLarge, "a value too large");
  session.ExpectRows({.table = &kNumbers}, {}, "with a value too large");
}

// A room that is joined, or purged, is one batch of very many rows.
void KeepsLargeBatches(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kRows = 5'000;
  WriteBatch batch;
  for (int64_t i = 0; i < kRows; ++i) {
    batch.PutRow(kDocuments, {int64_t{1},
                              fmt::format("{:05}", i),
                              std::string(200, 'x'),
                              batch.NewPosition(),
                              {}});
    batch.PutRow(kPairs, {"o", i, "v", {}, i});
  }
  const CommitInfo info = session.Commit(std::move(batch), "many rows");
  ExpectEqual(info.last - info.first + 1, kRows, "positions of many rows",
              findings);
  const auto rows =
      session.Scan({.table = &kDocuments, .index = Documents::kByMark});
  if (findings.Expect(rows.size() == kRows, "rows of a large batch are lost")) {
    ExpectEqual(CellInt(rows.back()[Documents::kMark]), info.last,
                "the last position of many", findings);
  }
  WriteBatch remove;
  remove.DeleteRows(kDocuments, {int64_t{1}});
  remove.DeleteRows(kPairs, {});
  session.Commit(std::move(remove), "many rows");
  session.ExpectRows({.table = &kDocuments}, {}, "many rows deleted");
  session.ExpectRows({.table = &kPairs, .index = Pairs::kByValue}, {},
                     "many rows deleted");
}

void PutReplacesTheWholeRow(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  WriteBatch first;
  first.PutRow(kNumbers, {int64_t{1}, int64_t{5}, "old", int64_t{7}});
  first.PutRow(kDocuments, {int64_t{1}, "a", "old", int64_t{3}, Blob{"t"}});
  first.PutRow(kPairs, {"o", int64_t{1}, "old", Blob{"d"}, int64_t{1}});
  first.PutRow(kLinks, {Blob{"s"}, "t"});
  session.Commit(std::move(first), "replace");
  WriteBatch second;
  second.PutRow(kNumbers, {int64_t{1}, int64_t{6}, {}, int64_t{8}});
  second.PutRow(kDocuments, {int64_t{1}, "a", "new", {}, Blob{"t"}});
  second.PutRow(kPairs, {"o", int64_t{1}, "new", {}, int64_t{2}});
  second.PutRow(kLinks, {Blob{"s"}, "t"});
  session.Commit(std::move(second), "replace");
  const Row number{int64_t{1}, int64_t{6}, {}, int64_t{8}};
  session.ExpectRows({.table = &kNumbers}, {number}, "replace");
  session.ExpectRows(
      {.table = &kNumbers, .index = Numbers::kByLabel, .prefix = {"old"}}, {},
      "the old row has left its index");
  session.ExpectRows(
      {.table = &kNumbers, .index = Numbers::kByWeight, .prefix = {int64_t{7}}},
      {}, "the old row has left its index");
  session.ExpectRows({.table = &kNumbers, .index = Numbers::kByWeight},
                     {number}, "replace");
  const Row document{int64_t{1}, "a", "new", {}, Blob{"t"}};
  session.ExpectRows({.table = &kDocuments, .index = Documents::kByMark},
                     {document}, "replace");
  session.ExpectRows({.table = &kDocuments, .index = Documents::kByTag},
                     {document}, "replace");
  session.ExpectRows({.table = &kPairs, .index = Pairs::kByData},
                     {{"o", int64_t{1}, "new", {}, int64_t{2}}}, "replace");
  session.ExpectRows({.table = &kLinks}, {{Blob{"s"}, "t"}}, "replace");
}

void GetManyAnswersInOrder(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  WriteBatch batch;
  for (int64_t i = 0; i < 5; ++i) {
    batch.PutRow(kNumbers, {i, i * 10, {}, {}});
  }
  session.Commit(std::move(batch), "get many");
  const auto snapshot = session.TakeSnapshot();
  if (snapshot == nullptr) return;
  const std::vector<Row> keys = {
      {int64_t{3}}, {int64_t{99}}, {int64_t{0}}, {int64_t{3}}};
  const auto rows = snapshot->GetMany(kNumbers, keys);
  if (!findings.Expect(rows.ok() && rows->size() == 4,
                       "GetMany of 4 keys has not 4 answers")) {
    return;
  }
  const Row three{int64_t{3}, int64_t{30}, {}, {}};
  const Row zero{int64_t{0}, int64_t{0}, {}, {}};
  ExpectEqual((*rows)[0], std::optional<Row>(three), "GetMany", findings);
  ExpectEqual((*rows)[1], std::optional<Row>(), "GetMany", findings);
  ExpectEqual((*rows)[2], std::optional<Row>(zero), "GetMany", findings);
  ExpectEqual((*rows)[3], std::optional<Row>(three), "GetMany", findings);
  const auto none = snapshot->GetMany(kNumbers, {});
  findings.Expect(none.ok() && none->empty(), "GetMany of nothing");
}

void DeletesRowsAndPrefixes(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto fill = [&session] {
    WriteBatch batch;
    for (const char* owner : {"a", "b", "bb"}) {
      for (int64_t id = 1; id <= 3; ++id) {
        batch.PutRow(kPairs, {owner, id, "v", {}, id});
      }
    }
    session.Commit(std::move(batch), "delete");
  };
  const auto count = [&session] {
    return session.Scan({.table = &kPairs}).size();
  };
  const auto count_by_index = [&session] {
    return session
        .Scan({.table = &kPairs, .index = Pairs::kByValue, .prefix = {"v"}})
        .size();
  };
  const auto after = [&](WriteBatch batch, size_t left, std::string_view what) {
    fill();
    session.Commit(std::move(batch), what);
    ExpectEqual(count(), left, what, findings);
    ExpectEqual(count_by_index(), left, what, findings);
  };
  WriteBatch one;
  one.DeleteRow(kPairs, {"b", int64_t{2}});
  one.DeleteRow(kPairs, {"b", int64_t{9}});
  after(std::move(one), 8, "deleting one row and one that is not there");
  WriteBatch owner;
  owner.DeleteRows(kPairs, {"b"});
  after(std::move(owner), 6, "deleting by a prefix");
  WriteBatch whole;
  whole.DeleteRows(kPairs, {"b", int64_t{2}});
  after(std::move(whole), 8, "deleting by the whole key as prefix");
  WriteBatch nothing;
  nothing.DeleteRows(kPairs, {"c"});
  after(std::move(nothing), 9, "deleting by a prefix of no row");
  WriteBatch all;
  all.DeleteRows(kPairs, {});
  after(std::move(all), 0, "deleting by the empty prefix");
  WriteBatch numbers;
  numbers.PutRow(kNumbers, {int64_t{4}, int64_t{4}, {}, int64_t{4}});
  numbers.DeleteRows(kNumbers, {int64_t{4}});
  numbers.PutRow(kDocuments, {int64_t{4}, "a", "b", {}, Blob{"t"}});
  numbers.PutRow(kDocuments, {int64_t{5}, "a", "b", {}, {}});
  numbers.DeleteRows(kDocuments, {int64_t{4}});
  session.Commit(std::move(numbers), "delete");
  session.ExpectRows({.table = &kNumbers}, {}, "deleting what was just put");
  session.ExpectRows({.table = &kDocuments, .index = Documents::kByTag},
                     {{int64_t{5}, "a", "b", {}, {}}},
                     "deleting what was just put");
}

void AddsToColumns(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto add = [](const TableSpec& table, BatchRow key, uint32_t column,
                      int64_t amount) {
    WriteBatch batch;
    batch.AddTo(table, std::move(key), column, amount);
    return batch;
  };
  WriteBatch fill;
  fill.PutRow(kNumbers, {int64_t{1}, int64_t{5}, "l", {}});
  fill.PutRow(kNumbers, {int64_t{2}, INT64_MAX - 1, "l", int64_t{8}});
  fill.PutRow(kDocuments, {int64_t{1}, "a", "b", int64_t{1}, {}});
  session.Commit(std::move(fill), "add");
  session.Commit(add(kNumbers, {int64_t{1}}, Numbers::kAmount, -7), "add");
  session.Commit(add(kNumbers, {int64_t{1}}, Numbers::kWeight, 3), "add");
  session.ExpectRow(kNumbers, {int64_t{1}},
                    Row{int64_t{1}, int64_t{-2}, "l", int64_t{3}},
                    "adding, also to a null");
  session.Commit(add(kNumbers, {int64_t{9}}, Numbers::kAmount, 1), "add");
  session.ExpectRow(kNumbers, {int64_t{9}}, std::nullopt,
                    "adding to a row that is not there");
  session.Commit(add(kNumbers, {int64_t{2}}, Numbers::kAmount, 1), "add");
  session.Refuse(add(kNumbers, {int64_t{2}}, Numbers::kAmount, 1),
                 StatusCode::kFailedPrecondition, "an addition that overflows");
  session.ExpectRow(kNumbers, {int64_t{2}},
                    Row{int64_t{2}, INT64_MAX, "l", int64_t{8}},
                    "an addition that overflows");
  session.Refuse(add(kNumbers, {int64_t{1}}, Numbers::kWeight, 5),
                 StatusCode::kAborted,
                 "an addition that makes a unique index "
                 "hold a number twice");
  session.Commit(add(kDocuments, {int64_t{1}, "a"}, Documents::kMark, 41),
                 "add");
  session.ExpectRows({.table = &kDocuments,
                      .index = Documents::kByMark,
                      .prefix = {int64_t{42}}},
                     {{int64_t{1}, "a", "b", int64_t{42}, {}}},
                     "an index follows an addition");
}

constexpr StoreCheck kChecks[] = {
    {"StartsEmpty", StartsEmpty},
    {"KeepsEveryTypeOfCell", KeepsEveryTypeOfCell},
    {"KeepsHostileText", KeepsHostileText},
    {"KeepsAnyBytesInBlobs", KeepsAnyBytesInBlobs},
    {"KeepsLargeValues", KeepsLargeValues},
    {"RefusesTooLargeValues", RefusesTooLargeValues},
    {"KeepsLargeBatches", KeepsLargeBatches},
    {"PutReplacesTheWholeRow", PutReplacesTheWholeRow},
    {"GetManyAnswersInOrder", GetManyAnswersInOrder},
    {"DeletesRowsAndPrefixes", DeletesRowsAndPrefixes},
    {"AddsToColumns", AddsToColumns},
};

}  // namespace

std::span<const StoreCheck> BasicChecks() { return kChecks; }

}  // namespace matrixcore::conformance
