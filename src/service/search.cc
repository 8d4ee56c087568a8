#include "matrixcore/service/search.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/erasure.h"
#include "matrixcore/service/client_events.h"
#include "service/room_access.h"
#include "service/room_window.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

// How far a search brings the index forward itself; what is further behind
// comes in the background.
constexpr size_t kMaxCatchUp = 2000;
// Upgrades that a room is followed back through.
constexpr int kMaxPredecessors = 20;

// Where a page begins.  Text form: "s<below>_<skip>" and, inside groups,
// ".r<room id>" and ".u<user id>" in base64.
struct SearchToken {
  int64_t below = INT64_MAX;  // Only documents with smaller ids.
  size_t skip = 0;            // Results that came before.
  std::string room_id = {};
  std::string sender = {};

  std::string ToString() const {
    std::string text = fmt::format("s{}_{}", below, skip);
    if (!room_id.empty()) {
      text += ".r" + Base64Encode(AsBytes(room_id), Base64Alphabet::kUrlSafe);
    }
    if (!sender.empty()) {
      text += ".u" + Base64Encode(AsBytes(sender), Base64Alphabet::kUrlSafe);
    }
    return text;
  }
  static std::optional<SearchToken> Parse(std::string_view text);
};

// Takes a decimal number off the front of `text`.
template <typename Number>
bool TakeNumber(std::string_view& text, Number* number) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *number);
  if (error != std::errc() || *number < 0) return false;
  text.remove_prefix(static_cast<size_t>(rest - text.data()));
  return true;
}

std::optional<SearchToken> SearchToken::Parse(std::string_view text) {
  SearchToken token;
  int64_t skip = 0;
  if (text.empty() || text.front() != 's') return std::nullopt;
  text.remove_prefix(1);
  if (!TakeNumber(text, &token.below) || text.empty() || text.front() != '_') {
    return std::nullopt;
  }
  text.remove_prefix(1);
  if (!TakeNumber(text, &skip)) return std::nullopt;
  token.skip = static_cast<size_t>(skip);
  while (!text.empty()) {
    if (text.size() < 3 || text[0] != '.') return std::nullopt;
    const size_t end = std::min(text.find('.', 1), text.size());
    auto name = Base64Decode(text.substr(2, end - 2), Base64Alphabet::kUrlSafe);
    if (!name || name->empty() || (text[1] != 'r' && text[1] != 'u')) {
      return std::nullopt;
    }
    (text[1] == 'r' ? token.room_id : token.sender) = std::move(*name);
    text.remove_prefix(end);
  }
  return token;
}

struct Found {
  double score = 0;
  const RoomHead* room = nullptr;
  StoredEvent event;
};

// One search, at one snapshot.
class Searcher {
 public:
  Searcher(RoomReader& reader, const Session& session,
           const SearchService::Query& query, SearchToken token,
           const Clock& clock)
      : reader_(reader),
        session_(session),
        query_(query),
        token_(std::move(token)),
        terms_(SearchTerms::Parse(query.term)),
        events_(reader, session, clock.Now()) {}

  Status Search(SearchIndex& index);
  Status Write(json::Writer& out);

 private:
  Status ChooseRooms();
  Status AddRoom(std::string_view room_id);
  Status AddPredecessors(std::string room_id,
                         std::set<std::string, std::less<>>& ids);
  Result<const RoomHead*> Head(RoomNid nid);
  Status Take(const std::vector<SearchHit>& hits);
  void Page(const std::vector<SearchHit>& hits);
  std::span<const Found> page() const {
    return std::span(found_).subspan(begin_, end_ - begin_);
  }

  void WriteHighlights(json::Writer& out) const;
  Status WriteResults(json::Writer& out);
  Status WriteContext(json::Writer& out, const Found& found);
  Status WriteProfiles(json::Writer& out, const RoomHead& room, StateSnap state,
                       const std::vector<StoredEvent>& events);
  void WriteGroups(json::Writer& out);
  Status WriteState(json::Writer& out);

  RoomReader& reader_;
  const Session& session_;
  const SearchService::Query& query_;
  const SearchToken token_;
  const SearchTerms terms_;
  ClientEvents events_;
  IgnoredUsers ignored_;
  std::vector<RoomNid> rooms_;  // Sorted.
  std::map<RoomNid, std::unique_ptr<const RoomHead>> heads_;
  std::vector<Found> found_;  // In the order asked for;
  size_t begin_ = 0;          // the page is from here
  size_t end_ = 0;            // to here.
  std::optional<SearchToken> next_;
};

