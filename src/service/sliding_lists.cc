#include "service/sliding_lists.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/event/glob.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/value.h"
#include "service/invite_permission.h"
#include "service/room_facts.h"

namespace matrixcore {
namespace {

constexpr std::string_view kDirectType = "m.direct";
constexpr std::string_view kSpaceChildType = "m.space.child";

bool MoreRecent(const ListedRoom& a, const ListedRoom& b) {
  return a.active != b.active ? a.active > b.active : a.user.room > b.user.room;
}

std::vector<std::string> TagsOf(std::string_view content) {
  std::vector<std::string> tags;
  const Result<json::Document> document = json::Document::ParseView(content);
  if (!document.ok()) return tags;
  for (const auto [tag, value] : document->root()["tags"].members()) {
    tags.emplace_back(tag);
  }
  std::sort(tags.begin(), tags.end());
  return tags;
}

// The rooms in m.direct.
Result<absl::flat_hash_set<RoomNid>> ReadDirectRooms(
    RoomReader& reader, RoomNumbers& numbers, const std::string& user_id) {
  absl::flat_hash_set<RoomNid> rooms;
  MC_ASSIGN_OR_RETURN(
      const std::optional<std::string> content,
      ReadGlobalAccountData(reader.snapshot(), user_id, kDirectType));
  if (!content) return rooms;
  const Result<json::Document> document = json::Document::ParseView(*content);
  if (!document.ok()) return rooms;
  for (const auto [user, list] : document->root().members()) {
    for (const json::Value room : list) {
      const auto id = room.AsString();
      if (!id) continue;
      MC_ASSIGN_OR_RETURN(const RoomNid nid,
                          numbers.Find(reader, std::string(*id)));
      if (nid != 0) rooms.insert(nid);
    }
  }
  return rooms;
}

// Rooms that are looked for among very many others.
class RoomSet {
 public:
  // Those of `rooms` that are not in `without`.
  RoomSet(std::vector<RoomNid> rooms, const std::vector<RoomNid>& without)
      : rooms_(std::move(rooms)) {
    std::erase_if(rooms_, [&without](RoomNid room) {
      return std::find(without.begin(), without.end(), room) != without.end();
    });
    std::sort(rooms_.begin(), rooms_.end());
  }
  bool empty() const { return rooms_.empty(); }
  bool Contains(RoomNid room) const {
    // Most are out of the range of a few.
    return !rooms_.empty() && room >= rooms_.front() && room <= rooms_.back() &&
           std::binary_search(rooms_.begin(), rooms_.end(), room);
  }

 private:
  std::vector<RoomNid> rooms_;
};

bool Intersect(const std::vector<std::string>& tags,
               const std::vector<std::string>& wanted) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& tag) {
    return std::binary_search(tags.begin(), tags.end(), tag);
  });
}

}  // namespace

Result<RoomNid> RoomNumbers::Find(RoomReader& reader,
                                  const std::string& room_id) {
  if (const auto known = numbers_.Get(room_id)) return *known;
  MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head, reader.Head(room_id));
  if (!head) return RoomNid{0};  // It may yet come to be.
  numbers_.Put(room_id, head->nid);
  return head->nid;
}

const ListedRoom* RoomListing::Find(RoomNid room) const {
  const auto it = std::find_if(
      rooms->begin(), rooms->end(),
      [room](const ListedRoom& listed) { return listed.user.room == room; });
  return it == rooms->end() ? nullptr : &*it;
}

// --- Making listings ---

// Makes one listing from one snapshot.
class RoomListings::Maker {
 public:
  Maker(RoomListings& listings, RoomReader& reader, const std::string& user_id,
        RoomListing& listing)
      : listings_(listings),
        reader_(reader),
        snapshot_(reader.snapshot()),
        user_id_(user_id),
        listing_(listing) {}

