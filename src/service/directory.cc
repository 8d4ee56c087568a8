#include "matrixcore/service/directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "matrixcore/event/glob.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "service/room_access.h"
#include "service/room_preview_json.h"

namespace matrixcore {
namespace {

using Query = DirectoryService::PublicRoomsQuery;
using Place = RoomReader::ListedPlace;

// Rooms are read from the directory so many at once when a filter drops some.
constexpr size_t kScanStep = 500;

struct ListedRoom {
  RoomHead head;
  RoomPreview preview;
};

// Where a page begins: "n" goes on after the room, "p" goes back before it.
struct Start {
  std::optional<Place> place;
  bool backwards = false;
};

std::string TokenAt(char direction, const RoomHead& room) {
  return fmt::format("{}{}_{}", direction, room.joined, room.nid);
}

std::optional<int64_t> ParseCount(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) return std::nullopt;
  return value;
}

Result<Start> ParseSince(std::string_view since) {
  Start start;
  if (since.empty()) return start;
  const Status unknown = InvalidParamError("`since` is not a token.");
  if (since[0] != 'n' && since[0] != 'p') return unknown;
  start.backwards = since[0] == 'p';
  const size_t line = since.find('_');
  if (line == std::string_view::npos) return unknown;
  const auto joined = ParseCount(since.substr(1, line - 1));
  const auto room = ParseCount(since.substr(line + 1));
  if (!joined || !room) return unknown;
  start.place = Place{*joined, *room};
  return start;
}

// The filter of a request, ready to be tried on many rooms.
class RoomFilter {
 public:
  explicit RoomFilter(const Query& query)
      : types_(query.room_types), room_id_(query.search_term) {
    const std::string term = FoldCase(query.search_term);
    for (size_t begin = 0; begin < term.size();) {
      const size_t end = std::min(term.find(' ', begin), term.size());
      if (end > begin) words_.push_back(term.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  bool all() const { return words_.empty() && !types_; }

  bool Allows(const ListedRoom& room) const {
    return AllowsType(room.preview.type) &&
           (words_.empty() || room.head.room_id == room_id_ ||
            HasWords(room.preview));
  }

 private:
  bool AllowsType(const std::string& type) const {
    return !types_ || std::any_of(types_->begin(), types_->end(),
                                  [&type](const auto& wanted) {
                                    return wanted.value_or("") == type;
                                  });
  }
  bool HasWords(const RoomPreview& preview) const {
    // A line break keeps a word from matching across two of them.
    const std::string text = FoldCase(fmt::format(
        "{}\n{}\n{}", preview.name, preview.topic, preview.canonical_alias));
    return std::all_of(words_.begin(), words_.end(),
                       [&text](const std::string& word) {
                         return text.find(word) != std::string::npos;
                       });
  }

  const std::optional<std::vector<std::optional<std::string>>> types_;
  const std::string room_id_;
  std::vector<std::string> words_;
};

struct DirectoryPage {
  std::vector<ListedRoom> rooms;  // In the direction of reading.
  // The last room that was looked at, when there are more.
  std::optional<RoomHead> more_after;
};

Result<DirectoryPage> ReadDirectory(RoomReader& reader, const Start& start,
                                    const RoomFilter& filter, size_t limit) {
  DirectoryPage page;
  std::optional<Place> place = start.place;
  std::optional<RoomHead> last;
  size_t budget = DirectoryService::kMaxScannedRooms;
  while (true) {
    const size_t step =
        filter.all() ? limit - page.rooms.size() + 1 : kScanStep;
    MC_ASSIGN_OR_RETURN(std::vector<RoomHead> heads,
                        reader.ListedRooms(place, start.backwards, step));
    const bool end = heads.size() < step;
    std::vector<RoomNid> nids;
    for (const RoomHead& head : heads) nids.push_back(head.nid);
    MC_ASSIGN_OR_RETURN(std::vector<RoomPreview> previews,
                        reader.Previews(nids));
    for (size_t i = 0; i < heads.size(); ++i) {
      ListedRoom room{std::move(heads[i]), std::move(previews[i])};
      const bool take = filter.Allows(room);
      if (take && page.rooms.size() == limit) {
        page.more_after = std::move(last);
        return page;
      }
      place = Place{room.head.joined, room.head.nid};
      last = room.head;
      if (take) page.rooms.push_back(std::move(room));
    }
    if (end) return page;
    budget -= std::min(budget, step);
    if (budget == 0) {
      page.more_after = std::move(last);
      return page;
    }
  }
}

}  // namespace

Result<std::string> DirectoryService::PublicRooms(const Query& query) {
  if (!query.server.empty() && query.server != options_.server_name) {
    if (!IsServerName(query.server)) {
      return InvalidParamError(
          fmt::format("{} is not a server name.", query.server));
    }
    return NotFoundError(
        fmt::format("{} cannot be asked: this server does not "
                    "federate.",
                    query.server));
  }
  if (query.limit && *query.limit < 0) {
    return InvalidParamError("`limit` is negative.");
  }
  const auto wanted = static_cast<size_t>(query.limit.value_or(0));
  const size_t limit =
      wanted == 0 ? kDefaultRooms : std::min(wanted, kMaxRooms);
  MC_ASSIGN_OR_RETURN(const Start start, ParseSince(query.since));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  DirectoryPage page;
  int64_t total = 0;
  // The rooms of a network are those that its application service lists.
  if (query.network.empty()) {
    MC_ASSIGN_OR_RETURN(page,
                        ReadDirectory(reader, start, RoomFilter(query), limit));
    MC_ASSIGN_OR_RETURN(total, reader.CountListedRooms());
  }
  const bool more = page.more_after.has_value();
  const bool before = start.backwards ? more : start.place.has_value();
  const bool after = start.backwards ? start.place.has_value() : more;
  std::optional<RoomHead> first;
  std::optional<RoomHead> last = page.more_after;
  if (!page.rooms.empty()) first = page.rooms.front().head;
  if (!last && !page.rooms.empty()) last = page.rooms.back().head;
  if (start.backwards) {
    std::swap(first, last);
    std::reverse(page.rooms.begin(), page.rooms.end());
  }
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk").BeginArray();
  for (const ListedRoom& room : page.rooms) {
    out.BeginObject();
    WritePublishedRoom(out, room.head, room.preview);
    out.EndObject();
  }
  out.EndArray();
  if (after && last) out.Field("next_batch", TokenAt('n', *last));
  if (before && first) out.Field("prev_batch", TokenAt('p', *first));
  out.Field("total_room_count_estimate", total);
  out.EndObject();
  return body;
}

}  // namespace matrixcore
