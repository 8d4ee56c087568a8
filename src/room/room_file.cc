#include "matrixcore/room/room_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/hasher.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"

namespace matrixcore {
namespace {

constexpr int64_t kFormat = 1;
constexpr size_t kReadBytes = size_t{64} << 10;
constexpr size_t kMaxIds = 1'000'000;  // In one record.

struct ScopeName {
  RoomFileScope scope;
  std::string_view name;
};
constexpr std::array<ScopeName, 3> kScopes = {
    {{RoomFileScope::kAll, "all"},
     {RoomFileScope::kSince, "since"},
     {RoomFileScope::kState, "state"}}};

struct FlagName {
  int64_t flag = 0;
  std::string_view name;
};
constexpr std::array<FlagName, 3> kFlags = {{{kEventRejected, "rejected"},
                                             {kEventSoftFailed, "soft_failed"},
                                             {kEventOutlier, "outlier"}}};

void WriteIds(json::Writer& w, std::string_view name,
              const std::vector<std::string>& ids) {
  w.Key(name).BeginArray();
  for (const std::string& id : ids) w.String(id);
  w.EndArray();
}

// --- The line of each record ---

void Line(json::Writer& w, const RoomFileHeader& header) {
  w.BeginObject();
  w.Field("matrixcore_room", kFormat);
  w.Field("room_id", header.room_id);
  w.Field("room_version", header.rules->id);
  w.Field("server", header.server);
  w.Field("written_ts", header.written.ms);
  for (const ScopeName& known : kScopes) {
    if (known.scope == header.scope) w.Field("scope", known.name);
  }
  w.EndObject();
}

void Line(json::Writer& w, const RoomFileKey& key) {
  w.BeginObject().Key("key").BeginObject();
  w.Field("server", key.server);
  w.Field("key_id", key.key_id);
  w.Field("public_key", Base64Encode(key.key));
  w.EndObject().EndObject();
}

void Line(json::Writer& w, const RoomFileStateBefore& state) {
  w.BeginObject();
  w.Field("state_before", state.event_id);
  WriteIds(w, "state", state.state);
  w.EndObject();
}

// The event's own bytes; what is said about it goes where no hash looks.
void Line(json::Writer& w, const RoomFileEvent& event) {
  const std::string& json = event.event->json();
  w.BeginObject();
  w.RawMembers(std::string_view(json).substr(1, json.size() - 2));
  w.Key("unsigned").BeginObject();
  w.Field("event_id", event.event->event_id());
  for (const FlagName& known : kFlags) {
    if ((event.flags & known.flag) != 0) w.Field(known.name, true);
  }
  w.EndObject().EndObject();
}

void Line(json::Writer& w, const RoomFileAlias& alias) {
  w.BeginObject();
  w.Field("alias", alias.alias);
  w.Field("creator", alias.creator);
  w.EndObject();
}

void Line(json::Writer& w, const RoomFileHead& head) {
  w.BeginObject();
  WriteIds(w, "forward_extremities", head.extremities);
  w.Field("listed", head.listed);
  if (!head.state.empty()) WriteIds(w, "state", head.state);
  w.EndObject();
}

void Line(json::Writer& w, const RoomFileEnd& end) {
  w.BeginObject().Key("end").BeginObject();
  w.Field("events", static_cast<int64_t>(end.events));
  w.Field("sha256", end.sha256);
  w.EndObject().EndObject();
}

}  // namespace

// --- Writing ---

struct RoomFileWriter::Rep {
  Sink sink;
  Sha256Hasher hasher;
  uint64_t events = 0;
  std::string line;
};

RoomFileWriter::RoomFileWriter(Sink sink) : rep_(std::make_unique<Rep>()) {
  rep_->sink = std::move(sink);
}
RoomFileWriter::~RoomFileWriter() = default;

uint64_t RoomFileWriter::events() const { return rep_->events; }

Status RoomFileWriter::Write(const RoomFileRecord& record) {
  rep_->line.clear();
  json::Writer w(&rep_->line);
  std::visit([&w](const auto& of_kind) { Line(w, of_kind); }, record);
  rep_->line += '\n';
  rep_->hasher.Update(AsBytes(rep_->line));
  if (std::holds_alternative<RoomFileEvent>(record)) ++rep_->events;
  return rep_->sink(rep_->line);
}

Status RoomFileWriter::Finish() {
  const RoomFileEnd end{rep_->events, HexEncode(rep_->hasher.Finish())};
  rep_->line.clear();
  json::Writer w(&rep_->line);
  Line(w, end);
  rep_->line += '\n';
  return rep_->sink(rep_->line);
}

// --- Reading ---

struct RoomFileReader::Rep {
  explicit Rep(Source s) : source(std::move(s)) {}