  Status MakeAnew(const std::vector<UserRoom>& user_rooms) {
    listing_.at = reader_.position();
    listing_.generation = ++listings_.generations_;
    MC_ASSIGN_OR_RETURN(std::vector<ListedRoom> rooms, MakeRooms(user_rooms));
    std::sort(rooms.begin(), rooms.end(), MoreRecent);
    listing_.rooms =
        std::make_shared<const std::vector<ListedRoom>>(std::move(rooms));
    if (!listing_.with_tags) return OkStatus();
    MC_ASSIGN_OR_RETURN(const std::vector<AccountDataService::Entry> entries,
                        AccountDataService::Since(snapshot_, user_id_, 0));
    return TakeTags(entries);
  }

  // Brings the listing forward; false when it has to be made anew.
  Result<bool> BringForward(const std::vector<UserRoom>& user_rooms) {
    const Position since = std::exchange(listing_.at, reader_.position());
    if (since == listing_.at) return true;
    MC_ASSIGN_OR_RETURN(const std::vector<AccountDataService::Entry> entries,
                        AccountDataService::Since(snapshot_, user_id_, since));
    for (const AccountDataService::Entry& entry : entries) {
      if (entry.room_id.empty() &&
          (entry.type == kDirectType || entry.type == kIgnoredUserListType ||
           entry.type == kInvitePermissionType)) {
        return false;
      }
    }
    // Asked after the snapshot was taken: it has nothing that this misses.
    const std::optional<std::vector<RoomNid>> active =
        listings_.activity_.ChangedSince(since);
    if (!active) return false;
    if (listing_.with_tags) MC_RETURN_IF_ERROR(TakeTags(entries));
    std::vector<UserRoom> moved;
    for (const UserRoom& room : user_rooms) {
      if (room.pos > since) moved.push_back(room);
    }
    MC_RETURN_IF_ERROR(AddForgotten(user_rooms, since, &moved));
    if (moved.empty() && active->empty()) return true;
    MC_ASSIGN_OR_RETURN(std::vector<ListedRoom> changed, MakeRooms(moved));
    std::vector<RoomNid> gone;
    for (const UserRoom& room : moved) gone.push_back(room.room);
    if (!moved.empty()) listing_.generation = ++listings_.generations_;
    MC_RETURN_IF_ERROR(TakeActive(*active, &gone, &changed));
    Replace(std::move(gone), std::move(changed));
    return true;
  }

 private:
  // Rooms that were forgotten since, and nothing else: those that moved are
  // known by their position.
  Status AddForgotten(const std::vector<UserRoom>& user_rooms, Position since,
                      std::vector<UserRoom>* moved) {
    MC_ASSIGN_OR_RETURN(const Position forgot, LastForget(snapshot_, user_id_));
    if (forgot <= since) return OkStatus();
    for (const ListedRoom& listed : *listing_.rooms) {
      if (listed.joined() || listed.user.forgotten) continue;
      const UserRoom* now = FindRoom(user_rooms, listed.user.room);
      if (now != nullptr && now->forgotten && now->pos <= since) {
        moved->push_back(*now);
      }
    }
    std::sort(
        moved->begin(), moved->end(),
        [](const UserRoom& a, const UserRoom& b) { return a.room < b.room; });
    return OkStatus();
  }

