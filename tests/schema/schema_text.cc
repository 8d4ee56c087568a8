#include "schema/schema_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

namespace matrixcore {
namespace {

constexpr std::pair<ColumnType, std::string_view> kTypes[] = {
    {ColumnType::kInt64, "int64"},
    {ColumnType::kText, "text"},
    {ColumnType::kBlob, "blob"}};

std::string_view NameOf(ColumnType type) {
  return std::find_if(std::begin(kTypes), std::end(kTypes),
                      [type](const auto& entry) { return entry.first == type; })
      ->second;
}

void AppendTable(const TableSpec& table, std::string& out) {
  fmt::format_to(std::back_inserter(out), "table {} key {}{}\n", table.name,
                 table.key_columns, table.large_rows ? " large_rows" : "");
  for (const ColumnSpec& column : table.columns) {
    fmt::format_to(std::back_inserter(out), "  column {} {}{}\n", column.name,
                   NameOf(column.type), column.nullable ? " nullable" : "");
  }
  for (const IndexSpec& index : table.indexes) {
    fmt::format_to(std::back_inserter(out), "  index {}{}:", index.name,
                   index.unique ? " unique" : "");
    for (const uint32_t column : index.columns) {
      fmt::format_to(std::back_inserter(out), " {}",
                     table.columns[column].name);
    }
    out += '\n';
  }
}

// Reads one line after the other into a schema.
class Parser {
 public:
  bool Line(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
    if (words.size() < 2) return false;
    if (words[0] == "version") return Version(words[1]);
    if (words[0] == "table") return Table(words);
    if (parsed_.schema.tables.empty()) return false;
    if (words[0] == "column") return Column(words);
    return words[0] == "index" && Index(words);
  }
  ParsedSchema Take() { return std::move(parsed_); }

 private:
  std::string_view Keep(std::string name) {
    return parsed_.names.emplace_back(std::move(name));
  }
  bool Version(const std::string& number) {
    parsed_.schema.version = static_cast<uint32_t>(std::stoul(number));
    return parsed_.schema.tables.empty();
  }
  bool Table(const std::vector<std::string>& words) {
    if (words.size() < 4 || words[2] != "key") return false;
    TableSpec& table = parsed_.schema.tables.emplace_back();
    table.name = Keep(words[1]);
    table.key_columns = static_cast<uint32_t>(std::stoul(words[3]));
    table.large_rows = words.size() > 4;
    return words.size() == 4 || words[4] == "large_rows";
  }
  bool Column(const std::vector<std::string>& words) {
    const auto type = std::find_if(
        std::begin(kTypes), std::end(kTypes), [&words](const auto& entry) {
          return words.size() > 2 && entry.second == words[2];
        });
    if (type == std::end(kTypes)) return false;
    parsed_.schema.tables.back().columns.push_back(
        {Keep(words[1]), type->first, words.size() > 3});
    return words.size() == 3 || words[3] == "nullable";
  }
  bool Index(std::vector<std::string> words) {
    TableSpec& table = parsed_.schema.tables.back();
    IndexSpec index;
    index.unique = words.size() > 2 && words[2] == "unique:";
    const size_t named = index.unique ? 3 : 2;
    if (!index.unique && words[1].ends_with(':')) words[1].pop_back();
    index.name = Keep(words[1]);
    for (size_t i = named; i < words.size(); ++i) {
      const auto column = std::find_if(
          table.columns.begin(), table.columns.end(),
          [&](const ColumnSpec& one) { return one.name == words[i]; });
      if (column == table.columns.end()) return false;
      index.columns.push_back(
          static_cast<uint32_t>(column - table.columns.begin()));
    }
    table.indexes.push_back(std::move(index));
    return true;
  }

  ParsedSchema parsed_;
};

}  // namespace

std::string SchemaText(const Schema& schema) {
  std::vector<const TableSpec*> tables;
  for (const TableSpec& table : schema.tables) tables.push_back(&table);
  std::sort(tables.begin(), tables.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  std::string out = fmt::format("version {}\n", schema.version);
  for (const TableSpec* table : tables) AppendTable(*table, out);
  return out;
}

Result<ParsedSchema> ParseSchemaText(std::string_view text) {
  Parser parser;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!parser.Line(line)) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("line {}: {}", number, line));
    }
  }
  return parser.Take();
}

}  // namespace matrixcore
