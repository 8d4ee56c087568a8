#include "room/auth_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

// Rows of edges of one read: few where the chain needs few of them.
constexpr size_t kLeastRows = 16;
constexpr size_t kMostRows = 1024;
// Events that are read at once where there are no edges.
constexpr size_t kEventsAtOnce = 256;

// Goes down from the newest event: whoever names an event has a higher number.
class ChainWalk {
 public:
  ChainWalk(KnownEvents& events, const std::function<bool(EventIdx)>& known)
      : events_(events), known_(known) {}

  void Need(EventIdx idx) {
    if (idx == 0 || (known_ && known_(idx))) return;
    if (idx >= needed_.size()) needed_.resize(size_t{idx} + 1, false);
    needed_[idx] = true;
  }
  Status Run();
  std::vector<EventIdx> Needed() const {
    std::vector<EventIdx> idxs;
    for (EventIdx idx = 1; idx < needed_.size(); ++idx) {
      if (needed_[idx]) idxs.push_back(idx);
    }
    return idxs;
  }

 private:
  struct Edges {
    EventIdx event = 0;
    std::vector<EventIdx> auth;
  };
  // The edges of events from `from` down, at most `limit`.
  Result<std::vector<Edges>> Read(EventIdx from, size_t limit);
  Status FollowEvent(EventIdx idx, EventIdx floor);

  KnownEvents& events_;
  const std::function<bool(EventIdx)>& known_;
  std::vector<bool> needed_;
  std::vector<Edges> window_;
  EventIdx loaded_from_ = 0;  // Events down to here were read at once.
};

Result<std::vector<ChainWalk::Edges>> ChainWalk::Read(EventIdx from,
                                                      size_t limit) {
  using tables::AuthEdges;
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      events_.snapshot().Scan({.table = &tables::kAuthEdges,
                               .prefix = {Cell(events_.room())},
                               .to = ScanSpec::Bound{Cell(int64_t{from}), true},
                               .descending = true,
                               .limit = limit}));
  std::vector<Edges> edges;
  edges.reserve(rows.size());
  for (const Row& row : rows) {
    Edges& one = edges.emplace_back();
    one.event = static_cast<EventIdx>(CellInt(row[AuthEdges::kIdx]));
    MC_ASSIGN_OR_RETURN(
        one.auth, DecodeAuthEdges(one.event, CellBlob(row[AuthEdges::kAuth])));
  }
  return edges;
}

// An event without stored edges; the next such ones down to `floor` are read
// with it.
Status ChainWalk::FollowEvent(EventIdx idx, EventIdx floor) {
  if (loaded_from_ == 0 || idx < loaded_from_) {
    std::vector<EventIdx> idxs;
    auto row = window_.begin();
    EventIdx at = idx;
    for (; at >= floor && idxs.size() < kEventsAtOnce; --at) {
      while (row != window_.end() && row->event > at) ++row;
      const bool has_row = row != window_.end() && row->event == at;
      if (needed_[at] && !has_row) idxs.push_back(at);
    }
    loaded_from_ = at + 1;
    MC_RETURN_IF_ERROR(events_.Load(idxs));
  }
  MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr stored, events_.At(idx));
  if (stored == nullptr) return OkStatus();
  MC_ASSIGN_OR_RETURN(const auto auth, AuthEventsOf(*stored->event, events_));
  for (const KnownEvents::StoredPtr& event : auth) {
    if (event != nullptr && event->idx < idx) Need(event->idx);
  }
  return OkStatus();
}

Status ChainWalk::Run() {
  size_t limit = kLeastRows;
  auto at = static_cast<EventIdx>(needed_.empty() ? 0 : needed_.size() - 1);
  for (;;) {
    while (at > 0 && !needed_[at]) --at;
    if (at == 0) return OkStatus();
    MC_ASSIGN_OR_RETURN(window_, Read(at, limit));
    const EventIdx floor = window_.size() < limit ? 1 : window_.back().event;
    loaded_from_ = 0;
    size_t used = 0;
    auto row = window_.begin();
    for (; at >= floor; --at) {
      if (!needed_[at]) continue;
      while (row != window_.end() && row->event > at) ++row;
      if (row == window_.end() || row->event != at) {
        MC_RETURN_IF_ERROR(FollowEvent(at, floor));
        continue;
      }
      ++used;
      for (const EventIdx auth : row->auth) Need(auth);
    }
    limit = used * 8 >= window_.size() ? std::min(4 * limit, kMostRows)
                                       : kLeastRows;
  }
}

}  // namespace

std::string EncodeAuthEdges(EventIdx event, std::vector<EventIdx> auth) {
  std::sort(auth.begin(), auth.end(), std::greater<>());
  auth.erase(std::unique(auth.begin(), auth.end()), auth.end());
  std::string bytes;
  for (const EventIdx idx : auth) {
    if (idx >= event || idx == 0) continue;
    uint32_t back = event - idx;
    for (; back >= 0x80; back >>= 7) {
      bytes += static_cast<char>((back & 0x7f) | 0x80);
    }
    bytes += static_cast<char>(back);
  }
  return bytes;
}

Result<std::vector<EventIdx>> DecodeAuthEdges(EventIdx event,
                                              std::string_view bytes) {
  std::vector<EventIdx> auth;
  for (size_t i = 0; i < bytes.size();) {
    uint64_t back = 0;
    uint8_t byte = 0x80;
    for (uint32_t shift = 0; byte >= 0x80 && shift < 35 && i < bytes.size();
         shift += 7) {
      byte = static_cast<uint8_t>(bytes[i++]);
      back |= uint64_t{byte & 0x7fu} << shift;
    }
    if (byte >= 0x80 || back == 0 || back >= event) {
      return Status(
          StatusCode::kDataLoss,
          fmt::format("the auth edges of event number {} are damaged", event));
    }
    auth.push_back(event - static_cast<EventIdx>(back));
  }
  return auth;
}

std::string AuthEdgesOf(EventIdx event,
                        const std::vector<KnownEvents::StoredPtr>& auth) {
  std::vector<EventIdx> idxs;
  for (const KnownEvents::StoredPtr& stored : auth) {
    if (stored != nullptr) idxs.push_back(stored->idx);
  }
  return EncodeAuthEdges(event, std::move(idxs));
}

Result<std::vector<EventIdx>> AuthChainOf(
    KnownEvents& events, const std::vector<EventIdx>& of,
    const std::function<bool(EventIdx)>& known) {
  ChainWalk walk(events, known);
  for (const EventIdx idx : of) walk.Need(idx);
  MC_RETURN_IF_ERROR(walk.Run());
  return walk.Needed();
}

}  // namespace matrixcore
