#include "matrixcore/room/room_export.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/find_room.h"
#include "room/known_events.h"
#include "room/room_caches.h"
#include "room/room_cut.h"
#include "room/room_keys.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

constexpr size_t kEventBudget = size_t{8} << 20;

class Exporter {
 public:
  Exporter(Store& store, RoomHead head, const RoomExportOptions& options,
           RoomFileWriter::Sink sink)
      : store_(store),
        head_(std::move(head)),
        options_(options),
        events_(head_.nid, *head_.rules, kEventBudget),
        caches_({.event_bytes = 0, .state_bytes = kEventBudget}),
        writer_(std::move(sink)) {}

  Result<RoomExportResult> Run();

 private:
  Status LoadFacts();
  Status WriteOutliers(const std::vector<EventIdx>& idxs);
  Status WriteGraph(EventIdx first);
  Status WriteRows(std::vector<Row> rows);
  Status WriteEvent(const StoredEvent& stored, bool outlier);
  Status WriteKeys(const Event& event);
  Status WriteStateBefore(const StoredEvent& stored);
  Result<std::vector<std::string>> StateIds(StateSnap snap);
  Status WriteTail();
  Status NewSnapshot();
  Status Advance(uint64_t done);

  Store& store_;
  RoomHead head_;
  const RoomExportOptions& options_;
  KnownEvents events_;
  RoomCaches caches_;
  RoomFileWriter writer_;
  RoomExportResult result_;
  std::unique_ptr<Snapshot> snapshot_;
  std::unique_ptr<RoomReader> reader_;
  RoomKeys keys_;
  std::set<std::pair<std::string, std::string>> written_keys_;
  // Prev events below it do not count as part of the graph.
  EventIdx cut_ = 0;
};

Status Exporter::NewSnapshot() {
  reader_.reset();
  snapshot_.reset();
  MC_ASSIGN_OR_RETURN(snapshot_, store_.NewSnapshot());
  events_.Use(*snapshot_);
  reader_ = std::make_unique<RoomReader>(*snapshot_, caches_);
  return OkStatus();
}

Status Exporter::Advance(uint64_t done) {
  if (!options_.progress || options_.progress(done, head_.last_idx)) {
    return OkStatus();
  }
  return {StatusCode::kAborted, "the export was ended before it was done"};
}

Status Exporter::LoadFacts() {
  MC_RETURN_IF_ERROR(NewSnapshot());
  MC_ASSIGN_OR_RETURN(keys_, RoomKeys::Load(*snapshot_, head_.nid));
  MC_ASSIGN_OR_RETURN(const std::optional<Row> cut,
                      snapshot_->Get(tables::kRoomCuts, {Cell(head_.nid)}));
  if (cut) {
    cut_ = static_cast<EventIdx>(CellInt((*cut)[tables::RoomCuts::kIdx]));
  }
  if (options_.since_event_id.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr since,
                      events_.Find(options_.since_event_id));
  if (since == nullptr || (since->flags & kEventOutlier) != 0) {
    return {StatusCode::kNotFound,
            fmt::format("room {} has no event {} in its graph", head_.room_id,
                        options_.since_event_id)};
  }
  cut_ = since->idx;
  return OkStatus();
}

Status Exporter::WriteKeys(const Event& event) {
  MC_ASSIGN_OR_RETURN(const json::Document document, event.Document());
  const json::Value signatures = document.root()["signatures"];
  std::set<std::string, std::less<>> proven;
  for (const auto& [server, by_key] : signatures.members()) {
    for (const auto& [key_id, signature] : by_key.members()) {
      std::pair name{std::string(server), std::string(key_id)};
      if (!written_keys_.contains(name)) {
        std::optional<Ed25519PublicKey> key;
        if (options_.keys) {
          key = options_.keys(server, key_id, event.origin_server_ts());
        }
        if (!key) key = keys_.Find(server, key_id);
        if (!key) continue;
        MC_RETURN_IF_ERROR(
            writer_.Write(RoomFileKey{name.first, name.second, *key}));
        written_keys_.insert(name);
      }
      proven.insert(name.first);
    }
  }
  for (const std::string& server : RequiredSigners(event)) {
    if (proven.contains(server)) continue;
    ++result_.without_key;
    break;
  }
  return OkStatus();
}

Status Exporter::WriteEvent(const StoredEvent& stored, bool outlier) {
  MC_RETURN_IF_ERROR(WriteKeys(*stored.event));
  RoomFileEvent record{.event = stored.event, .flags = stored.flags};
  if (outlier) record.flags |= kEventOutlier;
  return writer_.Write(record);
}

Result<std::vector<std::string>> Exporter::StateIds(StateSnap snap) {
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader_->State(head_, snap));
  std::vector<std::string> ids;
  for (const EventIdx idx : state->events()) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr event, events_.At(idx));
    if (event == nullptr) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("event number {} is missing", idx));
    }
    ids.push_back(event->event->event_id());
  }
  return ids;
}

