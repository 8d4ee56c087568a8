#include <algorithm>
#include <charconv>

#include "matrixcore/event/types.h"
#include "matrixcore/service/sliding_sync.h"

namespace matrixcore {
namespace {

using json::Value;

Status BadJson(std::string_view field) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                "'" + std::string(field) + "' is not what it should be");
}

Status InvalidParam(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}

// An optional field: absent and null are the same.
bool Given(Value value) { return !value.IsMissing() && !value.IsNull(); }

Status ReadBool(Value object, std::string_view name, bool* out) {
  const Value value = object[name];
  if (!Given(value)) return OkStatus();
  const std::optional<bool> read = value.AsBool();
  if (!read) return BadJson(name);
  *out = *read;
  return OkStatus();
}

Status ReadBool(Value object, std::string_view name, std::optional<bool>* out) {
  bool read = false;
  if (!Given(object[name])) return OkStatus();
  MC_RETURN_IF_ERROR(ReadBool(object, name, &read));
  *out = read;
  return OkStatus();
}

Status ReadString(Value object, std::string_view name,
                  std::optional<std::string>* out) {
  const Value value = object[name];
  if (!Given(value)) return OkStatus();
  const auto text = value.AsString();
  if (!text) return BadJson(name);
  out->emplace(*text);
  return OkStatus();
}

// A number from 0 on; what is greater than `most` counts as `most`.
Status ReadSize(Value value, std::string_view name, size_t most, size_t* out) {
  const std::optional<int64_t> read = value.AsInt();
  if (!read) return BadJson(name);
  if (*read < 0) return InvalidParam("'" + std::string(name) + "' is negative");
  *out = std::min(static_cast<size_t>(*read), most);
  return OkStatus();
}

// `null` in the list reads as "".
Status ReadStrings(Value object, std::string_view name, bool with_null,
                   std::optional<std::vector<std::string>>* out) {
  const Value value = object[name];
  if (!Given(value)) return OkStatus();
  if (!value.IsArray()) return BadJson(name);
  if (value.size() > SlidingRequest::kMaxElements) {
    return InvalidParam("'" + std::string(name) + "' has too many elements");
  }
  out->emplace();
  for (const Value element : value) {
    const auto text = element.AsString();
    if (!text && !(with_null && element.IsNull())) return BadJson(name);
    (*out)->emplace_back(text.value_or(""));
  }
  return OkStatus();
}

Status ReadStrings(Value object, std::string_view name, bool with_null,
                   std::vector<std::string>* out) {
  std::optional<std::vector<std::string>> read;
  MC_RETURN_IF_ERROR(ReadStrings(object, name, with_null, &read));
  if (read) *out = *std::move(read);
  return OkStatus();
}

// Spec: "Opaque Identifiers".
bool IsListName(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
                  c == '~';
         });
}

void Normalize(std::vector<RequiredState::Element>* elements) {
  std::sort(elements->begin(), elements->end());
  elements->erase(std::unique(elements->begin(), elements->end()),
                  elements->end());
}

class Reader {
 public:
  Reader(SlidingForm form, const Session& session)
      : simplified_(form == SlidingForm::kSimplified), session_(session) {
    request_.form = form;
    request_.session = session;
  }

  Result<SlidingRequest> Read(Value body) {
    if (!body.IsObject()) return BadJson("body");
    MC_RETURN_IF_ERROR(ReadTop(body));
    MC_RETURN_IF_ERROR(ReadLists(body["lists"]));
    MC_RETURN_IF_ERROR(ReadSubscriptions(body["room_subscriptions"]));
    MC_RETURN_IF_ERROR(ReadExtensions(body["extensions"]));
    return std::move(request_);
  }

 private:
  Status ReadTop(Value body) {
    std::optional<std::string> conn_id;
    MC_RETURN_IF_ERROR(ReadString(body, "conn_id", &conn_id));
    if (conn_id && conn_id->size() > SlidingRequest::kMaxConnIdBytes) {
      return InvalidParam("'conn_id' is too long");
    }
    if (conn_id) request_.conn_id = *std::move(conn_id);
    MC_RETURN_IF_ERROR(ReadString(body, "txn_id", &request_.txn_id));
    if (simplified_) return OkStatus();
    MC_RETURN_IF_ERROR(ReadString(body, "pos", &request_.pos));
    if (Given(body["timeout"])) {
      constexpr size_t kDayMs = 86'400'000;
      size_t timeout = 0;
      MC_RETURN_IF_ERROR(
          ReadSize(body["timeout"], "timeout", kDayMs, &timeout));
      request_.timeout = milliseconds(static_cast<int64_t>(timeout));
    }
    std::optional<std::string> set_presence;
    MC_RETURN_IF_ERROR(ReadString(body, "set_presence", &set_presence));
    if (set_presence) request_.set_presence = *std::move(set_presence);
    return OkStatus();
  }

