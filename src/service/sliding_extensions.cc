// The extensions of sliding sync: what is told beside rooms.
#include <algorithm>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

#include "matrixcore/service/keys.h"
#include "matrixcore/service/thread_subscriptions.h"
#include "service/sliding_builder.h"
#include "service/sync_devices.h"
#include "service/sync_typing.h"
#include "service/sync_writer.h"

namespace matrixcore {
namespace {

bool Names(const std::optional<std::vector<std::string>>& names,
           const std::string& name) {
  return !names || std::binary_search(names->begin(), names->end(), name);
}

// One event tells all receipts of a room.  Where a user has read an event in
// the room and in a thread, the room's counts.
void WriteAllReceipts(json::Writer& out, std::vector<Receipt> receipts) {
  const auto key = [](const Receipt& r) {
    return std::tie(r.event_id, r.type, r.user_id);
  };
  std::sort(receipts.begin(), receipts.end(),
            [&key](const Receipt& a, const Receipt& b) {
              return std::tuple_cat(key(a), std::tie(a.thread_id)) <
                     std::tuple_cat(key(b), std::tie(b.thread_id));
            });
  receipts.erase(std::unique(receipts.begin(), receipts.end(),
                             [&key](const Receipt& a, const Receipt& b) {
                               return key(a) == key(b);
                             }),
                 receipts.end());
  WriteReceiptEvent(out, receipts);
}

}  // namespace

Status SlidingBuilder::WriteExtensions() {
  if (extensions_.to_device.enabled) MC_RETURN_IF_ERROR(WriteToDevice());
  if (extensions_.e2ee) MC_RETURN_IF_ERROR(WriteE2ee());
  MC_RETURN_IF_ERROR(WriteAccountData());
  MC_RETURN_IF_ERROR(WriteReceipts());
  if (extensions_.typing.enabled) MC_RETURN_IF_ERROR(WriteTyping());
  if (extensions_.thread_subscriptions.enabled) {
    MC_RETURN_IF_ERROR(WriteThreadSubscriptions());
  }
  return OkStatus();
}

bool SlidingBuilder::InScope(const SlidingExtensions::Scope& scope,
                             const Wanted& wanted) const {
  if (!scope.enabled) return false;
  if (wanted.subscription != nullptr &&
      Names(scope.rooms, wanted.subscription->room_id)) {
    return true;
  }
  for (size_t i = 0; i < request_.lists.size(); ++i) {
    if (wanted.windows.test(i) && Names(scope.lists, request_.lists[i].name)) {
      return true;
    }
  }
  return false;
}

const TypingUsers* SlidingBuilder::TypingChange(RoomNid room) const {
  const auto it = std::lower_bound(
      typing_.changed.begin(), typing_.changed.end(), room,
      [](const TypingUsers& a, RoomNid nid) { return a.room < nid; });
  return it != typing_.changed.end() && it->room == room ? &*it : nullptr;
}

bool SlidingBuilder::HasAccountData(std::string_view room_id) const {
  const auto it =
      std::lower_bound(account_data_.begin(), account_data_.end(), room_id,
                       [](const AccountDatum& a, std::string_view id) {
                         return a.room_id < id;
                       });
  return it != account_data_.end() && it->room_id == room_id;
}

// Spec: "Send-to-Device messaging".  What the client has had is deleted,
// whether or not that has happened yet it is not told again.
Status SlidingBuilder::WriteToDevice() {
  const Session& session = request_.session;
  const Position after = extensions_.to_device.since.value_or(0);
  if (after > 0) {
    constexpr size_t kRemovals = 1000;
    WriteBatch batch;
    MC_ASSIGN_OR_RETURN(
        const size_t removed,
        ToDeviceService::AddRemoval(reader_.snapshot(), batch, user_id_,
                                    session.device_id, after, kRemovals));
    if (removed > 0) {
      shared_.store.CommitAsync(std::move(batch), [](Result<CommitInfo>) {});
    }
  }
  const size_t limit = std::clamp<size_t>(extensions_.to_device.limit, 1,
                                          ToDeviceService::kMaxInAnswer);
  MC_ASSIGN_OR_RETURN(
      std::vector<ToDeviceMessage> messages,
      ToDeviceService::Read(reader_.snapshot(), user_id_, session.device_id,
                            after, limit + 1));
  Position next = std::max(after, reader_.position());
  if (messages.size() > limit) {
    messages.pop_back();
    next = messages.back().pos;
  }
  json::Writer& out = extensions_writer_;
  out.Key("to_device").BeginObject();
  out.Field("next_batch", std::to_string(next));
  out.Key("events").BeginArray();
  for (const ToDeviceMessage& message : messages) out.Raw(message.json);
  out.EndArray().EndObject();
  news_ = news_ || !messages.empty();
  return OkStatus();
}

// Spec: "End-to-end encryption", "Extensions to /sync".
Status SlidingBuilder::WriteE2ee() {
  json::Writer& out = extensions_writer_;
  out.Key("e2ee").BeginObject();
  if (!first()) {
    DeviceListFinder finder(reader_, user_id_, user_rooms_, since());
    std::vector<const UserRoom*> rows;
    std::vector<RoomNid> nids;
    const auto look_at = [&](const UserRoom* row) {
      if (row == nullptr ||
          (row->pos <= since() && row->membership != Membership::kJoin)) {
        return;
      }
      rows.push_back(row);
      nids.push_back(row->room);
    };
    if (active_) {
      for (size_t i = 0; i < changed_.size(); ++i) {
        if (i > 0 && changed_[i] == changed_[i - 1]) continue;
        look_at(FindRoom(*user_rooms_, changed_[i]));
      }
    } else {
      for (const UserRoom& row : *user_rooms_) look_at(&row);
    }
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                        reader_.Heads(nids));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (heads[i]) MC_RETURN_IF_ERROR(finder.LookAt(*rows[i], *heads[i]));
    }
    MC_ASSIGN_OR_RETURN(const DeviceLists lists, finder.Find());
    if (!lists.empty()) {
      news_ = true;
      out.Key("device_lists");
      WriteDeviceLists(out, lists);
    }
    MC_ASSIGN_OR_RETURN(
        const bool lost_keys,
        KeyService::LostKeysSince(reader_.snapshot(), user_id_,
                                  request_.session.device_id, since()));
    news_ = news_ || lost_keys;
  }
  MC_RETURN_IF_ERROR(WriteKeyCounts(out, reader_.snapshot(), request_.session));
  out.EndObject();
  return OkStatus();
}

