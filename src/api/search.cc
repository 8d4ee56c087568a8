// Full-text search.
#include "matrixcore/service/search.h"

#include <fmt/format.h>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<uint32_t> ParseKeys(json::Value criteria) {
  MC_ASSIGN_OR_RETURN(const json::Value keys, OptionalArray(criteria, "keys"));
  if (!keys) return kSearchBody | kSearchName | kSearchTopic;
  uint32_t fields = 0;
  for (const json::Value key : keys) {
    const std::string_view name = key.StringOr("");
    if (name == "content.body") {
      fields |= kSearchBody;
    } else if (name == "content.name") {
      fields |= kSearchName;
    } else if (name == "content.topic") {
      fields |= kSearchTopic;
    } else {
      return InvalidParam(fmt::format("'{}' cannot be searched", name));
    }
  }
  return fields;
}

Status ParseContext(json::Value criteria, SearchService::Query& query) {
  MC_ASSIGN_OR_RETURN(const json::Value value,
                      OptionalObject(criteria, "event_context"));
  if (!value) return OkStatus();
  SearchContext& context = query.context.emplace();
  MC_ASSIGN_OR_RETURN(const int64_t before,
                      OptionalInt(value, "before_limit", 5));
  MC_ASSIGN_OR_RETURN(const int64_t after,
                      OptionalInt(value, "after_limit", 5));
  if (before < 0 || after < 0) return InvalidParam("a limit is below 0");
  context.before = static_cast<size_t>(before);
  context.after = static_cast<size_t>(after);
  MC_ASSIGN_OR_RETURN(context.include_profile,
                      OptionalBool(value, "include_profile", false));
  return OkStatus();
}

Status ParseGroups(json::Value criteria, SearchService::Query& query) {
  MC_ASSIGN_OR_RETURN(const json::Value groupings,
                      OptionalObject(criteria, "groupings"));
  MC_ASSIGN_OR_RETURN(const json::Value groups,
                      OptionalArray(groupings, "group_by"));
  for (const json::Value group : groups) {
    const std::string_view key = group["key"].StringOr("");
    if (key == "room_id") {
      query.group_by_room = true;
    } else if (key == "sender") {
      query.group_by_sender = true;
    } else {
      return InvalidParam(fmt::format("'{}' is no key of groups", key));
    }
  }
  return OkStatus();
}

Result<SearchService::Query> ParseCriteria(json::Value criteria) {
  SearchService::Query query;
  MC_ASSIGN_OR_RETURN(query.term, RequiredString(criteria, "search_term"));
  MC_ASSIGN_OR_RETURN(query.fields, ParseKeys(criteria));
  MC_ASSIGN_OR_RETURN(const json::Value filter,
                      OptionalObject(criteria, "filter"));
  if (filter) {
    MC_ASSIGN_OR_RETURN(query.filter, ParseRoomEventFilter(filter));
  }
  MC_ASSIGN_OR_RETURN(const auto order, OptionalString(criteria, "order_by"));
  if (order && *order != "rank" && *order != "recent") {
    return InvalidParam("'order_by' must be one of: rank, recent");
  }
  query.by_rank = order != "recent";
  MC_RETURN_IF_ERROR(ParseContext(criteria, query));
  MC_RETURN_IF_ERROR(ParseGroups(criteria, query));
  MC_ASSIGN_OR_RETURN(query.include_state,
                      OptionalBool(criteria, "include_state", false));
  return query;
}

Result<Reply> Search(Call& call) {
  MC_ASSIGN_OR_RETURN(const json::Value categories,
                      RequiredObject(call.root(), "search_categories"));
  MC_ASSIGN_OR_RETURN(const json::Value criteria,
                      OptionalObject(categories, "room_events"));
  std::string events;
  if (criteria) {
    MC_ASSIGN_OR_RETURN(SearchService::Query query, ParseCriteria(criteria));
    if (const auto batch = OptionalQuery(call, "next_batch")) {
      query.next_batch = *batch;
    }
    MC_ASSIGN_OR_RETURN(events,
                        call.services.search.RoomEvents(*call.session, query));
  }
  return ObjectReply([&](json::Writer& w) {
    w.Key("search_categories").BeginObject();
    if (!events.empty()) w.RawField("room_events", events);
    w.EndObject();
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost, "/_matrix/client/v3/search", Auth::kUser,
     RateLimit::kDefault, Lane::kBackground, Body::kObject, &Search, "search"},
};

}  // namespace

std::span<const Route> SearchRoutes() { return kRoutes; }

}  // namespace matrixcore::api
