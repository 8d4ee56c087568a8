#include "matrixcore/service/to_device.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::Devices;
using tables::kDevices;
using tables::kToDevice;
using tables::kToDeviceSizes;
using tables::kTransactions;
using tables::ToDevice;
using tables::ToDeviceSizes;

constexpr std::string_view kAllDevices = "*";
// Rows of one batch of Acknowledge.
constexpr size_t kRemovedAtOnce = 500;

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status TooLarge(std::string message) {
  return Status(StatusCode::kTooLarge, "M_TOO_LARGE", std::move(message));
}

Status CheckShape(json::Value messages) {
  if (!messages.IsObject()) return BadJson("'messages' must be an object");
  for (const json::Value devices : messages) {
    if (!devices.IsObject()) return BadJson("'messages' must hold objects");
    for (const json::Value content : devices) {
      if (!content.IsObject()) return BadJson("contents must be objects");
    }
  }
  return OkStatus();
}

Status CheckNames(std::string_view type, std::string_view txn_id) {
  if (type.empty() || type.size() > kMaxIdentifierBytes) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "The type must have 1 to 255 bytes");
  }
  if (txn_id.size() > kMaxIdentifierBytes) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                  "The transaction id is too long");
  }
  return OkStatus();
}

// Which content goes to which device of this server.
using Contents = std::map<std::pair<std::string, std::string>, json::Value>;

// The devices that exist, of those that are named and those that "*" means.
Result<Contents> FindDevices(Snapshot& snapshot, const std::string& server_name,
                             json::Value messages) {
  Contents named;
  std::map<std::string, json::Value> everywhere;
  for (const auto& [user, devices] : messages.members()) {
    if (!IsUserId(user) || DomainOf(user) != server_name) continue;
    for (const auto& [device, content] : devices.members()) {
      if (device == kAllDevices) {
        everywhere.insert_or_assign(std::string(user), content);
      } else {
        named.insert_or_assign({std::string(user), std::string(device)},
                               content);
      }
    }
  }
  std::vector<Row> keys;
  for (const auto& [device, content] : named) {
    keys.push_back({device.first, device.second});
  }
  if (keys.size() > ToDeviceService::kMaxDevices) {
    return TooLarge("The message has too many recipients");
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> known,
                      snapshot.GetMany(kDevices, keys));
  Contents found;
  size_t index = 0;
  for (const auto& [device, content] : named) {
    if (known[index++]) found.emplace(device, content);
  }
  for (const auto& [user, content] : everywhere) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot.Scan({.table = &kDevices,
                                       .prefix = {Cell(user)},
                                       .limit = ToDeviceService::kMaxDevices}));
    for (const Row& row : rows) {
      found.try_emplace({user, std::string(CellText(row[Devices::kDevice]))},
                        content);
    }
    if (found.size() > ToDeviceService::kMaxDevices) {
      return TooLarge("The message has too many recipients");
    }
  }
  return found;
}

// The messages for users of other servers, as JSON, by server.
std::map<std::string, std::string> RemoteMessages(
    const std::string& server_name, json::Value messages) {
  std::map<std::string, std::string> remote;
  for (const auto& [user, devices] : messages.members()) {
    if (!IsUserId(user) || DomainOf(user) == server_name) continue;
    std::string& members = remote[std::string(DomainOf(user))];
    members.append(members.empty() ? "{" : ",");
    json::AppendString(&members, user);
    members.append(":").append(devices.raw());
  }
  for (auto& [server, members] : remote) members.append("}");
  return remote;
}

std::string EventJson(std::string_view sender, std::string_view type,
                      json::Value content) {
  std::string out;
  json::Writer w(&out);
  w.BeginObject().RawField("content", content.raw());
  w.Field("sender", sender).Field("type", type).EndObject();
  return out;
}

