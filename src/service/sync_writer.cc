#include "service/sync_writer.h"

#include "matrixcore/json/value.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore {

void WriteReceiptEvent(json::Writer& out, std::span<const Receipt> receipts,
                       std::string_view room_id) {
  out.BeginObject();
  out.Key("content").BeginObject();
  for (size_t i = 0; i < receipts.size();) {
    const std::string& event_id = receipts[i].event_id;
    out.Key(event_id).BeginObject();
    while (i < receipts.size() && receipts[i].event_id == event_id) {
      const std::string& type = receipts[i].type;
      out.Key(type).BeginObject();
      for (; i < receipts.size() && receipts[i].event_id == event_id &&
             receipts[i].type == type;
           ++i) {
        out.Key(receipts[i].user_id).BeginObject();
        if (!receipts[i].thread_id.empty()) {
          out.Field("thread_id", receipts[i].thread_id);
        }
        out.Field("ts", receipts[i].ts.ms);
        out.EndObject();
      }
      out.EndObject();
    }
    out.EndObject();
  }
  out.EndObject();
  if (!room_id.empty()) out.Field("room_id", room_id);
  out.Field("type", "m.receipt");
  out.EndObject();
}

void WriteTypingEvent(json::Writer& out, const TypingUsers& typing) {
  out.BeginObject();
  out.Key("content").BeginObject().Key("user_ids").BeginArray();
  for (const std::string& user : typing.user_ids) out.String(user);
  out.EndArray().EndObject();
  out.Field("type", "m.typing");
  out.EndObject();
}

void WriteAccountDataArray(json::Writer& out,
                           std::span<const AccountDatum> data) {
  out.BeginArray();
  for (const AccountDatum& datum : data) {
    out.BeginObject();
    out.RawField("content", datum.content);
    out.Field("type", datum.type);
    out.EndObject();
  }
  out.EndArray();
}

Status SyncWriter::WriteJoined(const RoomBlock& block) {
  out_.BeginObject();
  if (block.summary) WriteSummary(*block.summary);
  MC_RETURN_IF_ERROR(WriteState(block));
  MC_RETURN_IF_ERROR(WriteTimeline(block));
  WriteEphemeral(block);
  out_.Key("account_data");
  WriteAccountData(block.account_data);
  if (block.unread) WriteUnread(*block.unread);
  out_.EndObject();
  return OkStatus();
}

Status SyncWriter::WriteLeft(const RoomBlock& block) {
  out_.BeginObject();
  MC_RETURN_IF_ERROR(WriteState(block));
  MC_RETURN_IF_ERROR(WriteTimeline(block));
  out_.Key("account_data");
  WriteAccountData(block.account_data);
  out_.EndObject();
  return OkStatus();
}

Status SyncWriter::WriteStripped(std::string_view key, const RoomHead& room,
                                 StateSnap snap) {
  out_.BeginObject().Key(key).BeginObject().Key("events");
  MC_RETURN_IF_ERROR(events_.WriteStrippedState(out_, room, snap));
  out_.EndObject().EndObject();
  return OkStatus();
}

Status SyncWriter::WritePresence(Snapshot& snapshot,
                                 std::span<const Presence> users) {
  constexpr const char* kNames[] = {"displayname", "avatar_url"};
  std::vector<Row> keys;
  for (const Presence& user : users) {
    for (const char* name : kNames) {
      keys.push_back({Cell(user.user_id), Cell(std::string(name))});
    }
  }
  MC_ASSIGN_OR_RETURN(const auto names,
                      snapshot.GetMany(tables::kProfiles, keys));
  out_.BeginObject().Key("events").BeginArray();
  for (size_t i = 0; i < users.size(); ++i) {
    out_.BeginObject();
    out_.Key("content").BeginObject();
    for (size_t name = 0; name < std::size(kNames); ++name) {
      const auto& row = names[i * std::size(kNames) + name];
      if (!row) continue;
      out_.RawField(kNames[name], CellText((*row)[tables::Profiles::kJson]));
    }
    PresenceService::WriteMembers(out_, users[i], now_);
    out_.EndObject();
    out_.Field("sender", users[i].user_id);
    out_.Field("type", "m.presence");
    out_.EndObject();
  }
  out_.EndArray().EndObject();
  return OkStatus();
}

