// CheckRoom: the members, the preview and the index of relations of a room.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/event/relation.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/tables.h"
#include "room/auth_sources.h"
#include "room/edits.h"
#include "room/relation_rows.h"
#include "room/room_check.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::Memberships;

// Rows that are read at a time.
constexpr size_t kRows = 500;

std::string MemberText(const MembershipRow& row) {
  return fmt::format("{} by event number {} at {}",
                     MembershipName(row.membership), row.idx, row.pos);
}

// The users of a room's rows, those that `wanted` does not have reported.
Status CheckForStrangers(RoomReader& reader, const RoomHead& head,
                         const std::set<std::string>& wanted,
                         FindingSink& sink) {
  for (const Membership membership :
       {Membership::kNone, Membership::kInvite, Membership::kJoin,
        Membership::kKnock, Membership::kLeave, Membership::kBan}) {
    ScanSpec scan{
        .table = &tables::kMemberships,
        .index = Memberships::kByRoom,
        .prefix = {Cell(head.nid), Cell(static_cast<int64_t>(membership))},
        .limit = kRows};
    for (;;) {
      MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                          reader.snapshot().Scan(scan));
      for (const Row& row : rows) {
        const MembershipRow member = MembershipFromRow(row);
        if (wanted.contains(member.user_id)) continue;
        sink.Add("member", "",
                 fmt::format("{}: {}", member.user_id, MemberText(member)),
                 "no row: the current state has no such member");
      }
      if (rows.size() < scan.limit) break;
      scan.from = ScanSpec::Bound{rows.back()[Memberships::kUser], false};
    }
  }
  return OkStatus();
}

}  // namespace

Status CheckMembers(RoomReader& reader, const RoomHead& head,
                    FindingSink& sink) {
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader.State(head, head.state));
  std::set<std::string> users;
  int64_t joined = 0;
  int64_t invited = 0;
  std::vector<EventIdx> idxs;
  const auto check = [&]() -> Status {
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                        reader.StoredEvents(head, std::exchange(idxs, {})));
    std::vector<Row> keys;
    for (const StoredEvent& stored : events) {
      keys.push_back({Cell(std::string(stored.event->state_key().value_or(""))),
                      Cell(head.nid)});
    }
    MC_ASSIGN_OR_RETURN(const auto rows,
                        reader.snapshot().GetMany(tables::kMemberships, keys));
    for (size_t i = 0; i < events.size(); ++i) {
      const StoredEvent& stored = events[i];
      const MembershipRow wanted{
          .user_id = std::string(stored.event->state_key().value_or("")),
          .room = head.nid,
          .membership = MembershipOf(*stored.event),
          .idx = stored.idx,
          .pos = stored.pos};
      joined += wanted.membership == Membership::kJoin;
      invited += wanted.membership == Membership::kInvite;
      users.insert(wanted.user_id);
      const std::string text =
          rows[i] ? MemberText(MembershipFromRow(*rows[i])) : "no row";
      sink.Compare("member", stored.event->event_id(), text,
                   MemberText(wanted));
    }
    return OkStatus();
  };
  for (StateKeyNum key = 1; key <= head.last_key; ++key) {
    if (state->Find(key) == 0) continue;
    MC_ASSIGN_OR_RETURN(const StateKey name, reader.KeyName(head, key));
    if (name.type == kTypeMember) idxs.push_back(state->Find(key));
    if (idxs.size() == kRows) MC_RETURN_IF_ERROR(check());
  }
  MC_RETURN_IF_ERROR(check());
  sink.Compare("joined-count", "", head.joined, joined);
  sink.Compare("invited-count", "", head.invited, invited);
  return CheckForStrangers(reader, head, users, sink);
}

Status CheckPreview(RoomReader& reader, const RoomHead& head,
                    FindingSink& sink) {
  StoredStateSource state(reader, head);
  const RoomPreview wanted = RoomPreviewOf(state);
  MC_RETURN_IF_ERROR(state.failure());
  MC_ASSIGN_OR_RETURN(const std::vector<RoomPreview> stored,
                      reader.Previews({&head.nid, 1}));
  const auto text = [](const RoomPreview& preview) {
    std::string allowed;
    for (const std::string& id : preview.allowed_room_ids) allowed += " " + id;
    return fmt::format(
        "name \"{}\", topic \"{}\", alias \"{}\", avatar \"{}\", join rule "
        "\"{}\", world readable {}, guests {}, type \"{}\", encryption "
        "\"{}\", allowed:{}",
        preview.name, preview.topic, preview.canonical_alias,
        preview.avatar_url, preview.join_rule, preview.world_readable,
        preview.guest_can_join, preview.type, preview.encryption, allowed);
  };
  sink.Compare("preview", "", text(stored[0]), text(wanted));
  return OkStatus();
}

