// DirectoryService: the summary of a room, and the hierarchy of a space (spec:
// client-server API, "Spaces").
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/directory.h"
#include "service/room_access.h"
#include "service/room_preview_json.h"

namespace matrixcore {
namespace {

constexpr std::string_view kTypeSpaceChild = "m.space.child";
constexpr std::string_view kSpaceType = "m.space";
constexpr size_t kMaxOrderBytes = 50;

// --- Children ---

// Spec: m.space.child: without a list of servers it makes no child.
bool IsChild(const Event& event) {
  const json::Value via = event.content()["via"];
  if (!via.IsArray() || via.empty()) return false;
  for (const json::Value server : via) {
    if (!server.IsString()) return false;
  }
  return true;
}

// The child's `order`; nothing when it has no valid one.
std::optional<std::string_view> OrderOf(const Event& event) {
  const auto order = event.content()["order"].AsString();
  if (!order || order->empty() || order->size() > kMaxOrderBytes) {
    return std::nullopt;
  }
  const bool printable = std::all_of(order->begin(), order->end(), [](char c) {
    return c >= ' ' && c <= '~';
  });
  return printable ? order : std::nullopt;
}

// Spec: "Ordering of children within a space".
bool ComesBefore(const EventPtr& a, const EventPtr& b) {
  const auto order_a = OrderOf(*a);
  const auto order_b = OrderOf(*b);
  if (order_a.has_value() != order_b.has_value()) return order_a.has_value();
  if (order_a && *order_a != *order_b) return *order_a < *order_b;
  if (a->origin_server_ts() != b->origin_server_ts()) {
    return a->origin_server_ts() < b->origin_server_ts();
  }
  return *a->state_key() < *b->state_key();
}

Result<std::vector<EventPtr>> ChildrenOf(RoomReader& reader,
                                         const RoomHead& room,
                                         bool suggested_only) {
  MC_ASSIGN_OR_RETURN(
      std::vector<EventPtr> children,
      reader.StateEventsOfType(room, room.state, kTypeSpaceChild));
  std::erase_if(children, [suggested_only](const EventPtr& child) {
    return !IsChild(*child) ||
           (suggested_only &&
            !child->content()["suggested"].AsBool().value_or(false));
  });
  std::sort(children.begin(), children.end(), ComesBefore);
  return children;
}

void WriteChildren(json::Writer& out, const std::vector<EventPtr>& children) {
  out.Key("children_state").BeginArray();
  for (const EventPtr& child : children) {
    out.BeginObject();
    out.RawField("content", child->content_json());
    out.Field("origin_server_ts", child->origin_server_ts());
    out.Field("sender", child->sender());
    out.Field("state_key", *child->state_key());
    out.Field("type", child->type());
    out.EndObject();
  }
  out.EndArray();
}

// --- Walking ---

// Walks a space depth first.  A page goes on by walking again past the rooms of
// the pages before it: nothing is kept between requests, and nothing expires.
class SpaceWalk {
 public:
  struct Step {
    RoomHead room;
    RoomPreview preview;
    std::vector<EventPtr> children;
  };

  SpaceWalk(RoomReader& reader, const std::string& user_id, int64_t max_depth,
            bool suggested_only)
      : reader_(reader),
        user_id_(user_id),
        max_depth_(max_depth),
        suggested_only_(suggested_only) {}

  void Begin(std::string_view room_id) {
    pending_.push_back({std::string(room_id), 0});
  }
  // The next room that the user may find; nothing at the end.
  Result<std::optional<Step>> Next() {
    while (!pending_.empty()) {
      const Pending next = std::move(pending_.back());
      pending_.pop_back();
      if (seen_.size() >= DirectoryService::kMaxHierarchyRooms) break;
      if (!seen_.insert(next.room_id).second) continue;
      MC_ASSIGN_OR_RETURN(std::optional<Step> step, Visit(next));
      if (step) return step;
    }
    return std::optional<Step>();
  }

 private:
  struct Pending {
    std::string room_id;
    int64_t depth = 0;
  };

  Result<std::optional<Step>> Visit(const Pending& place) {
    MC_ASSIGN_OR_RETURN(auto head, reader_.Head(place.room_id));
    if (!head) return std::optional<Step>();
    Step step;
    step.room = std::move(*head);
    MC_ASSIGN_OR_RETURN(auto previews, reader_.Previews({&step.room.nid, 1}));
    step.preview = std::move(previews[0]);
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader_.MembershipOf(user_id_, step.room.nid));
    MC_ASSIGN_OR_RETURN(const bool visible,
                        MayFindRoom(reader_, step.room, step.preview, user_id_,
                                    row ? row->membership : Membership::kNone));
    if (!visible) return std::optional<Step>();
    if (step.preview.type == kSpaceType) {
      MC_ASSIGN_OR_RETURN(step.children,
                          ChildrenOf(reader_, step.room, suggested_only_));
    }
    if (place.depth < max_depth_) {
      for (auto child = step.children.rbegin(); child != step.children.rend();
           ++child) {
        pending_.push_back(
            {std::string(*(*child)->state_key()), place.depth + 1});
      }
    }
    return std::optional<Step>(std::move(step));
  }