  // The next line without its end; nothing at the end of the file.
  Result<std::optional<std::string_view>> NextLine();
  Status Wrong(std::string_view what,
               StatusCode code = StatusCode::kInvalidArgument) const {
    return {code, fmt::format("line {}: {}", number, what)};
  }
  Result<RoomFileRecord> Parse(std::string_view text);
  Result<RoomFileRecord> ParseHeader(json::Value root);
  Result<RoomFileRecord> ParseEvent(std::string_view text, json::Value root);
  Result<RoomFileRecord> ParseKey(json::Value key);
  Result<RoomFileRecord> ParseEnd(json::Value end);
  Result<std::string> Text(json::Value object, std::string_view name);
  Result<std::vector<std::string>> Ids(json::Value object,
                                       std::string_view name);

  Source source;
  std::string buffer;   // What was read ...
  size_t used = 0;      // ... of which so much is lines that were given.
  bool at_end = false;  // Of the source.
  uint64_t bytes = 0;
  uint64_t number = 0;  // Of the line.
  uint64_t events = 0;
  const RoomVersionRules* rules = nullptr;
  bool has_head = false;
  bool done = false;
  Sha256Hasher hasher;
};

RoomFileReader::RoomFileReader(Source source)
    : rep_(std::make_unique<Rep>(std::move(source))) {}
RoomFileReader::~RoomFileReader() = default;

uint64_t RoomFileReader::bytes() const { return rep_->bytes; }

Result<std::optional<std::string_view>> RoomFileReader::Rep::NextLine() {
  buffer.erase(0, used);
  used = 0;
  size_t searched = 0;
  for (;;) {
    const size_t end = buffer.find('\n', searched);
    if (end != std::string::npos) {
      ++number;
      used = end + 1;
      return std::optional(std::string_view(buffer).substr(0, end));
    }
    searched = buffer.size();
    if (searched > kMaxLineBytes) {
      ++number;
      return Wrong(fmt::format("longer than {} bytes", kMaxLineBytes),
                   StatusCode::kTooLarge);
    }
    if (at_end) break;
    buffer.resize(searched + kReadBytes);
    Result<size_t> read = source(buffer.data() + searched, kReadBytes);
    if (!read.ok()) return std::move(read).status();
    buffer.resize(searched + std::min(*read, kReadBytes));
    bytes += *read;
    at_end = *read == 0;
  }
  if (buffer.empty()) return std::optional<std::string_view>();
  ++number;
  return Wrong("the file ends within a line: it was not written whole",
               StatusCode::kDataLoss);
}

Result<std::string> RoomFileReader::Rep::Text(json::Value object,
                                              std::string_view name) {
  const auto text = object[name].AsString();
  if (!text) return Wrong(fmt::format("{} is missing or no string", name));
  return std::string(*text);
}

Result<std::vector<std::string>> RoomFileReader::Rep::Ids(
    json::Value object, std::string_view name) {
  const json::Value list = object[name];
  if (!list.IsArray() || list.size() > kMaxIds) {
    return Wrong(
        fmt::format("{} is no list of at most {} event ids", name, kMaxIds));
  }
  std::vector<std::string> ids;
  ids.reserve(list.size());
  for (const json::Value id : list) {
    const std::string_view text = id.StringOr("");
    if (text.size() < 2 || text.front() != '$' || text.size() > 255 ||
        text.find(' ') != std::string_view::npos) {
      return Wrong(fmt::format("{} holds something that is no event id", name));
    }
    ids.emplace_back(text);
  }
  return ids;
}

Result<RoomFileRecord> RoomFileReader::Rep::ParseHeader(json::Value root) {
  const json::Value format = root["matrixcore_room"];
  if (!format) {
    return Wrong(
        "this is no room file: its first line has no matrixcore_room; "
        "give a file that export-room wrote");
  }
  if (format.AsInt() != kFormat) {
    return Wrong(fmt::format("the file has format {}, and only {} is known; "
                             "use the newer program that wrote it",
                             format.raw(), kFormat),
                 StatusCode::kUnsupported);
  }
  RoomFileHeader header;
  MC_ASSIGN_OR_RETURN(header.room_id, Text(root, "room_id"));
  MC_ASSIGN_OR_RETURN(const std::string version, Text(root, "room_version"));
  MC_ASSIGN_OR_RETURN(header.server, Text(root, "server"));
  MC_ASSIGN_OR_RETURN(const std::string scope, Text(root, "scope"));
  header.written.ms = root["written_ts"].AsInt().value_or(0);
  rules = header.rules = FindRoomVersion(version);
  if (rules == nullptr) {
    return Wrong(fmt::format("unknown room version {}", version),
                 StatusCode::kUnsupported);
  }
  const auto known =
      std::find_if(kScopes.begin(), kScopes.end(),
                   [&](const ScopeName& s) { return s.name == scope; });
  if (known == kScopes.end()) {
    return Wrong(fmt::format("unknown scope {}", scope));
  }
  header.scope = known->scope;
  return RoomFileRecord(std::move(header));
}

Result<RoomFileRecord> RoomFileReader::Rep::ParseEvent(std::string_view text,
                                                       json::Value root) {
  Result<EventPtr> event = Event::Parse(text, *rules);
  if (!event.ok()) return Wrong(event.status().message());
  const json::Value about = root["unsigned"];
  const std::string_view id = about["event_id"].StringOr("");
  if (id != (*event)->event_id()) {
    return Wrong(
        fmt::format("the event's id is {}, not {}: it was changed after it "
                    "was written",
                    (*event)->event_id(), id),
        StatusCode::kDataLoss);
  }
  RoomFileEvent record;
  record.event = std::move(*event);
  for (const FlagName& known : kFlags) {
    if (about[known.name].AsBool().value_or(false)) record.flags |= known.flag;
  }
  ++events;
  return RoomFileRecord(std::move(record));
}

Result<RoomFileRecord> RoomFileReader::Rep::ParseKey(json::Value key) {
  RoomFileKey record;
  MC_ASSIGN_OR_RETURN(record.server, Text(key, "server"));
  MC_ASSIGN_OR_RETURN(record.key_id, Text(key, "key_id"));
  MC_ASSIGN_OR_RETURN(const std::string text, Text(key, "public_key"));
  const auto parsed = ParseEd25519PublicKey(text);
  if (!parsed) return Wrong("public_key is no ed25519 key in base64");
  record.key = *parsed;
  return RoomFileRecord(std::move(record));
}

Result<RoomFileRecord> RoomFileReader::Rep::ParseEnd(json::Value end) {
  RoomFileEnd record;
  const std::optional<int64_t> count = end["events"].AsInt();
  MC_ASSIGN_OR_RETURN(record.sha256, Text(end, "sha256"));
  if (!count || *count < 0 || static_cast<uint64_t>(*count) != events) {
    return Wrong(fmt::format("the file says that it has {} events, but has {}",
                             end["events"].raw(), events),
                 StatusCode::kDataLoss);
  }
  record.events = events;
  if (record.sha256 != HexEncode(hasher.Finish())) {
    return Wrong(
        "the SHA-256 of the lines before is not the one named here: "
        "the file was changed after it was written",
        StatusCode::kDataLoss);
  }
  return RoomFileRecord(std::move(record));
}

Result<RoomFileRecord> RoomFileReader::Rep::Parse(std::string_view text) {
  const Result<json::Document> document = json::Document::ParseView(text);
  if (!document.ok()) return Wrong(document.status().message());
  const json::Value root = document->root();
  if (!root.IsObject()) return Wrong("not a JSON object");
  if (rules == nullptr) return ParseHeader(root);
  if (root["end"]) {
    if (!has_head) return Wrong("forward_extremities are missing before it");
    return ParseEnd(root["end"]);
  }
  if (root["type"]) {
    if (has_head) return Wrong("an event stands after forward_extremities");
    return ParseEvent(text, root);
  }
  if (root["key"]) return ParseKey(root["key"]);
  if (root["state_before"]) {
    RoomFileStateBefore record;
    MC_ASSIGN_OR_RETURN(record.event_id, Text(root, "state_before"));
    MC_ASSIGN_OR_RETURN(record.state, Ids(root, "state"));
    return RoomFileRecord(std::move(record));
  }
  if (root["alias"]) {
    RoomFileAlias record;
    MC_ASSIGN_OR_RETURN(record.alias, Text(root, "alias"));
    MC_ASSIGN_OR_RETURN(record.creator, Text(root, "creator"));
    return RoomFileRecord(std::move(record));
  }
  if (root["forward_extremities"]) {
    if (std::exchange(has_head, true)) {
      return Wrong("forward_extremities come twice");
    }
    RoomFileHead record;
    MC_ASSIGN_OR_RETURN(record.extremities, Ids(root, "forward_extremities"));
    record.listed = root["listed"].AsBool().value_or(false);
    if (root["state"]) {
      MC_ASSIGN_OR_RETURN(record.state, Ids(root, "state"));
    }
    return RoomFileRecord(std::move(record));
  }
  return Wrong("neither an event nor a known record");
}

Result<std::optional<RoomFileRecord>> RoomFileReader::Next() {
  if (rep_->done) return std::optional<RoomFileRecord>();
  MC_ASSIGN_OR_RETURN(const std::optional<std::string_view> line,
                      rep_->NextLine());
  if (!line) {
    ++rep_->number;
    return rep_->Wrong(
        "the file has no end record: it was not written whole, or is empty; "
        "export the room again",
        StatusCode::kDataLoss);
  }
  MC_ASSIGN_OR_RETURN(RoomFileRecord record, rep_->Parse(*line));
  if (std::holds_alternative<RoomFileEnd>(record)) {
    rep_->done = true;
    MC_ASSIGN_OR_RETURN(const auto more, rep_->NextLine());
    if (more) return rep_->Wrong("a line stands after the end record");
  } else {
    rep_->hasher.Update(AsBytes(*line));
    rep_->hasher.Update(AsBytes("\n"));
  }
  return std::optional<RoomFileRecord>(std::move(record));
}

}  // namespace matrixcore
