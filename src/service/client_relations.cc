// ClientEvents: unsigned.m.relations (spec: client-server API, "Aggregations of
// child events").
#include <algorithm>
#include <iterator>
#include <utility>

#include "matrixcore/event/relation.h"
#include "service/client_event_extras.h"
#include "service/room_window.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

// How far to look for another event where the newest is hidden from the user.
constexpr size_t kMaxHidden = 50;
// For users who are not in the room (any more) a thread is counted, so far.
constexpr size_t kMaxCounted = 500;
// The events of a chunk of references; /relations has all of them.
constexpr size_t kMaxReferences = 500;
constexpr size_t kMaxThreadUsers = 1000;

}  // namespace

Status ClientEvents::BundleLoader::Load(std::span<const StoredEvent> events,
                                        std::vector<Extras>& extras) {
  if (depth_ == Depth::kNone) return OkStatus();
  MC_RETURN_IF_ERROR(FindParents(events));
  if (parents_.empty()) return OkStatus();
  if (!owner_.ignored_) {
    MC_ASSIGN_OR_RETURN(owner_.ignored_,
                        ReadIgnoredUsers(reader_.snapshot(), user_id_));
  }
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader_.MembershipOf(user_id_, room_.nid));
  joined_ = row && row->membership == Membership::kJoin;
  MC_RETURN_IF_ERROR(FindNewest());
  MC_RETURN_IF_ERROR(FindReferences());
  MC_RETURN_IF_ERROR(FindShares());
  MC_RETURN_IF_ERROR(LoadNested());
  for (Parent& parent : parents_) {
    if (parent.bundle.empty()) continue;
    extras[parent.place].bundle =
        std::make_shared<const Bundle>(std::move(parent.bundle));
  }
  return OkStatus();
}

// State events have no bundles.
Status ClientEvents::BundleLoader::FindParents(
    std::span<const StoredEvent> events) {
  std::vector<std::string_view> ids;
  std::vector<size_t> places;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].event->is_state()) continue;
    ids.push_back(events[i].event->event_id());
    places.push_back(i);
  }
  if (ids.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(auto summaries, reader_.RelationSummaries(room_, ids));
  for (size_t i = 0; i < summaries.size(); ++i) {
    if (!summaries[i]) continue;
    Parent parent;
    parent.place = places[i];
    parent.event = &events[places[i]];
    parent.summary = std::move(*summaries[i]);
    // A redacted event shows no edits.
    if (parent.event->redacted_by != 0) parent.summary.edit = 0;
    if (depth_ == Depth::kNoThread) parent.summary.threaded = 0;
    if (parent.summary.edit == 0 && parent.summary.threaded == 0 &&
        parent.summary.references == 0) {
      continue;
    }
    parents_.push_back(std::move(parent));
  }
  return OkStatus();
}

Result<std::vector<StoredEvent>> ClientEvents::BundleLoader::Visible(
    const std::vector<RelatedEvent>& related) {
  std::vector<EventIdx> idxs;
  for (const RelatedEvent& event : related) idxs.push_back(event.idx);
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                      reader_.StoredEvents(room_, idxs));
  return OnlyVisible(reader_, room_, user_id_, *owner_.ignored_,
                     std::move(events));
}

// The newest edits and last events of threads, all in one go; then others for
// those that the user may not see.
Status ClientEvents::BundleLoader::FindNewest() {
  std::vector<RelatedEvent> wanted;
  for (const Parent& parent : parents_) {
    for (const EventIdx idx :
         {parent.summary.edit, parent.summary.threaded > 0 && joined_
                                   ? parent.summary.thread_last
                                   : EventIdx{0}}) {
      if (idx != 0) wanted.push_back({.idx = idx});
    }
  }
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> visible, Visible(wanted));
  const auto find = [&](EventIdx idx) -> std::optional<Bundle::Nested> {
    const auto it =
        std::find_if(visible.begin(), visible.end(),
                     [idx](const StoredEvent& e) { return e.idx == idx; });
    if (idx == 0 || it == visible.end()) return std::nullopt;
    return Bundle::Nested{*it, {}};
  };
  for (Parent& parent : parents_) {
    if (parent.summary.edit != 0) {
      parent.bundle.edit = find(parent.summary.edit);
      if (!parent.bundle.edit) MC_RETURN_IF_ERROR(FindOtherEdit(parent));
    }
    if (parent.summary.threaded == 0) continue;
    if (joined_) parent.bundle.thread_last = find(parent.summary.thread_last);
    MC_RETURN_IF_ERROR(FindThread(parent));
  }
  return OkStatus();
}

Status ClientEvents::BundleLoader::FindOtherEdit(Parent& parent) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> edits,
      reader_.Relations(room_, parent.summary.target,
                        {.rel_type = kRelReplace, .limit = kMaxHidden}));
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> visible, Visible(edits));
  std::optional<Bundle::Nested>& best = parent.bundle.edit;
  for (StoredEvent& edit : visible) {
    const Event& event = *edit.event;
    if (!IsValidReplacement(event, *parent.event->event)) continue;
    if (best && std::pair(best->event.event->origin_server_ts(),
                          std::string_view(best->event.event->event_id())) >
                    std::pair(event.origin_server_ts(),
                              std::string_view(event.event_id()))) {
      continue;
    }
    best = Bundle::Nested{std::move(edit), {}};
  }
  return OkStatus();
}