  // What the rows say, without the rooms that are not listed at all.  The rows
  // are by room.
  Result<std::vector<ListedRoom>> MakeRooms(const std::vector<UserRoom>& rows) {
    std::vector<ListedRoom> rooms;
    if (rows.empty()) return rooms;
    MC_ASSIGN_OR_RETURN(const auto direct,
                        ReadDirectRooms(reader_, listings_.numbers_, user_id_));
    MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                        ReadIgnoredUsers(snapshot_, user_id_));
    MC_ASSIGN_OR_RETURN(const bool blocks_invites,
                        BlocksInvites(snapshot_, user_id_));
    std::vector<RoomNid> nids;
    std::vector<RoomNid> others;  // That the user is not joined to.
    nids.reserve(rows.size());
    for (const UserRoom& row : rows) {
      nids.push_back(row.room);
      if (row.membership != Membership::kJoin) others.push_back(row.room);
    }
    MC_ASSIGN_OR_RETURN(const std::vector<RoomFacts> facts,
                        ReadRoomFacts(snapshot_, nids, listing_.with_facts));
    MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                        reader_.Heads(others));
    auto head = heads.begin();
    rooms.reserve(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      const UserRoom& row = rows[i];
      const std::optional<RoomHead>* other =
          row.membership == Membership::kJoin ? nullptr : &*head++;
      if (facts[i].last_pos == 0 || row.membership == Membership::kNone ||
          (row.membership == Membership::kInvite && blocks_invites)) {
        continue;
      }
      ListedRoom room{.user = row, .active = row.pos};
      room.is_dm = direct.contains(row.room);
      TakeFacts(facts[i], &room);
      if (room.joined()) {
        room.active = facts[i].last_pos;
        room.state = facts[i].state;
      } else {
        MC_ASSIGN_OR_RETURN(const bool listed,
                            LookAtMembership(**other, ignored, &room));
        if (!listed) continue;
      }
      rooms.push_back(room);
    }
    return rooms;
  }

  // Whether a room that the user is not joined to is listed, and how.
  Result<bool> LookAtMembership(const RoomHead& head,
                                const IgnoredUsers& ignored, ListedRoom* room) {
    if (room->user.membership == Membership::kKnock) return true;
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> member,
                        reader_.StoredEvents(head, {&room->user.idx, 1}));
    const std::string_view sender = member[0].event->sender();
    if (room->user.membership == Membership::kInvite) {
      // Spec: "Ignoring Users": no invites from ignored users.
      return !IsIgnored(ignored, sender);
    }
    room->shown = false;
    if (room->user.forgotten) return true;
    if (sender == user_id_ || member[0].replaces == 0) return true;
    MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> before,
                        reader_.Events(head, {&member[0].replaces, 1}));
    const Membership was = MembershipOf(*before[0]);
    room->shown =
        was == Membership::kJoin ||
        (was == Membership::kBan && room->user.membership == Membership::kBan);
    if (was != Membership::kJoin && room->shown) {
      // A ban anew: what counts is whether the user ever was in.
      MC_ASSIGN_OR_RETURN(const std::optional<StoredEvent> end,
                          reader_.EndOfStay(head, user_id_));
      room->shown = end.has_value();
    }
    return true;
  }

  void TakeFacts(const RoomFacts& facts, ListedRoom* room) {
    if (!listing_.with_facts) return;
    room->encrypted = facts.encrypted;
    room->type = TypeNumber(facts.type);
  }

  uint16_t TypeNumber(const std::string& type) {
    std::vector<std::string>& types = listing_.types;
    const auto it = std::find(types.begin(), types.end(), type);
    if (it != types.end()) return static_cast<uint16_t>(it - types.begin());
    // Anyone may name types; a user in rooms of so many finds some nameless.
    if (types.size() >= 1000) return 0;
    types.push_back(type);
    return static_cast<uint16_t>(types.size() - 1);
  }

  Status TakeTags(const std::vector<AccountDataService::Entry>& entries) {
    for (const AccountDataService::Entry& entry : entries) {
      if (entry.room_id.empty() || entry.type != kTagType) continue;
      MC_ASSIGN_OR_RETURN(const RoomNid room,
                          listings_.numbers_.Find(reader_, entry.room_id));
      if (room == 0) continue;
      listing_.generation = ++listings_.generations_;
      std::vector<std::string> tags = TagsOf(entry.content);
      if (tags.empty()) {
        listing_.tags.erase(room);
      } else {
        listing_.tags[room] = std::move(tags);
      }
    }
    return OkStatus();
  }

  // Joined rooms in which something happened move up.
  Status TakeActive(const std::vector<RoomNid>& active,
                    std::vector<RoomNid>* gone,
                    std::vector<ListedRoom>* changed) {
    const RoomSet wanted(active, *gone);
    if (wanted.empty()) return OkStatus();
    std::vector<ListedRoom> rooms;
    for (const ListedRoom& room : *listing_.rooms) {
      if (wanted.Contains(room.user.room) && room.joined()) {
        rooms.push_back(room);
      }
    }
    std::sort(rooms.begin(), rooms.end(),
              [](const ListedRoom& a, const ListedRoom& b) {
                return a.user.room < b.user.room;
              });
    std::vector<RoomNid> nids;
    for (const ListedRoom& room : rooms) nids.push_back(room.user.room);
    MC_ASSIGN_OR_RETURN(const std::vector<RoomFacts> facts,
                        ReadRoomFacts(snapshot_, nids, false));
    std::vector<ListedRoom> renewed;
    std::vector<RoomNid> renewed_nids;
    for (size_t i = 0; i < rooms.size(); ++i) {
      if (facts[i].last_pos == 0 || facts[i].last_pos == rooms[i].active) {
        continue;
      }
      gone->push_back(nids[i]);
      rooms[i].active = facts[i].last_pos;
      if (std::exchange(rooms[i].state, facts[i].state) == facts[i].state) {
        changed->push_back(rooms[i]);
      } else {
        renewed.push_back(rooms[i]);
        renewed_nids.push_back(nids[i]);
      }
    }
    if (!listing_.with_facts) renewed_nids.clear();
    MC_ASSIGN_OR_RETURN(const std::vector<RoomFacts> now,
                        ReadRoomFacts(snapshot_, renewed_nids, true));
    for (size_t i = 0; i < now.size(); ++i) {
      const ListedRoom before = renewed[i];
      TakeFacts(now[i], &renewed[i]);
      if (renewed[i].encrypted != before.encrypted ||
          renewed[i].type != before.type) {
        listing_.generation = ++listings_.generations_;
      }
    }
    changed->insert(changed->end(), renewed.begin(), renewed.end());
    return OkStatus();
  }

  void Replace(std::vector<RoomNid> gone, std::vector<ListedRoom> changed) {
    if (gone.empty()) return;
    const RoomSet without(std::move(gone), {});
    std::sort(changed.begin(), changed.end(), MoreRecent);
    auto merged = std::make_shared<std::vector<ListedRoom>>();
    merged->reserve(listing_.rooms->size() + changed.size());
    auto next = changed.begin();
    for (const ListedRoom& room : *listing_.rooms) {
      if (without.Contains(room.user.room)) continue;
      while (next != changed.end() && MoreRecent(*next, room)) {
        merged->push_back(*next++);
      }
      merged->push_back(room);
    }
    merged->insert(merged->end(), next, changed.end());
    listing_.rooms = std::move(merged);
  }

  RoomListings& listings_;
  RoomReader& reader_;
  Snapshot& snapshot_;
  const std::string& user_id_;
  RoomListing& listing_;
};

