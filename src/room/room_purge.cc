#include "matrixcore/room/room_purge.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

// Rows that are looked at, and users whose rows go, in one step.
constexpr size_t kAtOnce = 500;

BatchRow KeyCells(const TableSpec& table, const Row& row) {
  BatchRow key;
  for (uint32_t i = 0; i < table.key_columns; ++i) {
    std::visit([&key](const auto& value) { key.emplace_back(value); }, row[i]);
  }
  return key;
}

// A room id as it stands in the path of a request.
std::string PercentEncoded(std::string_view room_id) {
  std::string encoded;
  for (const char c : room_id) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

class Purge {
 public:
  Purge(Store& store, const std::string& room_id,
        const RoomPurgeOptions& options)
      : store_(store), room_id_(room_id), options_(options) {}

  Result<RoomPurgeResult> Run();

 private:
  Status Hide(Snapshot& snapshot, const RoomHead& head);
  Status AddMembersAndAliases(Snapshot& snapshot, RoomNid nid,
                              WriteBatch& batch);
  Status Clear(RoomNid nid);
  Status ClearRowsOfUsers(RoomNid nid);
  Status ClearNamed(const RoomTableList::Named& named);
  void Deleted(uint64_t rows) {
    result_.rows += rows;
    if (options_.progress) options_.progress(rows);
  }

  Store& store_;
  const std::string& room_id_;
  const RoomPurgeOptions& options_;
  RoomPurgeResult result_;
};

Status Purge::AddMembersAndAliases(Snapshot& snapshot, RoomNid nid,
                                   WriteBatch& batch) {
  RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
  RoomReader reader(snapshot, caches);
  for (const Membership membership :
       {Membership::kNone, Membership::kInvite, Membership::kJoin,
        Membership::kKnock, Membership::kLeave, Membership::kBan}) {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> members,
                        reader.Members(nid, membership));
    for (const MembershipRow& member : members) {
      batch.DeleteRow(tables::kMemberships, {member.user_id, nid});
    }
    result_.rows += members.size();
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> aliases,
                      reader.AliasesOf(nid));
  for (const std::string& alias : aliases) {
    batch.DeleteRow(tables::kAliases, {alias});
  }
  result_.rows += aliases.size();
  return OkStatus();
}

// From then on no reader sees the room.
Status Purge::Hide(Snapshot& snapshot, const RoomHead& head) {
  WriteBatch batch;
  batch.Require(WriteBatch::ColumnEquals{&tables::kRooms,
                                         {Cell(head.nid)},
                                         tables::Rooms::kGeneration,
                                         Cell(head.generation)});
  batch.InsertRow(
      tables::kStagedRooms,
      {head.nid, room_id_, static_cast<int64_t>(tables::StagedPurpose::kPurge),
       options_.now.ms});
  batch.DeleteRow(tables::kRooms, {head.nid});
  batch.DeleteRow(tables::kRoomPreviews, {head.nid});
  if (head.listed) {
    batch.AddTo(tables::kRoomCounters, {std::string(tables::kListedRooms)},
                tables::RoomCounters::kValue, -1);
  }
  MC_RETURN_IF_ERROR(AddMembersAndAliases(snapshot, head.nid, batch));
  if (options_.block) {
    BlockRoom(batch, room_id_, options_.user_id, options_.now);
  }
  result_.joined = head.joined;
  return store_.Commit(std::move(batch)).status();
}

Status Purge::ClearRowsOfUsers(RoomNid nid) {
  const RoomTableList& tables = options_.tables;
  if (tables.users == nullptr) return OkStatus();
  ScanSpec scan{.table = tables.users, .limit = kAtOnce};
  for (;;) {
    std::vector<Row> users;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(users, snapshot->Scan(scan));
    }
    WriteBatch batch;
    for (const Row& row : users) {
      const std::string user(CellText(row[0]));
      for (const TableSpec* table : tables.by_user) {
        batch.DeleteRows(*table, {user, nid});
      }
      for (const TableSpec* table : tables.by_user_and_id) {
        batch.DeleteRows(*table, {user, room_id_});
      }
    }
    if (!batch.empty()) {
      MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
    }
    if (users.size() < scan.limit) return OkStatus();
    scan.from = ScanSpec::Bound{users.back()[0], false};
  }
}

// Goes through the whole table: such rows have no index by room.
Status Purge::ClearNamed(const RoomTableList::Named& named) {
  const std::array<std::string, 2> spellings = {room_id_,
                                                PercentEncoded(room_id_)};
  const TableSpec& table = *named.table;
  // A scan is bounded in one column, so groups with the same first key are read
  // whole: they are the rows of one user, or one row.
  ScanSpec scan{.table = &table, .limit = kAtOnce};
  for (bool more = true; more;) {
    WriteBatch batch;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(std::vector<Row> rows, snapshot->Scan(scan));
      more = rows.size() == scan.limit;
      if (more && table.key_columns > 1) {
        MC_ASSIGN_OR_RETURN(
            const std::vector<Row> last,
            snapshot->Scan({.table = &table, .prefix = {rows.back()[0]}}));
        rows.insert(rows.end(), last.begin(), last.end());
      }
      for (const Row& row : rows) {
        const std::string_view text = CellText(row[named.column]);
        if (text.find(spellings[0]) == std::string_view::npos &&
            text.find(spellings[1]) == std::string_view::npos) {
          continue;
        }
        batch.DeleteRow(table, KeyCells(table, row));
      }
      if (more) scan.from = ScanSpec::Bound{rows.back()[0], false};
    }
    if (batch.empty()) continue;
    Deleted(batch.operations().size());
    MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
  }
  return OkStatus();
}

// Everything but the entry that tells that there is something to clear.
Status Purge::Clear(RoomNid nid) {
  const RowsDeleted deleted = [this](uint64_t rows) { Deleted(rows); };
  for (const TableSpec* table : options_.tables.by_room) {
    MC_RETURN_IF_ERROR(DeleteRowsOfRoom(store_, *table, nid, deleted));
  }
  MC_RETURN_IF_ERROR(ClearRowsOfUsers(nid));
  for (const RoomTableList::Named& named : options_.tables.named) {
    MC_RETURN_IF_ERROR(ClearNamed(named));
  }
  MC_RETURN_IF_ERROR(
      ClearNamed({&tables::kTransactions, tables::Transactions::kScope}));
  if (options_.also) MC_RETURN_IF_ERROR(options_.also(nid));
  return DeleteStagedRoom(store_, nid, deleted);
}

Result<RoomPurgeResult> Purge::Run() {
  std::vector<StagedRoom> staged;
  bool found = false;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
    MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head,
                        RoomReader(*snapshot, caches).Head(room_id_));
    MC_ASSIGN_OR_RETURN(staged, FindStagedRooms(*snapshot, room_id_));
    result_.resumed = !staged.empty();
    if (head) {
      MC_RETURN_IF_ERROR(Hide(*snapshot, *head));
      staged.push_back({head->nid, room_id_, tables::StagedPurpose::kPurge});
    }
    found = !staged.empty();
  }
  if (!found) {
    return Status(StatusCode::kNotFound,
                  fmt::format("there is no room {} here", room_id_));
  }
  for (const StagedRoom& room : staged) MC_RETURN_IF_ERROR(Clear(room.nid));
  return result_;
}

}  // namespace

Result<RoomPurgeResult> PurgeRoom(Store& store, const std::string& room_id,
                                  const RoomPurgeOptions& options) {
  return Purge(store, room_id, options).Run();
}

}  // namespace matrixcore