Status ClientEvents::BundleLoader::FindThread(Parent& parent) {
  // Who left sees the thread as it was then, and is not told how it went on.
  if (!joined_) return FindThreadEvents(parent);
  parent.bundle.threaded = parent.summary.threaded;
  if (!owner_.ignored_->empty()) {
    MC_ASSIGN_OR_RETURN(
        const auto users,
        reader_.ThreadUsers(room_, parent.summary.target, kMaxThreadUsers));
    for (const auto& [user, events] : users) {
      if (IsIgnored(*owner_.ignored_, user)) parent.bundle.threaded -= events;
    }
  }
  if (parent.bundle.thread_last || parent.bundle.threaded <= 0) {
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> events,
      reader_.Relations(room_, parent.summary.target,
                        {.rel_type = kRelThread, .limit = kMaxHidden}));
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> visible, Visible(events));
  if (!visible.empty()) {
    parent.bundle.thread_last = Bundle::Nested{std::move(visible[0]), {}};
  }
  return OkStatus();
}

Status ClientEvents::BundleLoader::FindThreadEvents(Parent& parent) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> events,
      reader_.Relations(room_, parent.summary.target,
                        {.rel_type = kRelThread, .limit = kMaxCounted}));
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> visible, Visible(events));
  parent.bundle.threaded = static_cast<int64_t>(visible.size());
  if (!visible.empty()) {
    parent.bundle.thread_last = Bundle::Nested{std::move(visible[0]), {}};
  }
  return OkStatus();
}

Status ClientEvents::BundleLoader::FindReferences() {
  std::vector<RelatedEvent> all;
  std::vector<size_t> counts(parents_.size(), 0);
  for (size_t i = 0; i < parents_.size(); ++i) {
    if (parents_[i].summary.references == 0) continue;
    MC_ASSIGN_OR_RETURN(std::vector<RelatedEvent> events,
                        reader_.Relations(room_, parents_[i].summary.target,
                                          {.rel_type = kRelReference,
                                           .newest_first = false,
                                           .limit = kMaxReferences}));
    counts[i] = events.size();
    std::move(events.begin(), events.end(), std::back_inserter(all));
  }
  if (all.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> visible, Visible(all));
  auto entry = all.begin();
  auto event = visible.begin();
  for (size_t i = 0; i < parents_.size(); ++i) {
    for (size_t n = 0; n < counts[i]; ++n, ++entry) {
      if (event == visible.end() || event->idx != entry->idx) continue;
      parents_[i].bundle.references.push_back(event->event->event_id());
      ++event;
    }
  }
  return OkStatus();
}

// In which threads the user takes part.
Status ClientEvents::BundleLoader::FindShares() {
  std::vector<std::string_view> roots;
  std::vector<Parent*> threads;
  for (Parent& parent : parents_) {
    if (!parent.bundle.thread_last) continue;
    roots.push_back(parent.summary.target);
    threads.push_back(&parent);
  }
  if (roots.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(const std::vector<int64_t> shares,
                      reader_.ThreadShares(room_, user_id_, roots));
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i]->bundle.participated =
        shares[i] > 0 || threads[i]->event->event->sender() == user_id_;
  }
  return OkStatus();
}

Status ClientEvents::BundleLoader::LoadNested() {
  const auto load = [this](std::optional<Bundle::Nested> Bundle::*member,
                           Depth depth) -> Status {
    std::vector<StoredEvent> events;
    std::vector<Bundle::Nested*> nested;
    for (Parent& parent : parents_) {
      if (!(parent.bundle.*member)) continue;
      nested.push_back(&*(parent.bundle.*member));
      events.push_back(nested.back()->event);
    }
    if (events.empty()) return OkStatus();
    MC_ASSIGN_OR_RETURN(std::vector<Extras> extras,
                        owner_.LoadExtras(room_, events, format_, depth));
    for (size_t i = 0; i < nested.size(); ++i) {
      nested[i]->extras = std::move(extras[i]);
    }
    return OkStatus();
  };
  MC_RETURN_IF_ERROR(load(&Bundle::edit, Depth::kNone));
  return load(&Bundle::thread_last, Depth::kNoThread);
}

void ClientEvents::WriteBundle(json::Writer& out, const RoomHead& room,
                               const Bundle& bundle,
                               const ClientEventFormat& format) const {
  out.Key("m.relations").BeginObject();
  if (!bundle.references.empty()) {
    out.Key(kRelReference).BeginObject().Key("chunk").BeginArray();
    for (const std::string& id : bundle.references) {
      out.BeginObject().Field("event_id", id).EndObject();
    }
    out.EndArray().EndObject();
  }
  if (bundle.edit) {
    out.Key(kRelReplace);
    WriteOne(out, room, bundle.edit->event, bundle.edit->extras, format);
  }
  if (bundle.thread_last) {
    out.Key(kRelThread).BeginObject();
    out.Field("count", bundle.threaded);
    out.Field("current_user_participated", bundle.participated);
    out.Key("latest_event");
    WriteOne(out, room, bundle.thread_last->event, bundle.thread_last->extras,
             format);
    out.EndObject();
  }
  out.EndObject();
}

}  // namespace matrixcore