  RoomReader& reader_;
  const std::string& user_id_;
  const int64_t max_depth_;
  const bool suggested_only_;
  std::vector<Pending> pending_;  // The next one last.
  absl::flat_hash_set<std::string> seen_;
};

// --- Paging ---

// What a token is good for.
std::string Purpose(const Session& session, std::string_view room_id,
                    int64_t max_depth, bool suggested_only) {
  const Sha256Digest hash = Sha256(fmt::format(
      "{}\n{}\n{}\n{}", session.user_id, room_id, max_depth, suggested_only));
  constexpr size_t kBytes = 9;
  return Base64Encode(ByteView(hash).first(kBytes), Base64Alphabet::kUrlSafe);
}

std::string MakeToken(size_t given, const std::string& purpose) {
  return fmt::format("h{}.{}", given, purpose);
}

// How many rooms the pages before gave.
Result<size_t> ParseFrom(std::string_view from, const std::string& purpose) {
  if (from.empty()) return size_t{0};
  for (size_t digits = 1; digits + 1 < from.size() && digits < 8; ++digits) {
    if (from[digits] < '0' || from[digits] > '9') break;
    const size_t given = std::stoul(std::string(from.substr(1, digits)));
    if (from == MakeToken(given, purpose)) return given;
  }
  return InvalidParamError(
      "`from` is no token of this space, or suggested_only or max_depth "
      "changed.");
}

}  // namespace

Result<std::string> DirectoryService::Hierarchy(const Session& session,
                                                std::string_view room_id,
                                                const HierarchyQuery& query) {
  if (query.limit.value_or(1) < 1) {
    return InvalidParamError("`limit` must be greater than zero.");
  }
  if (query.max_depth.value_or(0) < 0) {
    return InvalidParamError("`max_depth` is negative.");
  }
  const int64_t depth = std::min(query.max_depth.value_or(kMaxHierarchyDepth),
                                 kMaxHierarchyDepth);
  const auto limit = static_cast<size_t>(
      std::min(query.limit.value_or(kMaxHierarchyPage), kMaxHierarchyPage));
  const std::string purpose =
      Purpose(session, room_id, depth, query.suggested_only);
  MC_ASSIGN_OR_RETURN(const size_t skip, ParseFrom(query.from, purpose));

  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  SpaceWalk walk(reader, session.user_id, depth, query.suggested_only);
  walk.Begin(room_id);
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("rooms").BeginArray();
  bool more = true;
  for (size_t i = 0; i < skip + limit; ++i) {
    MC_ASSIGN_OR_RETURN(const auto step, walk.Next());
    if (!step && i == 0) return ForbiddenError("You may not view this room.");
    if (i == 0 && step->room.room_id != room_id) {
      return ForbiddenError("You may not view this room.");
    }
    more = step.has_value();
    if (!more) break;
    if (i < skip) continue;
    out.BeginObject();
    WriteRoomSummary(out, step->room, step->preview);
    WriteChildren(out, step->children);
    out.EndObject();
  }
  out.EndArray();
  if (more) {
    MC_ASSIGN_OR_RETURN(const auto next, walk.Next());
    if (next) out.Field("next_batch", MakeToken(skip + limit, purpose));
  }
  out.EndObject();
  return body;
}

Result<std::string> DirectoryService::Summary(
    const Session* session, std::string_view room_id_or_alias) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  const Status missing = NotFoundError("Room not found.");
  std::optional<RoomHead> room;
  if (IsRoomAlias(room_id_or_alias)) {
    MC_ASSIGN_OR_RETURN(const auto nid, reader.AliasRoom(room_id_or_alias));
    if (nid) {
      MC_ASSIGN_OR_RETURN(room, reader.Head(*nid));
    }
  } else if (IsRoomId(room_id_or_alias)) {
    MC_ASSIGN_OR_RETURN(room, reader.Head(room_id_or_alias));
  } else {
    return InvalidParamError(
        fmt::format("{} is neither a room id nor an alias.", room_id_or_alias));
  }
  if (!room) return missing;
  const std::string user_id = session == nullptr ? "" : session->user_id;
  Membership membership = Membership::kNone;
  if (session != nullptr) {
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader.MembershipOf(user_id, room->nid));
    if (row) membership = row->membership;
  }
  MC_ASSIGN_OR_RETURN(const auto previews, reader.Previews({&room->nid, 1}));
  MC_ASSIGN_OR_RETURN(
      const bool visible,
      MayFindRoom(reader, *room, previews[0], user_id, membership));
  if (!visible) return missing;
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  WriteRoomSummary(out, *room, previews[0]);
  if (session != nullptr) out.Field("membership", MembershipName(membership));
  out.EndObject();
  return body;
}

}  // namespace matrixcore