Status SlidingBuilder::WriteAccountData() {
  std::vector<std::pair<const std::string*, std::vector<AccountDatum>>> rooms;
  for (Looked& room : looked_) {
    const SentRoom* before = room.wanted.before;
    const bool had = before != nullptr && before->account_data;
    room.sent.account_data = InScope(extensions_.account_data, room.wanted);
    if (!room.sent.account_data) continue;
    const Position from = !had ? 0 : before->upto == 0 ? since() : before->upto;
    if (from == since() && had && !HasAccountData(room.room_id)) continue;
    MC_ASSIGN_OR_RETURN(
        std::vector<AccountDatum> data,
        ReadRoomAccountData(reader_.snapshot(), user_id_, room.room_id, from));
    if (!data.empty()) rooms.emplace_back(&room.room_id, std::move(data));
  }
  if (!extensions_.account_data.enabled) return OkStatus();
  std::vector<AccountDatum> global;
  if (!first() && base().account_data) {
    const auto end =
        std::find_if(account_data_.begin(), account_data_.end(),
                     [](const AccountDatum& d) { return !d.room_id.empty(); });
    global.assign(account_data_.begin(), end);
  } else {
    MC_ASSIGN_OR_RETURN(global,
                        ReadAllGlobalAccountData(reader_.snapshot(), user_id_));
  }
  if (global.empty() && rooms.empty()) return OkStatus();
  news_ = true;
  json::Writer& out = extensions_writer_;
  out.Key("account_data").BeginObject();
  out.Key("global");
  WriteAccountDataArray(out, global);
  out.Key("rooms").BeginObject();
  for (const auto& [room_id, data] : rooms) {
    out.Key(*room_id);
    WriteAccountDataArray(out, data);
  }
  out.EndObject().EndObject();
  return OkStatus();
}