namespace {

// Of the budget of all caches.
constexpr uint32_t kShare = 8;

size_t BytesOf(const RoomListings::List& listing) {
  size_t bytes = SharedBlock<RoomListing>() +
                 SharedBlock<std::vector<ListedRoom>>() +
                 HeapBytes(*listing->rooms) + HeapBytes(listing->types) +
                 FlatTableBytes(listing->tags);
  for (const auto& [room, tags] : listing->tags) bytes += HeapBytes(tags);
  return bytes;
}

}  // namespace

RoomListings::RoomListings(CacheBudget& budget, const RoomActivity& activity,
                           RoomNumbers& numbers)
    : listings_(budget, "room_lists", kShare, BytesOf),
      activity_(activity),
      numbers_(numbers) {}

Result<RoomListings::List> RoomListings::Get(
    RoomReader& reader, const std::string& user_id,
    const std::vector<UserRoom>& user_rooms, const Needs& needs) {
  const List known = listings_.Get(user_id).value_or(nullptr);
  const bool enough = known != nullptr && (known->with_facts || !needs.facts) &&
                      (known->with_tags || !needs.tags);
  if (enough && known->at == reader.position()) return known;
  std::shared_ptr<RoomListing> made;
  if (enough && known->at < reader.position()) {
    made = std::make_shared<RoomListing>(*known);
    MC_ASSIGN_OR_RETURN(
        const bool done,
        Maker(*this, reader, user_id, *made).BringForward(user_rooms));
    if (!done) made = nullptr;
  }
  if (made == nullptr) {
    made = std::make_shared<RoomListing>();
    made->with_facts = needs.facts || (known && known->with_facts);
    made->with_tags = needs.tags || (known && known->with_tags);
    MC_RETURN_IF_ERROR(
        Maker(*this, reader, user_id, *made).MakeAnew(user_rooms));
    // An older snapshot must not replace what a newer one taught.
    if (enough && known->at > made->at) return List(made);
  }
  listings_.Put(user_id, made);
  return List(made);
}