Result<std::vector<std::optional<Row>>> QueueSizes(Snapshot& snapshot,
                                                   const Contents& contents) {
  std::vector<Row> keys;
  keys.reserve(contents.size());
  for (const auto& [device, content] : contents) {
    keys.push_back({device.first, device.second});
  }
  return snapshot.GetMany(kToDeviceSizes, keys);
}

// Adds to what a queue holds; `old` is its row, if there is one.
void AddSize(WriteBatch& batch,
             const std::pair<std::string, std::string>& device,
             const std::optional<Row>& old, int64_t bytes) {
  if (old) {
    batch.AddTo(kToDeviceSizes, {device.first, device.second},
                ToDeviceSizes::kBytes, bytes);
  } else {
    batch.InsertRow(kToDeviceSizes, {device.first, device.second, bytes});
  }
}

}  // namespace

// One message on its way: where it comes from, and what it is known by.
struct ToDeviceService::Sending {
  std::string sender;
  std::string device;  // "" when it does not come from a client.
  std::string scope;
  std::string txn_id;
  std::string type;
};

ToDeviceService::ToDeviceService(Options options, Deps deps,
                                 AccountService& accounts)
    : options_(options), deps_(std::move(deps)) {
  accounts.OnDeviceDeleted([](WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id) {
    batch.DeleteRows(kToDevice, {user_id, device_id});
    batch.DeleteRow(kToDeviceSizes, {user_id, device_id});
  });
}

Status ToDeviceService::Send(const Session& session, std::string_view type,
                             std::string_view txn_id, json::Value messages) {
  MC_RETURN_IF_ERROR(CheckNames(type, txn_id));
  return Commit({.sender = session.user_id,
                 .device = session.device_id,
                 .scope = fmt::format("sendToDevice/{}", type),
                 .txn_id = std::string(txn_id),
                 .type = std::string(type)},
                messages);
}

Status ToDeviceService::Deliver(std::string_view sender, std::string_view type,
                                std::string_view message_id,
                                json::Value messages) {
  MC_RETURN_IF_ERROR(CheckNames(type, message_id));
  return Commit({.sender = std::string(sender),
                 .device = "",
                 .scope = "m.direct_to_device",
                 .txn_id = std::string(message_id),
                 .type = std::string(type)},
                messages);
}

Status ToDeviceService::Commit(const Sending& sending, json::Value messages) {
  MC_RETURN_IF_ERROR(CheckShape(messages));
  const auto remote = RemoteMessages(deps_.server_name, messages);
  std::set<std::string> users;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    users.clear();
    const Row txn = {sending.sender, sending.device, sending.scope,
                     sending.txn_id};
    MC_ASSIGN_OR_RETURN(const std::optional<Row> done,
                        snapshot.Get(kTransactions, txn));
    if (done) return OkStatus();
    MC_ASSIGN_OR_RETURN(const Contents contents,
                        FindDevices(snapshot, deps_.server_name, messages));
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<Row>> sizes,
                        QueueSizes(snapshot, contents));
    const PositionRef pos = batch.NewPosition();
    size_t bytes = 0;
    size_t index = 0;
    for (const auto& [device, content] : contents) {
      const std::optional<Row>& size = sizes[index++];
      std::string event = EventJson(sending.sender, sending.type, content);
      bytes += event.size();
      if (event.size() > kMaxMessageBytes || bytes > kMaxRequestBytes) {
        return TooLarge("The message is too large");
      }
      const auto more = static_cast<int64_t>(event.size());
      const int64_t held = size ? CellInt((*size)[ToDeviceSizes::kBytes]) : 0;
      if (held + more > options_.max_queue_bytes) continue;
      batch.Require(
          WriteBatch::RowPresent{&kDevices, {device.first, device.second}});
      batch.InsertRow(kToDevice,
                      {device.first, device.second, pos, std::move(event)});
      AddSize(batch, device, size, more);
      users.insert(device.first);
    }
    if (!contents.empty() && users.empty() && remote.empty()) {
      return Status(StatusCode::kResourceExhausted, "M_LIMIT_EXCEEDED",
                    "Too many messages wait for the device");
    }
    if (remote_) {
      const std::string message_id = fmt::format("{}/{}/{}", sending.device,
                                                 sending.scope, sending.txn_id);
      for (const auto& [server, json] : remote) {
        MC_RETURN_IF_ERROR(remote_(
            batch, {server, sending.sender, sending.type, message_id, json}));
      }
    }
    batch.InsertRow(kTransactions,
                    {sending.sender, sending.device, sending.scope,
                     sending.txn_id, std::string(), deps_.clock.Now().ms});
    return OkStatus();
  };
  Status done = Transact(deps_.store, attempt).status();
  if (!MayBeWritten(done)) return done;
  const std::vector<std::string> woken(users.begin(), users.end());
  if (!woken.empty()) deps_.notifier.PublishUsers(woken);
  return done;
}

