#include "service/sliding_connections.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/service/sliding_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kSlidingStates;
using tables::SlidingStates;

// Of the budget of all caches.
constexpr uint32_t kShare = 8;
// Changes that are kept beside a full state, and their bytes if that is small.
constexpr size_t kMaxChain = 32;
constexpr size_t kMinChangeBytes = 4096;

std::string Key(const std::string& user_id, const std::string& device_id,
                const std::string& conn_id) {
  std::string key = user_id;
  key.push_back('\0');
  key.append(device_id);
  key.push_back('\0');
  key.append(conn_id);
  return key;
}

Status UnknownPos() {
  return Status(StatusCode::kInvalidArgument, "M_UNKNOWN_POS",
                "This position is not known any more: begin anew without one.");
}

}  // namespace

// --- One connection ---

SlidingConnection::Settled SlidingConnection::settled() const {
  MutexLock lock(mutex_);
  return settled_;
}

bool SlidingConnection::IsNewest(const Turn& turn) const {
  MutexLock lock(mutex_);
  return turn.number == last_turn_;
}

std::shared_ptr<SyncService::Ticket> SlidingConnection::ReplaceWaiting(
    const std::shared_ptr<SyncService::Ticket>& ticket) {
  MutexLock lock(mutex_);
  return std::exchange(waiting_, ticket).lock();
}

const SlidingConnection::Stored* SlidingConnection::FindStored(
    int64_t version) const {
  const auto it =
      std::find_if(stored_.begin(), stored_.end(),
                   [version](const Stored& s) { return s.version == version; });
  return it == stored_.end() ? nullptr : &*it;
}

std::vector<int64_t> SlidingConnection::Chain(int64_t version) const {
  std::vector<int64_t> chain;
  while (chain.size() <= stored_.size()) {
    const Stored* stored = FindStored(version);
    if (stored == nullptr) return {};
    chain.push_back(version);
    if (stored->parent == kWhole) {
      std::reverse(chain.begin(), chain.end());
      return chain;
    }
    version = stored->parent;
  }
  return {};
}

size_t SlidingConnection::ByteSize() const {
  MutexLock lock(mutex_);
  size_t bytes = SharedBlock<SlidingConnection>() + HeapBytes(user_id_) +
                 HeapBytes(device_id_) + HeapBytes(conn_id_) +
                 HeapBytes(stored_);
  if (base_ != nullptr) bytes += base_->ByteSize();
  if (pending_ != nullptr && pending_ != base_) bytes += pending_->ByteSize();
  return bytes;
}

// --- All of them ---

SlidingConnections::SlidingConnections(Store& store, const Clock& clock,
                                       CacheBudget& budget)
    : store_(store),
      clock_(clock),
      connections_(budget, "sliding_connections", kShare,
                   [](const ConnectionPtr& connection) {
                     return connection->ByteSize();
                   }) {}

Result<SlidingConnection::Turn> SlidingConnections::Begin(
    const Session& session, const std::string& conn_id,
    const std::optional<SlidingToken>& token) {
  const std::string key = Key(session.user_id, session.device_id, conn_id);
  ConnectionPtr connection;
  if (token) {
    connection = connections_.Get(key).value_or(nullptr);
    if (connection == nullptr) {
      MC_ASSIGN_OR_RETURN(connection, Load(session, conn_id, *token));
      connections_.Put(key, connection);
    }
    if (connection->epoch_ != token->epoch) return UnknownPos();
  } else {
    MC_ASSIGN_OR_RETURN(connection, BeginAnew(session, conn_id));
    connections_.Put(key, connection);
  }
  MutexLock lock(connection->mutex_);
  if (token) {
    if (connection->pending_ != nullptr &&
        connection->pending_->version == token->version) {
      connection->base_ = connection->pending_;
    } else if (connection->base_->version != token->version) {
      return UnknownPos();
    }
    connection->pending_ = nullptr;
  }
  return SlidingConnection::Turn{connection, connection->base_,
                                 ++connection->last_turn_};
}

Result<SlidingConnections::ConnectionPtr> SlidingConnections::BeginAnew(
    const Session& session, const std::string& conn_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot->Scan({.table = &kSlidingStates,
                                      .prefix = {Cell(session.user_id),
                                                 Cell(session.device_id)}}));
  auto connection = std::make_shared<SlidingConnection>();
  connection->user_id_ = session.user_id;
  connection->device_id_ = session.device_id;
  connection->conn_id_ = conn_id;
  connection->epoch_ = clock_.Now().ms;
  if (const auto old =
          connections_.Get(Key(session.user_id, session.device_id, conn_id))) {
    connection->epoch_ = std::max(connection->epoch_, (*old)->epoch_ + 1);
  }
  // When each of the device's other connections was used last.
  std::map<std::string, int64_t, std::less<>> others;
  for (const Row& row : rows) {
    const std::string_view id = CellText(row[SlidingStates::kConn]);
    if (id == conn_id) {
      connection->epoch_ =
          std::max(connection->epoch_, CellInt(row[SlidingStates::kEpoch]) + 1);
    } else {
      int64_t& used = others[std::string(id)];
      used = std::max(used, CellInt(row[SlidingStates::kUsed]));
    }
  }
  WriteBatch batch;
  while (others.size() >= kMaxOfDevice) {
    const auto oldest = std::min_element(
        others.begin(), others.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    batch.DeleteRows(kSlidingStates,
                     {session.user_id, session.device_id, oldest->first});
    connections_.Erase(Key(session.user_id, session.device_id, oldest->first));
    others.erase(oldest);
  }
  if (!batch.empty()) {
    store_.CommitAsync(std::move(batch), [](Result<CommitInfo>) {});
  }
  MutexLock lock(connection->mutex_);
  connection->base_ = std::make_shared<SlidingState>();
  return connection;
}

