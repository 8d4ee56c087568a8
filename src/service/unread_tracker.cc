#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/event/push_rules.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/thread_subscriptions.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"
#include "service/thread_of.h"

namespace matrixcore {
namespace {

// Threads whose totals are kept at hand for a room.
constexpr size_t kMaxThreads = 256;
// Users beyond these whom one event mentions are not highlighted.
constexpr size_t kMaxMentions = 1000;

struct Totals {
  int64_t notices = 0;
  int64_t highlights = 0;
};

void Sort(std::vector<std::string>* users) {
  std::sort(users->begin(), users->end());
  users->erase(std::unique(users->begin(), users->end()), users->end());
}

}  // namespace

// The default rules, for how an event may concern a user who has them.
struct UnreadTracker::Judges {
  PushRuleset usual = PushRuleset::Default(PushRuleset::Concern::kNone);
  PushRuleset mentioned =
      PushRuleset::Default(PushRuleset::Concern::kMentioned);
  PushRuleset invited = PushRuleset::Default(PushRuleset::Concern::kInvited);
};

// What is remembered of a room.
struct UnreadTracker::State : RoomExtra {
  Totals all;
  Totals threads;
  std::map<std::string, Totals, std::less<>> by_thread;
  // Members with a profile, as of `version`; among them those whose rows are
  // all their own.
  std::vector<std::string> profiled;
  uint64_t version = 0;
  std::set<std::string, std::less<>> personal;

  size_t ByteSize() const override {
    constexpr size_t kTreeNode = 32;
    size_t bytes = HeapBlock(sizeof(State)) + HeapBytes(profiled);
    for (const auto& [root, totals] : by_thread) {
      bytes +=
          HeapBlock(kTreeNode + sizeof(std::pair<const std::string, Totals>)) +
          HeapBytes(root);
    }
    for (const std::string& user : personal) {
      bytes += HeapBlock(kTreeNode + sizeof(std::string)) + HeapBytes(user);
    }
    return bytes;
  }
};

// One commit.
class UnreadTracker::Work {
 public:
  Work(const UnreadTracker& tracker, RoomAddition& addition, WriteBatch& batch)
      : deps_(tracker.deps_),
        judges_(*tracker.judges_),
        addition_(addition),
        batch_(batch),
        nid_(addition.room().nid) {}

  Status Run(std::unique_ptr<RoomExtra>& extra) {
    MC_RETURN_IF_ERROR(FindState(extra));
    for (const AddedEvent& added : addition_.events()) {
      MC_RETURN_IF_ERROR(Add(added));
    }
    return OkStatus();
  }

 private:
  // --- What is known of the room ---

  Status FindState(std::unique_ptr<RoomExtra>& extra) {
    if (extra == nullptr) {
      auto made = std::make_unique<State>();
      if (nid_ != 0) MC_RETURN_IF_ERROR(Load(*made));
      extra = std::move(made);
    }
    state_ = static_cast<State*>(extra.get());
    const uint64_t version = deps_.profiles.version();
    if (state_->version != version && nid_ != 0) {
      MC_ASSIGN_OR_RETURN(state_->profiled,
                          deps_.profiles.Among(deps_.joined, nid_));
      const size_t known = state_->profiled.size();
      for (const std::string& user : state_->personal) {
        if (deps_.joined.Contains(nid_, user)) state_->profiled.push_back(user);
      }
      if (state_->profiled.size() > known) Sort(&state_->profiled);
    }
    state_->version = version;
    return OkStatus();
  }

  Status Load(State& state) {
    using tables::NoticeModes;
    using tables::Notices;
    MC_ASSIGN_OR_RETURN(RoomReader * reader, addition_.Reader());
    MC_ASSIGN_OR_RETURN(const std::vector<Row> last,
                        reader->snapshot().Scan({.table = &tables::kNotices,
                                                 .prefix = {Cell(nid_)},
                                                 .descending = true,
                                                 .limit = 1}));
    if (!last.empty()) {
      const Row& row = last[0];
      state.all = {CellInt(row[Notices::kTotal]),
                   CellInt(row[Notices::kHighlights])};
      state.threads = {CellInt(row[Notices::kThreadTotal]),
                       CellInt(row[Notices::kThreadHighlights])};
    }
    MC_ASSIGN_OR_RETURN(const std::vector<Row> modes,
                        reader->snapshot().Scan({.table = &tables::kNoticeModes,
                                                 .index = NoticeModes::kByRoom,
                                                 .prefix = {Cell(nid_)}}));
    for (const Row& row : modes) {
      state.personal.emplace(CellText(row[NoticeModes::kUser]));
    }
    return OkStatus();
  }