Result<std::vector<ToDeviceMessage>> ToDeviceService::Read(
    Snapshot& snapshot, std::string_view user_id, std::string_view device_id,
    Position after, size_t limit) {
  MC_ASSIGN_OR_RETURN(
      std::vector<Row> rows,
      snapshot.Scan({.table = &kToDevice,
                     .prefix = {TextCell(user_id), TextCell(device_id)},
                     .from = ScanSpec::Bound{after, false},
                     .limit = limit}));
  std::vector<ToDeviceMessage> messages;
  messages.reserve(rows.size());
  for (Row& row : rows) {
    messages.push_back(
        {CellInt(row[ToDevice::kPos]),
         std::get<std::string>(std::move(row[ToDevice::kJson]))});
  }
  return messages;
}

Result<std::vector<ToDeviceMessage>> ToDeviceService::Read(
    std::string_view user_id, std::string_view device_id, Position after,
    size_t limit) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  return Read(*snapshot, user_id, device_id, after, limit);
}

Result<size_t> ToDeviceService::AddRemoval(Snapshot& snapshot,
                                           WriteBatch& batch,
                                           std::string_view user_id,
                                           std::string_view device_id,
                                           Position up_to, size_t limit) {
  ScanSpec scan{.table = &kToDevice,
                .prefix = {TextCell(user_id), TextCell(device_id)},
                .limit = 1};
  // Nearly always there is nothing at all, and that is known without a read.
  MC_ASSIGN_OR_RETURN(const std::vector<Row> oldest, snapshot.Scan(scan));
  if (oldest.empty() || CellInt(oldest[0][ToDevice::kPos]) > up_to) {
    return size_t{0};
  }
  scan.to = ScanSpec::Bound{up_to, true};
  scan.limit = limit;
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
  // The oldest go first, so that as long as the first one is there all are, and
  // their size is taken off once.
  batch.Require(WriteBatch::RowPresent{
      &kToDevice,
      {TextCell(user_id), TextCell(device_id), rows[0][ToDevice::kPos]}});
  int64_t bytes = 0;
  for (const Row& row : rows) {
    batch.DeleteRow(kToDevice, {std::string(user_id), std::string(device_id),
                                CellInt(row[ToDevice::kPos])});
    bytes += static_cast<int64_t>(CellText(row[ToDevice::kJson]).size());
  }
  batch.AddTo(kToDeviceSizes, {std::string(user_id), std::string(device_id)},
              ToDeviceSizes::kBytes, -bytes);
  return rows.size();
}

Status ToDeviceService::Acknowledge(std::string_view user_id,
                                    std::string_view device_id,
                                    Position up_to) {
  size_t removed = 0;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(removed, AddRemoval(snapshot, batch, user_id, device_id,
                                            up_to, kRemovedAtOnce));
    return OkStatus();
  };
  do {
    MC_RETURN_IF_ERROR(Transact(deps_.store, attempt).status());
  } while (removed == kRemovedAtOnce);
  return OkStatus();
}

}  // namespace matrixcore