void SyncWriter::WriteAccountData(std::span<const AccountDatum> data) {
  out_.BeginObject().Key("events");
  WriteAccountDataArray(out_, data);
  out_.EndObject();
}

void SyncWriter::WriteSummary(const SyncSummary& summary) {
  out_.Key("summary").BeginObject();
  if (summary.heroes) {
    out_.Key("m.heroes").BeginArray();
    for (const std::string& hero : *summary.heroes) out_.String(hero);
    out_.EndArray();
  }
  out_.Field("m.invited_member_count", summary.invited);
  out_.Field("m.joined_member_count", summary.joined);
  out_.EndObject();
}

void SyncWriter::WriteUnread(const Unread& unread) {
  const auto write = [this](const UnreadCount& count) {
    out_.BeginObject();
    out_.Field("highlight_count", count.highlights);
    out_.Field("notification_count", count.notifications);
    out_.EndObject();
  };
  out_.Key("unread_notifications");
  write(options_.unread_by_thread ? unread.main : unread.Total());
  if (!options_.unread_by_thread || unread.threads.empty()) return;
  out_.Key("unread_thread_notifications").BeginObject();
  for (const auto& [thread, count] : unread.threads) {
    out_.Key(thread);
    write(count);
  }
  out_.EndObject();
}

Status SyncWriter::WriteState(const RoomBlock& block) {
  out_.Key(options_.use_state_after ? "state_after" : "state").BeginObject();
  out_.Key("events");
  MC_RETURN_IF_ERROR(WriteEvents(block.head, block.state.events, Kind::kState));
  out_.EndObject();
  return OkStatus();
}

Status SyncWriter::WriteTimeline(const RoomBlock& block) {
  out_.Key("timeline").BeginObject();
  out_.Key("events");
  MC_RETURN_IF_ERROR(WriteEvents(
      block.head, block.timeline.events,
      block.timeline.limited ? Kind::kLimitedTimeline : Kind::kTimeline));
  out_.Field("limited", block.timeline.limited);
  out_.Field("prev_batch", StreamToken{block.timeline.start, 0}.ToString());
  out_.EndObject();
  return OkStatus();
}

Status SyncWriter::WriteEvents(const RoomHead& room,
                               const std::vector<StoredEvent>& events,
                               Kind kind) {
  ClientEventFormat format;
  format.with_room_id = options_.federation_format;
  format.federation = options_.federation_format;
  // Of state that is not news, the history does not matter.
  format.with_membership = kind != Kind::kState;
  format.with_previous = kind != Kind::kState;
  // A client that has seen everything aggregates by itself (spec:
  // "Aggregations of child events").
  format.with_relations = kind == Kind::kLimitedTimeline;
  if (options_.fields->all()) {
    return events_.WriteArray(out_, room, events, format);
  }
  std::string whole;
  json::Writer writer(&whole);
  MC_RETURN_IF_ERROR(events_.WriteArray(writer, room, events, format));
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(whole));
  out_.BeginArray();
  for (const json::Value event : document.root()) {
    options_.fields->Write(out_, event);
  }
  out_.EndArray();
  return OkStatus();
}

void SyncWriter::WriteEphemeral(const RoomBlock& block) {
  out_.Key("ephemeral").BeginObject().Key("events").BeginArray();
  if (block.typing) WriteTypingEvent(out_, *block.typing);
  const std::span<const Receipt> receipts = block.receipts;
  for (size_t begin = 0; begin < receipts.size();) {
    size_t end = begin;
    while (end < receipts.size() &&
           receipts[end].thread_id == receipts[begin].thread_id) {
      ++end;
    }
    WriteReceiptEvent(out_, receipts.subspan(begin, end - begin));
    begin = end;
  }
  out_.EndArray().EndObject();
}

}  // namespace matrixcore