  Status ReadPair(Value pair, RequiredState* out) {
    const auto type = pair.at(0).AsString();
    const auto key = pair.at(1).AsString();
    if (!pair.IsArray() || pair.size() != 2 || !type || !key) {
      return BadJson("required_state");
    }
    if (*type == kTypeMember && *key == "$LAZY") {
      out->lazy_members = true;
      return OkStatus();
    }
    RequiredState::Element element;
    if (*type != "*") element.type.emplace(*type);
    if (*key == "$ME") {
      element.state_key = session_.user_id;
    } else if (*key != "*") {
      element.state_key.emplace(*key);
    }
    out->include.push_back(std::move(element));
    return OkStatus();
  }

  static Status ReadElements(Value object, std::string_view name,
                             std::vector<RequiredState::Element>* out) {
    const Value elements = object[name];
    if (!Given(elements)) return OkStatus();
    if (!elements.IsArray()) return BadJson(name);
    MC_RETURN_IF_ERROR(CheckCount(elements, name));
    for (const Value value : elements) {
      if (!value.IsObject()) return BadJson(name);
      RequiredState::Element& element = out->emplace_back();
      MC_RETURN_IF_ERROR(ReadString(value, "type", &element.type));
      MC_RETURN_IF_ERROR(ReadString(value, "state_key", &element.state_key));
    }
    return OkStatus();
  }

  static Status CheckCount(Value value, std::string_view name) {
    if (value.size() <= SlidingRequest::kMaxElements) return OkStatus();
    return InvalidParam("'" + std::string(name) + "' has too many elements");
  }

  Status ReadRequiredState(Value value, RequiredState* out) {
    if (!Given(value) && simplified_) return OkStatus();
    if (simplified_) {
      if (!value.IsArray()) return BadJson("required_state");
      MC_RETURN_IF_ERROR(CheckCount(value, "required_state"));
      for (const Value pair : value) MC_RETURN_IF_ERROR(ReadPair(pair, out));
      // All members are more than those that are needed.
      const RequiredState::Element all{std::string(kTypeMember), std::nullopt};
      if (std::find(out->include.begin(), out->include.end(), all) !=
          out->include.end()) {
        out->lazy_members = false;
      }
    } else {
      if (!value.IsObject()) return BadJson("required_state");
      MC_RETURN_IF_ERROR(ReadElements(value, "include", &out->include));
      MC_RETURN_IF_ERROR(ReadElements(value, "exclude", &out->exclude));
      MC_RETURN_IF_ERROR(ReadBool(value, "lazy_members", &out->lazy_members));
    }
    Normalize(&out->include);
    Normalize(&out->exclude);
    return OkStatus();
  }

  Status ReadConfig(Value value, SlidingRoomConfig* out) {
    if (!value.IsObject()) return BadJson("lists");
    MC_RETURN_IF_ERROR(ReadSize(value["timeline_limit"], "timeline_limit",
                                SlidingRequest::kMaxTimelineLimit,
                                &out->timeline_limit));
    MC_RETURN_IF_ERROR(ReadBool(value, "include_heroes", &out->include_heroes));
    return ReadRequiredState(value["required_state"], &out->required_state);
  }

  static Status ReadRange(Value range, SlidingList* list) {
    if (!range.IsArray() || range.size() != 2) return BadJson("range");
    SlidingList::Range read;
    constexpr size_t kMost = SIZE_MAX / 4;
    MC_RETURN_IF_ERROR(ReadSize(range.at(0), "range", kMost, &read.first));
    MC_RETURN_IF_ERROR(ReadSize(range.at(1), "range", kMost, &read.second));
    if (read.first > read.second) {
      return InvalidParam("a range ends before it begins");
    }
    list->ranges->push_back(read);
    return OkStatus();
  }