  Result<Totals*> ThreadTotals(const std::string& thread) {
    using tables::NoticeThreads;
    if (state_->by_thread.size() > kMaxThreads) state_->by_thread.clear();
    const auto [place, unknown] = state_->by_thread.try_emplace(thread);
    if (unknown && nid_ != 0) {
      MC_ASSIGN_OR_RETURN(RoomReader * reader, addition_.Reader());
      MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                          reader->snapshot().Get(tables::kNoticeThreads,
                                                 {Cell(nid_), Cell(thread)}));
      // An earlier event of this batch may have been the first to look.
      const auto pending = pending_threads_.find(thread);
      if (pending != pending_threads_.end()) {
        place->second = pending->second;
      } else if (row) {
        place->second = {CellInt((*row)[NoticeThreads::kTotal]),
                         CellInt((*row)[NoticeThreads::kHighlights])};
      }
    }
    return &place->second;
  }

  // The power levels after the commit; read once.
  Result<const PowerLevels*> Levels() {
    if (!levels_) {
      MC_ASSIGN_OR_RETURN(const Event* create,
                          addition_.StateEvent(kTypeCreate, ""));
      MC_ASSIGN_OR_RETURN(const Event* levels,
                          addition_.StateEvent(kTypePowerLevels, ""));
      levels_.emplace(create, levels);
    }
    return &*levels_;
  }

  // --- One event ---

  struct Current {
    const AddedEvent* added = nullptr;
    PushEvent push;
    PushContext context;
    PushOutcome usual;
    std::string thread;  // "main", or a root's id.

    BatchCell ThreadCell() const {
      if (thread == kMainThread) return {};
      return thread;
    }
    const Event& event() const { return push.event(); }
  };

  Status Add(const AddedEvent& added) {
    const Event& event = *added.stored.event;
    if (event.Is(kTypeMember, event.state_key().value_or(""))) {
      MC_RETURN_IF_ERROR(NoteMember(added));
    }
    Current current{&added, PushEvent(added.stored.event), {}, {}, {}};
    current.context.joined_members = added.joined;
    const json::Value content = current.push.root()["content"];
    const json::Value mentions = content["m.mentions"];
    if (!state_->profiled.empty() ||
        mentions["room"].AsBool().value_or(false)) {
      MC_ASSIGN_OR_RETURN(current.context.power_levels, Levels());
    }
    current.usual = judges_.usual.Evaluate(current.push, current.context);
    current.thread = kMainThread;
    if (content["m.relates_to"]) {
      MC_ASSIGN_OR_RETURN(current.thread, FindThread(event));
    }
    NoteSender(current);
    if (current.usual.notify && HasAudience(event.sender())) {
      MC_RETURN_IF_ERROR(AddNotice(current));
    }
    AddMentioned(current, mentions["user_ids"]);
    MC_RETURN_IF_ERROR(AddProfiled(current));
    return AddInvited(current);
  }

  Result<std::string> FindThread(const Event& event) {
    return ThreadOf(event, [this](std::string_view id) -> Result<EventPtr> {
      MC_ASSIGN_OR_RETURN(const std::optional<StoredEvent> found,
                          addition_.FindEvent(id));
      return found ? found->event : EventPtr();
    });
  }

  // Whether there may be a member whom an event of that sender notifies.
  bool HasAudience(std::string_view sender) const {
    const size_t count = nid_ == 0 ? 0 : deps_.joined.Count(nid_);
    if (count + joined_now_.size() > 1) return true;
    return count == 1
               ? !deps_.joined.Contains(nid_, sender)
               : joined_now_.size() == 1 && !joined_now_.contains(sender);
  }