// --- Filters ---

RoomListings::Needs ListFilter::NeedsOf(const SlidingFilters& filters) {
  return {.facts = filters.is_encrypted || filters.room_types ||
                   !filters.not_room_types.empty(),
          .tags = filters.tags || !filters.not_tags.empty()};
}

ListFilter::ListFilter(const SlidingFilters& filters,
                       const RoomListing& listing)
    : filters_(filters), listing_(listing), all_(filters == SlidingFilters()) {
  const auto has = [](const std::vector<std::string>& types,
                      const std::string& type) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  for (const std::string& type : listing.types) {
    types_.push_back((!filters.room_types || has(*filters.room_types, type)) &&
                     !has(filters.not_room_types, type));
  }
}

Status ListFilter::Load(RoomReader& reader, RoomNumbers& numbers) {
  if (filters_.spaces) MC_RETURN_IF_ERROR(LoadSpaces(reader, numbers));
  if (!filters_.room_name_like.empty()) return LoadNames(reader);
  return OkStatus();
}

Status ListFilter::LoadSpaces(RoomReader& reader, RoomNumbers& numbers) {
  for (const std::string& space : *filters_.spaces) {
    MC_ASSIGN_OR_RETURN(const RoomNid nid, numbers.Find(reader, space));
    const ListedRoom* listed = nid == 0 ? nullptr : listing_.Find(nid);
    if (listed == nullptr || !listed->joined()) continue;
    MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head, reader.Head(nid));
    if (!head) continue;
    MC_ASSIGN_OR_RETURN(
        const std::vector<EventPtr> children,
        reader.StateEventsOfType(*head, head->state, kSpaceChildType));
    for (const EventPtr& child : children) {
      // Spec: "Managing child rooms of a space": without `via` it is none.
      const json::Value via = child->content()["via"];
      if (!via.IsArray() || via.empty()) continue;
      MC_ASSIGN_OR_RETURN(
          const RoomNid room,
          numbers.Find(reader, std::string(*child->state_key())));
      if (room != 0) in_spaces_.insert(room);
    }
  }
  return OkStatus();
}

Status ListFilter::LoadNames(RoomReader& reader) {
  const std::string wanted = FoldCase(filters_.room_name_like);
  std::vector<RoomNid> nids;
  for (const ListedRoom& room : *listing_.rooms) nids.push_back(room.user.room);
  MC_ASSIGN_OR_RETURN(const std::vector<RoomPreview> previews,
                      reader.Previews(nids));
  for (size_t i = 0; i < nids.size(); ++i) {
    if (FoldCase(previews[i].name).find(wanted) != std::string::npos) {
      named_.insert(nids[i]);
    }
  }
  return OkStatus();
}

bool ListFilter::Matches(const ListedRoom& room) const {
  if (all_) return true;
  const bool invited = room.user.membership == Membership::kInvite;
  if ((filters_.is_dm && *filters_.is_dm != room.is_dm) ||
      (filters_.is_encrypted && *filters_.is_encrypted != room.encrypted) ||
      (filters_.is_invited && *filters_.is_invited != invited) ||
      !types_[room.type] ||
      (filters_.spaces && !in_spaces_.contains(room.user.room)) ||
      (!filters_.room_name_like.empty() && !named_.contains(room.user.room))) {
    return false;
  }
  if (!filters_.tags && filters_.not_tags.empty()) return true;
  const auto it = listing_.tags.find(room.user.room);
  const std::vector<std::string> none;
  const std::vector<std::string>& tags =
      it == listing_.tags.end() ? none : it->second;
  return (!filters_.tags || Intersect(tags, *filters_.tags)) &&
         !Intersect(tags, filters_.not_tags);
}

}  // namespace matrixcore