  Status ReadRanges(Value value, SlidingList* list) const {
    const Value ranges = value["ranges"];
    const Value range = value["range"];
    if (simplified_ && Given(ranges)) {
      if (!ranges.IsArray()) return BadJson("ranges");
      MC_RETURN_IF_ERROR(CheckCount(ranges, "ranges"));
      list->ranges.emplace();
      for (const Value each : ranges) {
        MC_RETURN_IF_ERROR(ReadRange(each, list));
      }
    } else if (!simplified_ && Given(range)) {
      list->ranges.emplace();
      MC_RETURN_IF_ERROR(ReadRange(range, list));
    }
    return OkStatus();
  }

  Status ReadFilters(Value value, SlidingFilters* out) const {
    if (!Given(value)) return OkStatus();
    if (!value.IsObject()) return BadJson("filters");
    MC_RETURN_IF_ERROR(ReadBool(value, "is_dm", &out->is_dm));
    MC_RETURN_IF_ERROR(ReadBool(value, "is_encrypted", &out->is_encrypted));
    MC_RETURN_IF_ERROR(ReadBool(value, simplified_ ? "is_invite" : "is_invited",
                                &out->is_invited));
    MC_RETURN_IF_ERROR(ReadStrings(value, "spaces", false, &out->spaces));
    MC_RETURN_IF_ERROR(
        ReadStrings(value, "room_types", true, &out->room_types));
    MC_RETURN_IF_ERROR(
        ReadStrings(value, "not_room_types", true, &out->not_room_types));
    MC_RETURN_IF_ERROR(ReadStrings(value, "tags", false, &out->tags));
    MC_RETURN_IF_ERROR(ReadStrings(value, "not_tags", false, &out->not_tags));
    std::optional<std::string> name;
    MC_RETURN_IF_ERROR(ReadString(value, "room_name_like", &name));
    if (name) out->room_name_like = *std::move(name);
    // ruma and others leave lists that ask for nothing empty.
    if (simplified_ && out->room_types && out->room_types->empty()) {
      out->room_types.reset();
    }
    return OkStatus();
  }

  Status ReadLists(Value lists) {
    if (!Given(lists)) return OkStatus();
    if (!lists.IsObject()) return BadJson("lists");
    if (lists.size() > SlidingRequest::kMaxLists) {
      return InvalidParam("too many lists");
    }
    for (const auto [name, value] : lists.members()) {
      // Clients of the older form name them as they like.
      if (!IsListName(name) &&
          (!simplified_ || name.empty() || name.size() > 255)) {
        return InvalidParam("a list has a bad name");
      }
      SlidingList& list = request_.lists.emplace_back();
      list.name = name;
      MC_RETURN_IF_ERROR(ReadConfig(value, &list.config));
      MC_RETURN_IF_ERROR(ReadRanges(value, &list));
      MC_RETURN_IF_ERROR(ReadFilters(value["filters"], &list.filters));
    }
    const auto by_name = [](const SlidingList& a, const SlidingList& b) {
      return a.name < b.name;
    };
    std::sort(request_.lists.begin(), request_.lists.end(), by_name);
    return OkStatus();
  }

  Status ReadSubscriptions(Value rooms) {
    if (!Given(rooms)) return OkStatus();
    if (!rooms.IsObject()) return BadJson("room_subscriptions");
    if (rooms.size() > SlidingRequest::kMaxSubscriptions) {
      return InvalidParam("too many room subscriptions");
    }
    for (const auto [room_id, value] : rooms.members()) {
      SlidingSubscription& room = request_.subscriptions.emplace_back();
      room.room_id = room_id;
      MC_RETURN_IF_ERROR(ReadConfig(value, &room.config));
    }
    std::sort(request_.subscriptions.begin(), request_.subscriptions.end(),
              [](const SlidingSubscription& a, const SlidingSubscription& b) {
                return a.room_id < b.room_id;
              });
    return OkStatus();
  }

  // A list with "*" stands for all, like none.
  static Status ReadScope(Value extensions, std::string_view name,
                          SlidingExtensions::Scope* out) {
    const Value value = extensions[name];
    if (!Given(value)) return OkStatus();
    if (!value.IsObject()) return BadJson(name);
    MC_RETURN_IF_ERROR(ReadBool(value, "enabled", &out->enabled));
    MC_RETURN_IF_ERROR(ReadStrings(value, "lists", false, &out->lists));
    MC_RETURN_IF_ERROR(ReadStrings(value, "rooms", false, &out->rooms));
    for (auto* names : {&out->lists, &out->rooms}) {
      if (!*names) continue;
      std::sort((*names)->begin(), (*names)->end());
      if (std::binary_search((*names)->begin(), (*names)->end(), "*")) {
        names->reset();
      }
    }
    return OkStatus();
  }