Status CheckAliases(RoomReader& reader, const RoomHead& head,
                    std::string_view server_name, FindingSink& sink) {
  if (server_name.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> aliases,
                      reader.AliasesOf(head.nid));
  for (const std::string& alias : aliases) {
    // What can be looked up, and by whom it may be deleted.
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        reader.snapshot().Get(tables::kAliases, {Cell(alias)}));
    const std::string creator(row ? CellText((*row)[tables::Aliases::kCreator])
                                  : "");
    const auto text = [&](std::string_view name, std::string_view user) {
      return fmt::format("{} made by {}", name, user);
    };
    if (!IsRoomAlias(alias) || DomainOf(alias) != server_name) {
      sink.Add("alias", "", text(alias, creator),
               fmt::format("no row: it is no alias of {}", server_name));
    } else if (!IsUserId(creator) || DomainOf(creator) != server_name) {
      sink.Add("alias", "", text(alias, creator),
               text(alias, fmt::format("a user of {}", server_name)));
    }
  }
  return OkStatus();
}

namespace {

using tables::Relations;
using tables::RelationTargets;
using tables::ThreadUsers;

// One target of relations as its related events say.
struct Aggregate {
  int64_t children = 0;
  int64_t references = 0;
  int64_t threaded = 0;
  EventIdx thread_last = 0;
  Position thread_pos = 0;
  std::vector<EventIdx> edits;
  std::map<std::string, int64_t> users;
};

// Goes along the targets of a room's relations, some at a time.
class RelationCheck {
 public:
  RelationCheck(Snapshot& snapshot, RoomCaches& caches, const RoomHead& head,
                FindingSink& sink)
      : snapshot_(snapshot),
        reader_(snapshot, caches),
        head_(head),
        sink_(sink) {}

  // Looks at the targets after `after`, at most `limit`; gives the last one,
  // nothing at the end.
  Result<std::optional<std::string>> Check(const std::string& after,
                                           size_t limit);

 private:
  ScanSpec From(const TableSpec& table, const std::string& after,
                size_t limit) const {
    ScanSpec scan{.table = &table, .prefix = {Cell(head_.nid)}, .limit = limit};
    if (!after.empty()) scan.from = ScanSpec::Bound{Cell(after), false};
    return scan;
  }
  Result<Aggregate> AggregateOf(const std::string& target);
  Status CheckChildren(const std::string& target, const std::vector<Row>& rows);
  Status CheckTarget(const std::string& target,
                     const std::optional<Row>& stored);
  Status CheckUsers(const std::string& target, const Aggregate& aggregate);

  Snapshot& snapshot_;
  RoomReader reader_;
  const RoomHead& head_;
  FindingSink& sink_;
};

Result<std::optional<std::string>> RelationCheck::Check(
    const std::string& after, size_t limit) {
  // Targets that have a row, and those that events relate to.
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> targets,
      snapshot_.Scan(From(tables::kRelationTargets, after, limit)));
  MC_ASSIGN_OR_RETURN(const std::vector<Row> children,
                      snapshot_.Scan(From(tables::kRelations, after, limit)));
  std::map<std::string, std::optional<Row>> both;
  for (const Row& row : children) {
    both.emplace(CellText(row[Relations::kTarget]), std::nullopt);
  }
  for (const Row& row : targets) {
    both[std::string(CellText(row[RelationTargets::kTarget]))] = row;
  }
  if (both.empty()) return std::optional<std::string>();
  // Beyond the end of either list nothing is known of the other's.
  std::string last = both.rbegin()->first;
  if (targets.size() == limit) {
    last = std::min(
        last, std::string(CellText(targets.back()[RelationTargets::kTarget])));
  }
  if (children.size() == limit) {
    last = std::min(last,
                    std::string(CellText(children.back()[Relations::kTarget])));
  }
  for (const auto& [target, row] : both) {
    if (target > last) break;
    MC_RETURN_IF_ERROR(CheckTarget(target, row));
  }
  return std::optional<std::string>(std::move(last));
}