Result<const RoomHead*> Searcher::Head(RoomNid nid) {
  auto& head = heads_[nid];
  if (head == nullptr) {
    MC_ASSIGN_OR_RETURN(auto found, reader_.Head(nid));
    if (!found) return Status(StatusCode::kDataLoss, "a room is missing");
    head = std::make_unique<const RoomHead>(std::move(*found));
  }
  return head.get();
}

// A room that the filter names and that the user may look at.
Status Searcher::AddRoom(std::string_view room_id) {
  const Result<RoomWindow> window =
      OpenRoom(reader_, session_.user_id, room_id);
  if (window.ok()) {
    rooms_.push_back(window->room.nid);
    return OkStatus();
  }
  return window.status().code() == StatusCode::kPermissionDenied
             ? OkStatus()
             : window.status();
}

Status Searcher::AddPredecessors(std::string room_id,
                                 std::set<std::string, std::less<>>& ids) {
  for (int i = 0; i < kMaxPredecessors && !room_id.empty(); ++i) {
    if (!ids.insert(room_id).second) break;
    MC_ASSIGN_OR_RETURN(const auto head, reader_.Head(room_id));
    if (!head) break;
    MC_ASSIGN_OR_RETURN(
        const EventPtr create,
        reader_.StateEvent(*head, head->state, kTypeCreate, ""));
    if (create == nullptr) break;
    room_id = create->content()["predecessor"]["room_id"].StringOr("");
  }
  return OkStatus();
}

// The rooms that the user is or was in, or those of them and of the
// world-readable ones that the filter names.
Status Searcher::ChooseRooms() {
  const RoomEventFilter& filter = query_.filter;
  if (filter.rooms) {
    std::set<std::string, std::less<>> ids;
    for (const std::string& id : *filter.rooms) {
      MC_RETURN_IF_ERROR(AddPredecessors(id, ids));
    }
    for (const std::string& id : ids) MC_RETURN_IF_ERROR(AddRoom(id));
  } else {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader_.RoomsOf(session_.user_id));
    for (const MembershipRow& row : rows) {
      if (row.forgotten || row.membership == Membership::kInvite ||
          row.membership == Membership::kKnock) {
        continue;
      }
      rooms_.push_back(row.room);
    }
  }
  std::set<RoomNid> without;
  for (const std::string& id : filter.not_rooms) {
    MC_ASSIGN_OR_RETURN(const auto head, reader_.Head(id));
    if (head) without.insert(head->nid);
  }
  if (!token_.room_id.empty()) {
    MC_ASSIGN_OR_RETURN(const auto only, reader_.Head(token_.room_id));
    std::erase_if(rooms_,
                  [&](RoomNid nid) { return !only || nid != only->nid; });
  }
  std::erase_if(rooms_, [&](RoomNid nid) { return without.contains(nid); });
  std::sort(rooms_.begin(), rooms_.end());
  rooms_.erase(std::unique(rooms_.begin(), rooms_.end()), rooms_.end());
  return OkStatus();
}

Status Searcher::Search(SearchIndex& index) {
  MC_ASSIGN_OR_RETURN(ignored_,
                      ReadIgnoredUsers(reader_.snapshot(), session_.user_id));
  MC_RETURN_IF_ERROR(ChooseRooms());
  SearchQuery query;
  query.terms = terms_;
  query.groups = rooms_;
  query.fields = query_.fields;
  query.before = token_.below;
  query.limit = SearchService::kMaxCandidates;
  MC_ASSIGN_OR_RETURN(const std::vector<SearchHit> hits, index.Search(query));
  MC_RETURN_IF_ERROR(Take(hits));
  Page(hits);
  return OkStatus();
}