  // A stay begins with everything read.
  Status NoteMember(const AddedEvent& added) {
    const Event& event = *added.stored.event;
    const std::string user(*event.state_key());
    if (DomainOf(user) != deps_.server_name) return OkStatus();
    const bool joined = MembershipOf(event) == Membership::kJoin;
    if (joined == (added.before == Membership::kJoin)) return OkStatus();
    auto& profiled = state_->profiled;
    const auto place = std::lower_bound(profiled.begin(), profiled.end(), user);
    const bool listed = place != profiled.end() && *place == user;
    if (!joined) {
      if (listed) profiled.erase(place);
      joined_now_.erase(user);
      return OkStatus();
    }
    batch_.PutRow(tables::kReadMarks,
                  {user, addition_.room_cell(), std::string(), added.pos,
                   added.pos, added.pos});
    joined_now_.insert(user);
    MC_ASSIGN_OR_RETURN(const bool has, deps_.profiles.Has(user));
    if (!listed && (has || state_->personal.contains(user))) {
      profiled.insert(place, user);
    }
    return OkStatus();
  }

  // Who says something has read what was said before.  A member event may be no
  // more than a new display name in all rooms.
  void NoteSender(const Current& current) {
    const Event& event = current.event();
    if (event.type() == kTypeMember ||
        DomainOf(event.sender()) != deps_.server_name) {
      return;
    }
    const PositionRef pos = current.added->pos;
    batch_.PutRow(tables::kReadMarks,
                  {std::string(event.sender()), addition_.room_cell(),
                   current.thread, pos, int64_t{0}, pos});
  }

  Status AddNotice(const Current& current) {
    const PushOutcome& usual = current.usual;
    const int64_t highlight = usual.highlight ? 1 : 0;
    const BatchCell room = addition_.room_cell();
    const PositionRef pos = current.added->pos;
    Totals& all = state_->all;
    ++all.notices;
    all.highlights += highlight;
    if (current.thread != kMainThread) {
      ++state_->threads.notices;
      state_->threads.highlights += highlight;
      MC_ASSIGN_OR_RETURN(Totals * totals, ThreadTotals(current.thread));
      ++totals->notices;
      totals->highlights += highlight;
      pending_threads_[current.thread] = *totals;
      batch_.PutRow(
          tables::kThreadNotices,
          {room, current.thread, pos, totals->notices, totals->highlights});
      batch_.PutRow(
          tables::kNoticeThreads,
          {room, current.thread, pos, totals->notices, totals->highlights});
    }
    batch_.PutRow(
        tables::kNotices,
        {room, pos, int64_t{current.added->stored.idx},
         std::string(current.event().sender()), current.ThreadCell(), highlight,
         std::string(usual.actions), deps_.clock.Now().ms, all.notices,
         all.highlights, state_->threads.notices, state_->threads.highlights});
    return OkStatus();
  }

  void AddPersonal(const Current& current, const std::string& user,
                   const PushOutcome& outcome) {
    const PushOutcome& usual = current.usual;
    batch_.PutRow(tables::kPersonalNotices,
                  {user, addition_.room_cell(), current.added->pos,
                   int64_t{current.added->stored.idx}, current.ThreadCell(),
                   int64_t{outcome.notify}, int64_t{outcome.highlight},
                   int64_t{usual.notify}, int64_t{usual.highlight},
                   std::string(outcome.actions), deps_.clock.Now().ms});
  }

  bool IsProfiled(std::string_view user) const {
    return std::binary_search(state_->profiled.begin(), state_->profiled.end(),
                              user);
  }
  bool IsMember(const std::string& user) const {
    return joined_now_.contains(user) ||
           (nid_ != 0 && deps_.joined.Contains(nid_, user));
  }

  // Members with the default rules whom the event mentions.
  void AddMentioned(const Current& current, json::Value user_ids) {
    if (!user_ids.IsArray()) return;
    std::set<std::string> mentioned;
    for (const json::Value id : user_ids) {
      const std::string user(id.StringOr(""));
      if (mentioned.size() >= kMaxMentions) break;
      if (user == current.event().sender() || IsProfiled(user) ||
          !IsMember(user) || !mentioned.insert(user).second) {
        continue;
      }
    }
    if (mentioned.empty()) return;
    const PushOutcome outcome =
        judges_.mentioned.Evaluate(current.push, current.context);
    if (outcome.notify == current.usual.notify &&
        outcome.highlight == current.usual.highlight) {
      return;
    }
    for (const std::string& user : mentioned) {
      AddPersonal(current, user, outcome);
    }
  }