// Of a room that is new to the client, the own receipts and those that stand in
// the timeline which it is given: there may be very many others.  Older events
// that come later bring theirs along.
Result<std::vector<Receipt>> SlidingBuilder::ReadReceipts(Looked& room) {
  const SentRoom* before = room.wanted.before;
  const bool had = before != nullptr && before->receipts && !room.initial;
  const Position from = !had ? 0 : before->upto == 0 ? since() : before->upto;
  const auto read = [&](Position after) {
    return EphemeralService::ReceiptsSince(reader_.snapshot(), room.sent.room,
                                           after, user_id_);
  };
  const auto is_in_timeline = [&room](const Receipt& receipt) {
    return std::find(room.timeline.begin(), room.timeline.end(),
                     receipt.event_id) != room.timeline.end();
  };
  std::vector<Receipt> receipts;
  if (!had || from != since() ||
      shared_.activity.MayHaveChangedSince(room.sent.room, from)) {
    MC_ASSIGN_OR_RETURN(receipts, read(from));
  }
  if (room.initial) {
    std::erase_if(receipts, [&](const Receipt& receipt) {
      return receipt.user_id != user_id_ && !is_in_timeline(receipt);
    });
  } else if (room.expanded && from > 0) {
    MC_ASSIGN_OR_RETURN(const std::vector<Receipt> all, read(0));
    std::copy_if(all.begin(), all.end(), std::back_inserter(receipts),
                 is_in_timeline);
  }
  std::erase_if(receipts, [this](const Receipt& receipt) {
    return IsIgnored(ignored_, receipt.user_id);
  });
  return receipts;
}

Status SlidingBuilder::WriteReceipts() {
  json::Writer& out = extensions_writer_;
  bool open = false;
  for (Looked& room : looked_) {
    room.sent.receipts = room.wanted.listed.joined() &&
                         InScope(extensions_.receipts, room.wanted);
    if (!room.sent.receipts) continue;
    MC_ASSIGN_OR_RETURN(std::vector<Receipt> receipts, ReadReceipts(room));
    if (receipts.empty()) continue;
    if (!std::exchange(open, true)) {
      out.Key("receipts").BeginObject().Key("rooms").BeginObject();
    }
    out.Key(room.room_id);
    WriteAllReceipts(out, std::move(receipts));
  }
  if (!open) return OkStatus();
  news_ = true;
  out.EndObject().EndObject();
  return OkStatus();
}

Status SlidingBuilder::WriteTyping() {
  json::Writer& out = extensions_writer_;
  bool open = false;
  for (const Looked& room : looked_) {
    if (!room.wanted.listed.joined() ||
        !InScope(extensions_.typing, room.wanted)) {
      continue;
    }
    std::optional<TypingUsers> typing = FindTyping(
        shared_.ephemeral, typing_, room.sent.room, room.initial, false);
    const bool was_away =
        room.wanted.before != nullptr && room.wanted.before->upto != 0;
    if (!typing && was_away) {
      typing = shared_.ephemeral.TypingIn(room.sent.room);
    }
    if (!typing) continue;
    std::erase_if(typing->user_ids, [this](const std::string& user) {
      return IsIgnored(ignored_, user);
    });
    if (typing->user_ids.empty() && room.initial) continue;
    if (!std::exchange(open, true)) {
      out.Key("typing").BeginObject().Key("rooms").BeginObject();
    }
    out.Key(room.room_id);
    WriteTypingEvent(out, *typing);
  }
  if (!open) return OkStatus();
  news_ = true;
  out.EndObject().EndObject();
  return OkStatus();
}

// MSC4308.
Status SlidingBuilder::WriteThreadSubscriptions() {
  const bool had = !first() && base().thread_subscriptions;
  const size_t limit = extensions_.thread_subscriptions.limit;
  MC_ASSIGN_OR_RETURN(
      std::vector<ThreadSubscriptionService::Change> changes,
      ThreadSubscriptionService::Changes(reader_, user_id_, had ? since() : 0,
                                         reader_.position(), limit + 1));
  if (changes.empty()) return OkStatus();
  news_ = true;
  const bool more = changes.size() > limit;
  if (more) changes.pop_back();
  json::Writer& out = extensions_writer_;
  out.Key("io.element.msc4308.thread_subscriptions").BeginObject();
  ThreadSubscriptionService::WriteChanges(out, changes);
  if (more) {
    out.Field("prev_batch", StreamToken{changes.back().pos - 1, 0}.ToString());
  }
  out.EndObject();
  return OkStatus();
}

}  // namespace matrixcore