// What a reader cannot work out, as prev events are not in the graph.
Status Exporter::WriteStateBefore(const StoredEvent& stored) {
  if (cut_ == 0) return OkStatus();
  for (const std::string& id : stored.event->prev_events()) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr prev, events_.Find(id));
    if (prev != nullptr && prev->idx >= cut_) continue;
    RoomFileStateBefore record{.event_id = stored.event->event_id()};
    MC_ASSIGN_OR_RETURN(record.state, StateIds(stored.before));
    return writer_.Write(record);
  }
  return OkStatus();
}

Status Exporter::WriteOutliers(const std::vector<EventIdx>& idxs) {
  for (size_t i = 0; i < idxs.size(); ++i) {
    if (i % options_.chunk == 0) {
      MC_RETURN_IF_ERROR(NewSnapshot());
      MC_RETURN_IF_ERROR(Advance(i));
    }
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr event,
                        events_.At(idxs[i]));
    if (event != nullptr) MC_RETURN_IF_ERROR(WriteEvent(*event, true));
  }
  return OkStatus();
}

Status Exporter::WriteRows(std::vector<Row> rows) {
  for (Row& row : rows) {
    MC_ASSIGN_OR_RETURN(StoredEvent stored,
                        EventFromRow(std::move(row), *head_.rules));
    const auto shared = std::make_shared<const StoredEvent>(std::move(stored));
    if ((shared->flags & kEventOutlier) == 0) {
      MC_RETURN_IF_ERROR(WriteStateBefore(*shared));
    }
    events_.Keep(shared);
    MC_RETURN_IF_ERROR(WriteEvent(*shared, false));
  }
  return OkStatus();
}

Status Exporter::WriteGraph(EventIdx first) {
  EventIdx last = first - 1;
  for (bool more = true; more;) {
    MC_RETURN_IF_ERROR(NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head,
                        reader_->Head(head_.nid));
    if (!head) {
      return {StatusCode::kNotFound,
              fmt::format("room {} was removed meanwhile", head_.room_id)};
    }
    head_ = *head;
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot_->Scan({.table = &tables::kEvents,
                         .prefix = {Cell(head_.nid)},
                         .from = ScanSpec::Bound{Cell(int64_t{last}), false},
                         .limit = options_.chunk}));
    more = rows.size() == options_.chunk;
    if (!rows.empty()) {
      last = static_cast<EventIdx>(CellInt(rows.back()[tables::Events::kIdx]));
    }
    MC_RETURN_IF_ERROR(WriteRows(std::move(rows)));
    MC_RETURN_IF_ERROR(Advance(last));
  }
  return OkStatus();
}

Status Exporter::WriteTail() {
  RoomFileHead head{.extremities = head_.extremities, .listed = head_.listed};
  if (options_.state_only) {
    MC_ASSIGN_OR_RETURN(head.state, StateIds(head_.state));
  }
  MC_RETURN_IF_ERROR(writer_.Write(head));
  MC_ASSIGN_OR_RETURN(const std::vector<Row> aliases,
                      snapshot_->Scan({.table = &tables::kAliases,
                                       .index = tables::Aliases::kByRoom,
                                       .prefix = {Cell(head_.nid)}}));
  for (const Row& row : aliases) {
    MC_RETURN_IF_ERROR(writer_.Write(
        RoomFileAlias{std::string(CellText(row[tables::Aliases::kAlias])),
                      std::string(CellText(row[tables::Aliases::kCreator]))}));
  }
  return writer_.Finish();
}

Result<RoomExportResult> Exporter::Run() {
  MC_RETURN_IF_ERROR(LoadFacts());
  const bool since = !options_.since_event_id.empty();
  RoomFileHeader header{.room_id = head_.room_id,
                        .rules = head_.rules,
                        .server = options_.server_name,
                        .written = options_.now};
  if (since) header.scope = RoomFileScope::kSince;
  if (options_.state_only) header.scope = RoomFileScope::kState;
  MC_RETURN_IF_ERROR(writer_.Write(header));
  if (options_.state_only) {
    MC_ASSIGN_OR_RETURN(const StateMapPtr state,
                        reader_->State(head_, head_.state));
    std::vector<EventIdx> idxs = state->events();
    MC_ASSIGN_OR_RETURN(idxs, AuthClosure(store_, head_, std::move(idxs)));
    MC_RETURN_IF_ERROR(WriteOutliers(idxs));
  } else {
    if (since) {
      MC_ASSIGN_OR_RETURN(
          const CutNeeds needs,
          FindCutNeeds(store_, head_, cut_, options_.chunk, nullptr));
      MC_RETURN_IF_ERROR(WriteOutliers(needs.events));
    }
    MC_RETURN_IF_ERROR(WriteGraph(since ? cut_ : 1));
  }
  MC_RETURN_IF_ERROR(WriteTail());
  result_.events = writer_.events();
  return result_;
}

}  // namespace

Result<RoomExportResult> ExportRoom(Store& store, std::string_view room_id,
                                    const RoomExportOptions& options,
                                    RoomFileWriter::Sink sink) {
  MC_ASSIGN_OR_RETURN(RoomHead head, FindRoom(store, room_id));
  if (options.state_only && !options.since_event_id.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "either the state or the graph since an event is exported, "
                  "not both");
  }
  return Exporter(store, std::move(head), options, std::move(sink)).Run();
}

}  // namespace matrixcore