// Those of the hits that the user may see and wants, room by room.
Status Searcher::Take(const std::vector<SearchHit>& hits) {
  std::map<RoomNid, std::vector<const SearchHit*>> by_room;
  for (const SearchHit& hit : hits) by_room[hit.group].push_back(&hit);
  for (const auto& [nid, of_room] : by_room) {
    MC_ASSIGN_OR_RETURN(const RoomHead* head, Head(nid));
    std::vector<EventIdx> idxs;
    absl::flat_hash_map<EventIdx, double> scores;
    for (const SearchHit* hit : of_room) {
      const auto idx = static_cast<EventIdx>(hit->item);
      // The index may be ahead of this snapshot.
      if (hit->id > reader_.position()) continue;
      idxs.push_back(idx);
      scores[idx] = hit->score;
    }
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                        reader_.StoredEvents(*head, idxs));
    MC_ASSIGN_OR_RETURN(events, OnlyVisible(reader_, *head, session_.user_id,
                                            ignored_, std::move(events)));
    // What is shown redacted has none of the words.
    MC_ASSIGN_OR_RETURN(const std::vector<bool> erased,
                        ErasedEvents(reader_, *head, session_.user_id, events));
    for (size_t i = 0; i < events.size(); ++i) {
      StoredEvent& event = events[i];
      if ((!erased.empty() && erased[i]) || event.redacted_by != 0 ||
          !query_.filter.Allows(*event.event) ||
          (!token_.sender.empty() && event.event->sender() != token_.sender)) {
        continue;
      }
      const double score = scores[event.idx];
      found_.push_back({score, head, std::move(event)});
    }
  }
  return OkStatus();
}

// Orders what was found and finds the page in it, and where the next one
// begins.
void Searcher::Page(const std::vector<SearchHit>& hits) {
  std::sort(found_.begin(), found_.end(),
            [this](const Found& a, const Found& b) {
              if (query_.by_rank && a.score != b.score)
                return a.score > b.score;
              return a.event.pos > b.event.pos;
            });
  const size_t limit = std::clamp<size_t>(
      query_.filter.limit.value_or(SearchService::kDefaultPage), 1,
      SearchService::kMaxPage);
  begin_ = std::min(token_.skip, found_.size());
  end_ = std::min(begin_ + limit, found_.size());
  const bool truncated =
      !query_.by_rank && hits.size() == SearchService::kMaxCandidates;
  // A full page may be followed by an empty one.
  if (end_ - begin_ < limit && !truncated) return;
  SearchToken next = token_;
  if (end_ == found_.size() && truncated) {
    next.below = hits.back().id;
    next.skip = 0;
  } else {
    next.skip = end_;
    // What is sent meanwhile must not move the pages.
    next.below = std::min(next.below, reader_.position() + 1);
  }
  next_ = std::move(next);
}

Status Searcher::Write(json::Writer& out) {
  out.BeginObject();
  out.Field("count", static_cast<int64_t>(found_.size()));
  if (query_.group_by_room || query_.group_by_sender) WriteGroups(out);
  WriteHighlights(out);
  if (next_) out.Field("next_batch", next_->ToString());
  MC_RETURN_IF_ERROR(WriteResults(out));
  if (query_.include_state) MC_RETURN_IF_ERROR(WriteState(out));
  out.EndObject();
  return OkStatus();
}

void Searcher::WriteHighlights(json::Writer& out) const {
  out.Key("highlights").BeginArray();
  for (const SearchTerms::Word& word : terms_.words()) out.String(word.text);
  out.EndArray();
}

Status Searcher::WriteResults(json::Writer& out) {
  out.Key("results").BeginArray();
  for (const Found& found : page()) {
    out.BeginObject();
    if (query_.context) MC_RETURN_IF_ERROR(WriteContext(out, found));
    out.Key("rank").Double(found.score);
    out.Key("result");
    MC_RETURN_IF_ERROR(
        events_.Write(out, *found.room, found.event, {.with_relations = true}));
    out.EndObject();
  }
  out.EndArray();
  return OkStatus();
}

Status Searcher::WriteContext(json::Writer& out, const Found& found) {
  static const RoomEventFilter kAll;
  const PageReader who{reader_, session_.user_id, kAll, ignored_};
  const auto read = [&](bool backwards, size_t limit) -> Result<EventPage> {
    if (limit == 0) return EventPage();
    PageRequest request{.backwards = backwards,
                        .limit = std::min(limit, SearchService::kMaxContext)};
    (backwards ? request.until : request.after) =
        backwards ? found.event.pos - 1 : found.event.pos;
    request.until = std::min(request.until, reader_.position());
    return ReadPage(who, *found.room, request);
  };
  MC_ASSIGN_OR_RETURN(const EventPage before,
                      read(true, query_.context->before));
  MC_ASSIGN_OR_RETURN(const EventPage after,
                      read(false, query_.context->after));
  const StoredEvent& last =
      after.events.empty() ? found.event : after.events.back();
  const StoredEvent& first =
      before.events.empty() ? found.event : before.events.back();
  out.Key("context").BeginObject();
  out.Field("end", TokenAt(after.next.value_or(last.pos)));
  out.Key("events_after");
  MC_RETURN_IF_ERROR(events_.WriteArray(out, *found.room, after.events, {}));
  out.Key("events_before");
  MC_RETURN_IF_ERROR(events_.WriteArray(out, *found.room, before.events, {}));
  if (query_.context->include_profile) {
    std::vector<StoredEvent> all = before.events;
    all.insert(all.end(), after.events.begin(), after.events.end());
    all.push_back(found.event);
    MC_RETURN_IF_ERROR(WriteProfiles(out, *found.room, last.after, all));
  }
  out.Field("start", TokenAt(before.next.value_or(first.pos - 1)));
  out.EndObject();
  return OkStatus();
}