Result<SlidingConnections::ConnectionPtr> SlidingConnections::Load(
    const Session& session, const std::string& conn_id,
    const SlidingToken& token) {
  std::vector<Row> rows;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    MC_ASSIGN_OR_RETURN(
        rows,
        snapshot->Scan({.table = &kSlidingStates,
                        .prefix = {Cell(session.user_id),
                                   Cell(session.device_id), Cell(conn_id)}}));
  }
  auto connection = std::make_shared<SlidingConnection>();
  connection->user_id_ = session.user_id;
  connection->device_id_ = session.device_id;
  connection->conn_id_ = conn_id;
  MutexLock lock(connection->mutex_);
  std::map<int64_t, std::string_view> states;
  for (const Row& row : rows) {
    connection->epoch_ = CellInt(row[SlidingStates::kEpoch]);
    const int64_t version = CellInt(row[SlidingStates::kVersion]);
    const std::string_view bytes = CellBlob(row[SlidingStates::kState]);
    connection->stored_.push_back(
        {version, CellInt(row[SlidingStates::kParent]), bytes.size()});
    connection->last_version_ = std::max(connection->last_version_, version);
    states.emplace(version, bytes);
  }
  const std::vector<int64_t> chain = connection->Chain(token.version);
  if (chain.empty()) return UnknownPos();
  auto state = std::make_shared<SlidingState>();
  for (const int64_t version : chain) {
    MC_RETURN_IF_ERROR(DecodeInto(states[version], state.get()));
  }
  state->version = token.version;
  connection->base_ = std::move(state);
  return connection;
}

std::optional<int64_t> SlidingConnections::Finish(
    const SlidingConnection::Turn& turn,
    const std::shared_ptr<SlidingState>& next,
    SlidingConnection::Settled settled) {
  const ConnectionPtr& connection = turn.connection;
  {
    MutexLock lock(connection->mutex_);
    if (turn.number != connection->last_turn_) return std::nullopt;
    if (connection->write_failed_.exchange(false)) connection->stored_.clear();
    if (next != nullptr) {
      next->version = ++connection->last_version_;
      connection->pending_ = next;
    }
    settled.version = next == nullptr ? turn.base->version : next->version;
    connection->settled_ = settled;
    if (next == nullptr && !connection->stored_.empty()) return settled.version;
    Persist(*connection, connection, *turn.base,
            next == nullptr ? *turn.base : *next);
  }
  const std::string key =
      Key(connection->user_id_, connection->device_id_, connection->conn_id_);
  connections_.Put(key, connection);
  return settled.version;
}

// Queues the rows, in the order of the turns as the mutex is held.
void SlidingConnections::Persist(SlidingConnection& held,
                                 const ConnectionPtr& connection,
                                 const SlidingState& base,
                                 const SlidingState& next) {
  const std::string change = EncodeChange(base, next);
  WriteBatch batch;
  std::vector<SlidingConnection::Stored>& stored = held.stored_;
  const auto row_key = [&](int64_t version) {
    return BatchRow{held.user_id_, held.device_id_, held.conn_id_, version};
  };
  const std::vector<int64_t> chain = held.Chain(base.version);
  size_t changes = change.size();
  size_t whole = 0;
  for (const int64_t version : chain) {
    const SlidingConnection::Stored& part = *held.FindStored(version);
    (part.parent == SlidingConnection::kWhole ? whole : changes) += part.bytes;
  }
  const bool as_change = !chain.empty() && next.version != base.version &&
                         chain.size() < kMaxChain &&
                         changes < std::max(kMinChangeBytes, whole / 2);
  // What neither the client's state nor the new one is made from.
  if (stored.empty()) {
    batch.DeleteRows(kSlidingStates,
                     {held.user_id_, held.device_id_, held.conn_id_});
  }
  std::erase_if(stored, [&](const SlidingConnection::Stored& part) {
    if (std::find(chain.begin(), chain.end(), part.version) != chain.end()) {
      return false;
    }
    batch.DeleteRow(kSlidingStates, row_key(part.version));
    return true;
  });
  const std::string bytes = as_change ? change : EncodeState(next);
  const int64_t parent = as_change ? base.version : SlidingConnection::kWhole;
  BatchRow row = row_key(next.version);
  row.emplace_back(held.epoch_);
  row.emplace_back(parent);
  row.emplace_back(clock_.Now().ms);
  row.emplace_back(Blob{bytes});
  batch.PutRow(kSlidingStates, std::move(row));
  stored.push_back({next.version, parent, bytes.size()});
  store_.CommitAsync(std::move(batch), [weak = std::weak_ptr(connection)](
                                           const Result<CommitInfo>& done) {
    if (done.ok()) return;
    if (const ConnectionPtr failed = weak.lock()) failed->write_failed_ = true;
  });
}

void RemoveSlidingConnections(WriteBatch& batch, const std::string& user_id,
                              const std::string& device_id) {
  batch.DeleteRows(kSlidingStates, {user_id, device_id});
}

}  // namespace matrixcore