  static Status ReadLimit(Value value, size_t* out) {
    if (!Given(value["limit"])) return OkStatus();
    return ReadSize(value["limit"], "limit", 100, out);
  }

  static Status ReadToDevice(Value value, SlidingExtensions::ToDevice* out) {
    if (!Given(value)) return OkStatus();
    if (!value.IsObject()) return BadJson("to_device");
    MC_RETURN_IF_ERROR(ReadBool(value, "enabled", &out->enabled));
    MC_RETURN_IF_ERROR(ReadLimit(value, &out->limit));
    std::optional<std::string> since;
    MC_RETURN_IF_ERROR(ReadString(value, "since", &since));
    if (!since || since->empty()) return OkStatus();
    int64_t position = 0;
    const auto [end, error] =
        std::from_chars(since->data(), since->data() + since->size(), position);
    if (error != std::errc() || end != since->data() + since->size() ||
        position < 0) {
      return InvalidParam("'since' is no token of the to_device extension");
    }
    out->since = position;
    return OkStatus();
  }

  Status ReadExtensions(Value value) {
    if (!Given(value)) return OkStatus();
    if (!value.IsObject()) return BadJson("extensions");
    SlidingExtensions& out = request_.extensions;
    MC_RETURN_IF_ERROR(ReadToDevice(value["to_device"], &out.to_device));
    const Value e2ee = value["e2ee"];
    if (Given(e2ee)) {
      if (!e2ee.IsObject()) return BadJson("e2ee");
      MC_RETURN_IF_ERROR(ReadBool(e2ee, "enabled", &out.e2ee));
    }
    MC_RETURN_IF_ERROR(ReadScope(value, "account_data", &out.account_data));
    MC_RETURN_IF_ERROR(ReadScope(value, "receipts", &out.receipts));
    MC_RETURN_IF_ERROR(ReadScope(value, "typing", &out.typing));
    // The name that MSC4308 has before it is part of the specification.
    const Value threads = value["io.element.msc4308.thread_subscriptions"];
    if (!Given(threads)) return OkStatus();
    if (!threads.IsObject()) return BadJson("thread_subscriptions");
    MC_RETURN_IF_ERROR(
        ReadBool(threads, "enabled", &out.thread_subscriptions.enabled));
    MC_RETURN_IF_ERROR(ReadLimit(threads, &out.thread_subscriptions.limit));
    if (out.thread_subscriptions.limit == 0) {
      return InvalidParam("'limit' must be greater than 0");
    }
    return OkStatus();
  }

  const bool simplified_;
  const Session& session_;
  SlidingRequest request_;
};

}  // namespace

bool RequiredState::Matches(std::string_view type,
                            std::string_view state_key) const {
  const auto matches = [&](const Element& element) {
    return element.Matches(type, state_key);
  };
  const bool lazily = lazy_members && type == kTypeMember;
  const bool included =
      std::any_of(include.begin(), include.end(), [&](const Element& element) {
        return (!lazily || element.state_key) && matches(element);
      });
  return included && std::none_of(exclude.begin(), exclude.end(), matches);
}

bool RequiredState::WantsAllMembers() const {
  const auto all_members = [](const Element& element) {
    return !element.state_key &&
           (!element.type || *element.type == kTypeMember);
  };
  // Excluding some leaves the others unwanted too: what is lazy adds to it.
  return !lazy_members &&
         std::any_of(include.begin(), include.end(), all_members) &&
         std::none_of(exclude.begin(), exclude.end(),
                      [](const Element& element) {
                        return !element.type || *element.type == kTypeMember;
                      });
}

bool SlidingList::Contains(size_t index) const {
  return !ranges ||
         std::any_of(ranges->begin(), ranges->end(), [index](const Range& r) {
           return r.first <= index && index <= r.second;
         });
}

Result<SlidingRequest> ParseSlidingRequest(json::Value body, SlidingForm form,
                                           const Session& session) {
  return Reader(form, session).Read(body);
}

}  // namespace matrixcore