  // Members with rules of their own are judged by them.
  Status AddProfiled(const Current& current) {
    if (state_->profiled.empty()) return OkStatus();
    MC_RETURN_IF_ERROR(LoadProfiles());
    for (size_t i = 0; i < state_->profiled.size(); ++i) {
      const std::string& user = state_->profiled[i];
      if (state_->personal.insert(user).second) {
        batch_.PutRow(tables::kNoticeModes,
                      {user, addition_.room_cell(), current.added->pos});
      }
      MC_ASSIGN_OR_RETURN(const PushOutcome outcome,
                          Judge(current, user, *profiles_[i]));
      if (outcome.notify) AddPersonal(current, user, outcome);
    }
    return OkStatus();
  }

  Status LoadProfiles() {
    if (profiles_for_ == state_->profiled) return OkStatus();
    MC_ASSIGN_OR_RETURN(profiles_, deps_.profiles.Get(state_->profiled));
    profiles_for_ = state_->profiled;
    return OkStatus();
  }

  Result<PushOutcome> Judge(const Current& current, const std::string& user,
                            const PushProfile& profile) {
    const Event& event = current.event();
    if (profile.Ignores(event.sender())) return PushOutcome{};
    PushContext context = current.context;
    context.user_id = user;
    if (profile.rules.needs_display_name()) {
      MC_ASSIGN_OR_RETURN(const Event* member,
                          addition_.StateEvent(kTypeMember, user));
      if (member != nullptr) {
        context.display_name = member->content()["displayname"].StringOr("");
      }
    }
    if (profile.threads && current.thread != kMainThread && nid_ != 0) {
      MC_ASSIGN_OR_RETURN(RoomReader * reader, addition_.Reader());
      MC_ASSIGN_OR_RETURN(context.thread_subscribed,
                          ThreadSubscriptionService::IsSubscribed(
                              reader->snapshot(), user, nid_, current.thread));
    }
    return profile.rules.Evaluate(current.push, context);
  }

  // Who is invited is no member yet, but notified all the same.
  Status AddInvited(const Current& current) {
    const Event& event = current.event();
    if (event.type() != kTypeMember || !event.is_state() ||
        MembershipOf(event) != Membership::kInvite) {
      return OkStatus();
    }
    const std::string user(*event.state_key());
    if (DomainOf(user) != deps_.server_name) return OkStatus();
    MC_ASSIGN_OR_RETURN(const bool profiled, deps_.profiles.Has(user));
    std::vector<PushProfilePtr> profile;  // The outcome has views of it.
    PushOutcome outcome;
    if (profiled) {
      MC_ASSIGN_OR_RETURN(profile, deps_.profiles.Get({&user, 1}));
      MC_ASSIGN_OR_RETURN(outcome, Judge(current, user, *profile[0]));
    } else {
      outcome = judges_.invited.Evaluate(current.push, current.context);
    }
    if (outcome.notify) AddPersonal(current, user, outcome);
    return OkStatus();
  }

  const Deps& deps_;
  const Judges& judges_;
  RoomAddition& addition_;
  WriteBatch& batch_;
  const RoomNid nid_;
  State* state_ = nullptr;
  std::optional<PowerLevels> levels_;
  std::set<std::string, std::less<>> joined_now_;
  std::map<std::string, Totals, std::less<>> pending_threads_;
  std::vector<PushProfilePtr> profiles_;
  std::vector<std::string> profiles_for_;  // Whose these are.
};

UnreadTracker::UnreadTracker(Deps deps)
    : deps_(std::move(deps)), judges_(std::make_unique<Judges>()) {}
UnreadTracker::~UnreadTracker() = default;

Status UnreadTracker::AddRows(RoomAddition& addition,
                              std::unique_ptr<RoomExtra>& extra,
                              WriteBatch& batch) {
  return Work(*this, addition, batch).Run(extra);
}

}  // namespace matrixcore