// Each row of the index is that of an event which is there and still relates.
Status RelationCheck::CheckChildren(const std::string& target,
                                    const std::vector<Row>& rows) {
  std::vector<Row> keys;
  for (const Row& row : rows) {
    keys.push_back({Cell(head_.nid), row[Relations::kIdx]});
  }
  MC_ASSIGN_OR_RETURN(const auto events,
                      snapshot_.GetMany(tables::kEvents, keys));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t idx = CellInt(rows[i][Relations::kIdx]);
    const std::string stored =
        fmt::format("event number {} relates to {}", idx, target);
    if (!events[i]) {
      sink_.Add("relation", "", stored, "no row: there is no such event");
      continue;
    }
    MC_ASSIGN_OR_RETURN(const StoredEvent event,
                        EventFromRow(*events[i], *head_.rules));
    const auto relation = RelationOf(*event.event);
    if (!relation || relation->event_id != target || event.flags != 0 ||
        event.pos != CellInt(rows[i][Relations::kPos])) {
      sink_.Add("relation", event.event->event_id(), stored,
                "no row: the event does not relate to it");
    }
  }
  return OkStatus();
}

Result<Aggregate> RelationCheck::AggregateOf(const std::string& target) {
  Aggregate sum;
  ScanSpec scan{.table = &tables::kRelations,
                .prefix = {Cell(head_.nid), Cell(target)},
                .limit = kRows};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(scan));
    MC_RETURN_IF_ERROR(CheckChildren(target, rows));
    for (const Row& row : rows) {
      const RelatedEvent event = RelatedFromRow(row);
      ++sum.children;
      if (event.rel_type == kRelReference) ++sum.references;
      if (event.rel_type == kRelReplace) sum.edits.push_back(event.idx);
      if (event.rel_type != kRelThread) continue;
      ++sum.threaded;
      ++sum.users[event.sender];
      sum.thread_last = event.idx;
      sum.thread_pos = event.pos;
    }
    if (rows.size() < scan.limit) return sum;
    scan.from = ScanSpec::Bound{rows.back()[Relations::kPos], false};
  }
}

Status RelationCheck::CheckTarget(const std::string& target,
                                  const std::optional<Row>& stored) {
  MC_ASSIGN_OR_RETURN(const Aggregate sum, AggregateOf(target));
  MC_RETURN_IF_ERROR(CheckUsers(target, sum));
  if (!stored) {
    sink_.Add("relation-target", target, "no row",
              fmt::format("{} related events", sum.children));
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot_.Scan({.table = &tables::kEvents,
                                      .index = tables::Events::kByEventId,
                                      .prefix = {Cell(target)},
                                      .limit = 1}));
  EventIdx idx = 0;
  if (!rows.empty() && CellInt(rows[0][tables::Events::kRoom]) == head_.nid) {
    idx = static_cast<EventIdx>(CellInt(rows[0][tables::Events::kIdx]));
  }
  MC_ASSIGN_OR_RETURN(const BestEdit edit,
                      FindBestEdit(reader_, head_, idx, sum.edits));
  const RelationSummary row = RelationSummaryFromRow(*stored);
  const auto text = [](int64_t number, int64_t children, int64_t references,
                       int64_t best_edit, int64_t threaded, int64_t last,
                       Position pos) {
    return fmt::format(
        "number {}, {} related, {} references, edit {}, {} in thread, last {} "
        "at {}",
        number, children, references, best_edit, threaded, last, pos);
  };
  sink_.Compare("relation-target", target,
                text(row.target_idx, row.children, row.references, row.edit,
                     row.threaded, row.thread_last, row.thread_pos),
                text(idx, sum.children, sum.references, edit.idx, sum.threaded,
                     sum.thread_last, sum.thread_pos));
  return OkStatus();
}

Status RelationCheck::CheckUsers(const std::string& target,
                                 const Aggregate& aggregate) {
  std::map<std::string, int64_t> stored;
  MC_ASSIGN_OR_RETURN(const auto users,
                      reader_.ThreadUsers(head_, target, SIZE_MAX));
  for (const auto& [user, events] : users) stored[user] = events;
  const auto text = [](const std::map<std::string, int64_t>& shares) {
    std::string all;
    for (const auto& [user, events] : shares) {
      all += fmt::format("{}{} {}", all.empty() ? "" : ", ", user, events);
    }
    return all;
  };
  sink_.Compare("thread-users", target, text(stored), text(aggregate.users));
  return OkStatus();
}

}  // namespace

Status CheckRelations(Store& store, const RoomHead& head, size_t chunk,
                      FindingSink& sink) {
  RoomCaches caches({.event_bytes = size_t{4} << 20, .state_bytes = 4096});
  std::optional<std::string> at = "";
  while (at) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    // What a redaction changed since the snapshot before must not be recalled.
    caches.ForgetRoom(head.nid);
    RelationCheck check(*snapshot, caches, head, sink);
    MC_ASSIGN_OR_RETURN(at, check.Check(*at, chunk));
  }
  return OkStatus();
}

}  // namespace matrixcore