// As they were then.
Status Searcher::WriteProfiles(json::Writer& out, const RoomHead& room,
                               StateSnap state,
                               const std::vector<StoredEvent>& events) {
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> members,
                      SendersOf(reader_, room, state, events));
  out.Key("profile_info").BeginObject();
  for (const StoredEvent& member : members) {
    out.Key(*member.event->state_key()).BeginObject();
    for (const std::string_view field : {"avatar_url", "displayname"}) {
      const json::Value value = member.event->content()[field];
      if (value.IsString()) out.RawField(field, value.raw());
    }
    out.EndObject();
  }
  out.EndObject();
  return OkStatus();
}

void Searcher::WriteGroups(json::Writer& out) {
  using ValueOf = std::string_view (*)(const Found& found);
  const auto write = [&](std::string_view key, std::string SearchToken::*scope,
                         ValueOf value_of) {
    std::vector<std::string_view> order;
    for (const Found& found : page()) {
      if (std::find(order.begin(), order.end(), value_of(found)) ==
          order.end()) {
        order.push_back(value_of(found));
      }
    }
    out.Key(key).BeginObject();
    for (size_t i = 0; i < order.size(); ++i) {
      const auto of_group = [&](const Found& found) {
        return value_of(found) == order[i];
      };
      out.Key(order[i]).BeginObject();
      if (next_) {
        // Inside the group, behind what pages have given of it.
        SearchToken next = *next_;
        next.*scope = order[i];
        if (next.skip > 0) {
          next.skip = static_cast<size_t>(std::count_if(
              found_.begin(), found_.begin() + static_cast<ptrdiff_t>(end_),
              of_group));
        }
        out.Field("next_batch", next.ToString());
      }
      out.Field("order", static_cast<int64_t>(i + 1));
      out.Key("results").BeginArray();
      for (const Found& found : page()) {
        if (of_group(found)) out.String(found.event.event->event_id());
      }
      out.EndArray();
      out.EndObject();
    }
    out.EndObject();
  };
  out.Key("groups").BeginObject();
  if (query_.group_by_room) {
    write("room_id", &SearchToken::room_id, [](const Found& found) {
      return std::string_view(found.room->room_id);
    });
  }
  if (query_.group_by_sender) {
    write("sender", &SearchToken::sender,
          [](const Found& found) { return found.event.event->sender(); });
  }
  out.EndObject();
}

// Of the rooms of the page: now, or as it was when the user left.
Status Searcher::WriteState(json::Writer& out) {
  std::set<std::string_view> rooms;
  for (const Found& found : page()) rooms.insert(found.room->room_id);
  out.Key("state").BeginObject();
  for (const std::string_view room_id : rooms) {
    MC_ASSIGN_OR_RETURN(const RoomWindow window,
                        OpenRoom(reader_, session_.user_id, room_id));
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> state,
                        reader_.StateEvents(window.room, window.state));
    out.Key(room_id);
    MC_RETURN_IF_ERROR(events_.WriteArray(out, window.room, state,
                                          {.with_membership = false}));
  }
  out.EndObject();
  return OkStatus();
}

}  // namespace

Result<std::string> SearchService::RoomEvents(const Session& session,
                                              const Query& query) {
  SearchToken token;
  if (query.next_batch) {
    const auto parsed = SearchToken::Parse(*query.next_batch);
    if (!parsed) return InvalidParamError("`next_batch` is not a token.");
    token = *parsed;
  }
  MC_RETURN_IF_ERROR(deps_.follower.CatchUp(kMaxCatchUp));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  Searcher searcher(reader, session, query, std::move(token), deps_.clock);
  MC_RETURN_IF_ERROR(searcher.Search(deps_.index));
  std::string body;
  json::Writer out(&body);
  MC_RETURN_IF_ERROR(searcher.Write(out));
  return body;
}

}  // namespace matrixcore
