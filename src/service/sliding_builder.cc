#include "service/sliding_builder.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/json/writer.h"
#include "service/sync_typing.h"

namespace matrixcore {

namespace {

class Mixer {
 public:
  template <typename T>
  Mixer& Mix(const T& value) {
    hash_ = absl::HashOf(hash_, value);
    return *this;
  }
  template <typename T>
  Mixer& Mix(const std::optional<T>& value) {
    Mix(value.has_value());
    return value ? Mix(*value) : *this;
  }
  Mixer& Mix(const SlidingRoomConfig& config) {
    const RequiredState& state = config.required_state;
    Mix(config.timeline_limit).Mix(config.include_heroes);
    Mix(state.lazy_members);
    for (const auto* elements : {&state.include, &state.exclude}) {
      Mix(elements->size());
      for (const RequiredState::Element& element : *elements) {
        Mix(element.type).Mix(element.state_key);
      }
    }
    return *this;
  }
  Mixer& Mix(const SlidingFilters& f) {
    Mix(f.is_dm).Mix(f.is_encrypted).Mix(f.is_invited).Mix(f.spaces);
    Mix(f.room_types).Mix(f.not_room_types).Mix(f.tags).Mix(f.not_tags);
    return Mix(f.room_name_like);
  }
  size_t hash() const { return hash_; }

 private:
  size_t hash_ = 0;
};

}  // namespace

size_t RulesOf(const SlidingRequest& request) {
  Mixer mixer;
  for (const SlidingList& list : request.lists) {
    mixer.Mix(list.name).Mix(list.ranges).Mix(list.config).Mix(list.filters);
  }
  for (const SlidingSubscription& room : request.subscriptions) {
    mixer.Mix(room.room_id).Mix(room.config);
  }
  const SlidingExtensions& e = request.extensions;
  for (const auto* scope : {&e.account_data, &e.receipts, &e.typing}) {
    mixer.Mix(scope->enabled).Mix(scope->lists).Mix(scope->rooms);
  }
  return mixer.hash();
}

Result<SlidingAnswer> BuildSliding(SyncShared& shared, SlidingShared& sliding,
                                   const SlidingQuery& query, bool may_wait) {
  // Typing first: what changes in between is told now and again, not never.
  TypingNews typing = shared.ephemeral.TypingSince(
      query.since ? query.since->stream.ephemeral : 0);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      shared.store.NewSnapshot());
  if (query.since &&
      (query.since->stream.position > snapshot->position() ||
       shared.lost.LastKnownBefore(query.since->stream.position))) {
    // The store was set back.
    return Status(StatusCode::kInvalidArgument, "M_UNKNOWN_POS",
                  "This position is of a time that was undone: begin anew "
                  "without one.");
  }
  return SlidingBuilder(shared, sliding, query, *snapshot, std::move(typing))
      .Build(may_wait);
}

SlidingBuilder::SlidingBuilder(SyncShared& shared, SlidingShared& sliding,
                               const SlidingQuery& query, Snapshot& snapshot,
                               TypingNews typing)
    : shared_(shared),
      sliding_(sliding),
      query_(query),
      request_(query.request),
      extensions_(query.request.extensions),
      user_id_(query.request.session.user_id),
      reader_(snapshot, shared.caches),
      typing_(std::move(typing)),
      next_{.stream = {snapshot.position(), 0, 0},
            .epoch = query.turn.connection->epoch(),
            .version = query.turn.base->version,
            .serial = ++sliding.serials},
      lazy_token_{next_.serial, next_.epoch, 0},
      lazy_session_(LazySessionOf(query.request)),
      config_texts_(query.turn.base->configs),
      rooms_writer_(&rooms_),
      extensions_writer_(&extensions_out_),
      writer_(request_.form, reader_, request_.session, shared.clock.Now()) {}

Session LazySessionOf(const SlidingRequest& request) {
  Session session = request.session;
  session.device_id.push_back('\n');
  session.device_id.append(request.conn_id);
  return session;
}

Result<SlidingAnswer> SlidingBuilder::Build(bool may_wait) {
  MC_RETURN_IF_ERROR(Load());
  MC_RETURN_IF_ERROR(FindChanged());
  MC_RETURN_IF_ERROR(SelectRooms());
  rooms_writer_.BeginObject();
  extensions_writer_.BeginObject();
  MC_RETURN_IF_ERROR(LookAtRooms());
  MC_RETURN_IF_ERROR(NoteOutOfView());
  MC_RETURN_IF_ERROR(WriteExtensions());
  rooms_writer_.EndObject();
  extensions_writer_.EndObject();
  SlidingAnswer answer;
  answer.empty = !news_;
  const std::shared_ptr<SlidingState> state = NextState();
  if (answer.empty && may_wait) {
    // What changed for the connection is found again, with what comes then.
    answer.next = state == nullptr ? next_ : *query_.since;
    return answer;
  }
  const std::optional<int64_t> version = sliding_.connections.Finish(
      query_.turn, state,
      {.rules = settles_ ? query_.rules : 0, .listing = listing_->generation});
  if (!version) {
    return Status(StatusCode::kAborted,
                  "another request of the connection came meanwhile");
  }
  next_.version = *version;
  answer.next = next_;
  answer.body = Body();
  return answer;
}

std::string SlidingBuilder::Body() const {
  std::string body;
  body.reserve(rooms_.size() + extensions_out_.size() + 200);
  json::Writer out(&body);
  out.BeginObject();
  out.Field("pos", next_.ToString());
  if (request_.txn_id) out.Field("txn_id", *request_.txn_id);
  out.Key("lists").BeginObject();
  for (size_t i = 0; i < request_.lists.size(); ++i) {
    out.Key(request_.lists[i].name).BeginObject();
    out.Field("count", static_cast<int64_t>(counts_[i]));
    out.EndObject();
  }
  out.EndObject();
  out.RawField("rooms", rooms_);
  out.RawField("extensions", extensions_out_);
  out.EndObject();
  return body;
}

std::shared_ptr<SlidingState> SlidingBuilder::NextState() {
  for (const Looked& looked : looked_) {
    const SentRoom* before = looked.wanted.before;
    if (before == nullptr || *before != looked.sent) {
      sent_.push_back(looked.sent);
    }
  }
  const bool account_data = extensions_.account_data.enabled;
  const bool threads = extensions_.thread_subscriptions.enabled;
  if (sent_.empty() && base().account_data == account_data &&
      base().thread_subscriptions == threads) {
    return nullptr;
  }
  auto state = std::make_shared<SlidingState>(base());
  state->account_data = account_data;
  state->thread_subscriptions = threads;
  state->configs = config_texts_;
  state->Apply(std::move(sent_));
  return state;
}

// --- What there is to look at ---

Status SlidingBuilder::Load() {
  MC_ASSIGN_OR_RETURN(user_rooms_, shared_.rooms.Get(reader_, user_id_));
  RoomListings::Needs needs;
  for (const SlidingList& list : request_.lists) {
    const RoomListings::Needs more = ListFilter::NeedsOf(list.filters);
    needs.facts = needs.facts || more.facts;
    needs.tags = needs.tags || more.tags;
    if (ListFilter::LooksBeyond(list.filters)) settles_ = false;
  }
  MC_ASSIGN_OR_RETURN(
      listing_, sliding_.listings.Get(reader_, user_id_, *user_rooms_, needs));
  MC_ASSIGN_OR_RETURN(ignored_, ReadIgnoredUsers(reader_.snapshot(), user_id_));
  if (!first()) {
    MC_ASSIGN_OR_RETURN(account_data_,
                        ReadAccountData(reader_.snapshot(), user_id_, since()));
  }
  if (extensions_.typing.enabled && SomeoneTypesIn(*user_rooms_, typing_)) {
    next_.stream.ephemeral = typing_.serial;
  }
  return OkStatus();
}

Status SlidingBuilder::FindChanged() {
  if (first()) return OkStatus();
  // Asked after the snapshot was taken: what this says is unchanged is so in
  // the snapshot.
  active_ = shared_.activity.ChangedSince(since());
  if (active_) changed_ = *active_;
  for (const UserRoom& room : *user_rooms_) {
    if (room.pos > since()) changed_.push_back(room.room);
  }
  for (const AccountDatum& datum : account_data_) {
    if (datum.room_id.empty()) continue;
    MC_ASSIGN_OR_RETURN(const RoomNid room,
                        sliding_.numbers.Find(reader_, datum.room_id));
    if (room != 0) changed_.push_back(room);
  }
  for (const TypingUsers& typing : typing_.changed) {
    changed_.push_back(typing.room);
  }
  std::sort(changed_.begin(), changed_.end());
  const SlidingConnection::Settled now{.rules = query_.rules,
                                       .listing = listing_->generation,
                                       .version = base().version};
  settled_ = active_ && !typing_.incomplete &&
             query_.turn.connection->settled() == now;
  return OkStatus();
}

bool SlidingBuilder::Changed(RoomNid room) const {
  return !active_ || typing_.incomplete ||
         std::binary_search(changed_.begin(), changed_.end(), room);
}

// What the user has left is told only to a client that knew it.
bool SlidingBuilder::KnewRoom(const ListedRoom& room) const {
  const SentRoom* before = base().Find(room.user.room);
  if (before == nullptr) return false;
  return !room.user.forgotten ||
         room.user.pos > (before->upto == 0 ? since() : before->upto);
}

// Rooms without news need not be looked at when nothing else has changed.
std::vector<size_t> SlidingBuilder::PlacesToLookAt() const {
  const std::vector<ListedRoom>& rooms = *listing_->rooms;
  std::vector<size_t> places;
  for (size_t i = 0; i < rooms.size(); ++i) {
    const RoomNid room = rooms[i].user.room;
    if (settled_ && (changed_.empty() || room < changed_.front() ||
                     room > changed_.back() || !Changed(room))) {
      continue;
    }
    places.push_back(i);
  }
  return places;
}

// In the windows of which lists each of those places of the listing is; counts
// what is in the lists.
Result<std::vector<SlidingBuilder::Windows>> SlidingBuilder::PlaceInLists(
    const std::vector<size_t>& places) {
  const std::vector<ListedRoom>& rooms = *listing_->rooms;
  std::vector<Windows> windows(places.size());
  std::vector<size_t> hidden;
  for (size_t i = 0; i < rooms.size(); ++i) {
    if (rooms[i].shown) continue;
    if (!KnewRoom(rooms[i])) {
      hidden.push_back(i);
    } else if (rooms[i].user.forgotten) {
      settles_ = false;  // Listed for the last time.
    }
  }
  for (size_t n = 0; n < request_.lists.size(); ++n) {
    const SlidingList& list = request_.lists[n];
    ListFilter filter(list.filters, *listing_);
    MC_RETURN_IF_ERROR(filter.Load(reader_, sliding_.numbers));
    size_t index = 0;
    size_t place = 0;
    auto next_hidden = hidden.begin();
    for (size_t i = 0; i < rooms.size(); ++i) {
      const bool here = place < places.size() && places[place] == i;
      const bool is_hidden = next_hidden != hidden.end() && *next_hidden == i;
      if (is_hidden) ++next_hidden;
      if (!is_hidden && filter.Matches(rooms[i])) {
        if (here && list.Contains(index)) windows[place].set(n);
        ++index;
      }
      if (here) ++place;
    }
    counts_.push_back(index);
  }
  return windows;
}

Status SlidingBuilder::SelectRooms() {
  const std::vector<size_t> places = PlacesToLookAt();
  MC_ASSIGN_OR_RETURN(const std::vector<Windows> windows, PlaceInLists(places));
  std::vector<std::pair<RoomNid, const SlidingSubscription*>> subscriptions;
  for (const SlidingSubscription& room : request_.subscriptions) {
    MC_ASSIGN_OR_RETURN(const RoomNid nid,
                        sliding_.numbers.Find(reader_, room.room_id));
    if (nid != 0) subscriptions.emplace_back(nid, &room);
  }
  std::sort(subscriptions.begin(), subscriptions.end());
  for (size_t i = 0; i < places.size(); ++i) {
    const ListedRoom& room = (*listing_->rooms)[places[i]];
    const auto subscription = std::lower_bound(
        subscriptions.begin(), subscriptions.end(), room.user.room,
        [](const auto& a, RoomNid nid) { return a.first < nid; });
    Wanted wanted{.listed = room, .windows = windows[i]};
    if (subscription != subscriptions.end() &&
        subscription->first == room.user.room) {
      wanted.subscription = subscription->second;
    }
    const bool in_view = windows[i].any() || wanted.subscription != nullptr;
    if (!in_view && !Changed(room.user.room)) continue;
    wanted.before = base().Find(room.user.room);
    if (in_view) {
      wanted_.push_back(wanted);
    } else if (wanted.before != nullptr && wanted.before->upto == 0) {
      out_of_view_.push_back(wanted);
    }
  }
  return OkStatus();
}

Result<const SlidingBuilder::Config*> SlidingBuilder::ConfigOf(
    const Wanted& wanted) {
  for (const Config& known : configs_) {
    if (known.windows == wanted.windows &&
        known.subscription == wanted.subscription) {
      return &known;
    }
  }
  Config& config = configs_.emplace_back();
  config.windows = wanted.windows;
  config.subscription = wanted.subscription;
  for (size_t i = 0; i < request_.lists.size(); ++i) {
    if (wanted.windows.test(i)) config.config.Add(request_.lists[i].config);
  }
  if (wanted.subscription != nullptr) {
    config.config.Add(wanted.subscription->config);
  }
  config.config.Seal();
  SlidingState numbers;
  numbers.configs = std::move(config_texts_);
  const std::optional<uint16_t> number =
      numbers.ConfigNumber(config.config.text());
  config_texts_ = std::move(numbers.configs);
  if (!number) {
    return Status(StatusCode::kInvalidArgument, "M_UNKNOWN_POS",
                  "The connection has seen too many configurations: begin "
                  "anew.");
  }
  config.number = *number;
  return &config;
}

// --- Rooms ---

// Whether something may have to be told of a room, or noted.
bool SlidingBuilder::NeedsLook(const Wanted& wanted,
                               const Config& config) const {
  const SentRoom* before = wanted.before;
  if (before == nullptr || before->upto != 0 ||
      Changed(wanted.listed.user.room) || before->config != config.number ||
      before->is_dm != wanted.listed.is_dm) {
    return true;
  }
  if (wanted.listed.joined() &&
      (before->limit < config.config.timeline_limit() ||
       before->receipts != InScope(extensions_.receipts, wanted))) {
    return true;
  }
  return before->account_data != InScope(extensions_.account_data, wanted);
}

Status SlidingBuilder::LookAtRooms() {
  std::vector<const Wanted*> rooms;
  std::vector<const Config*> configs;
  std::vector<RoomNid> nids;
  for (const Wanted& wanted : wanted_) {
    MC_ASSIGN_OR_RETURN(const Config* config, ConfigOf(wanted));
    if (!NeedsLook(wanted, *config)) continue;
    rooms.push_back(&wanted);
    configs.push_back(config);
    nids.push_back(wanted.listed.user.room);
  }
  MC_ASSIGN_OR_RETURN(std::vector<std::optional<RoomHead>> heads,
                      reader_.Heads(nids));
  for (size_t i = 0; i < rooms.size(); ++i) {
    if (!heads[i]) continue;
    MC_RETURN_IF_ERROR(LookAt(*rooms[i], *configs[i], *std::move(heads[i])));
  }
  return OkStatus();
}

Status SlidingBuilder::LookAt(const Wanted& wanted, const Config& config,
                              RoomHead head) {
  SlidingRoomMaker maker({.form = request_.form,
                          .lazy_session = lazy_session_,
                          .lazy_token = lazy_token_,
                          .user_id = user_id_,
                          .ignored = ignored_,
                          .since = since(),
                          .base = base()},
                         reader_, shared_.lazy, sliding_.bumps);
  MC_ASSIGN_OR_RETURN(std::optional<SlidingRoomMaker::Made> made,
                      maker.Make(wanted.listed, std::move(head), wanted.before,
                                 config.config, config.number));
  if (!made) return OkStatus();
  SlidingRoom& room = made->room;
  Looked looked{.wanted = wanted,
                .room_id = room.head.room_id,
                .sent = made->sent,
                .from = made->from,
                .initial = room.initial,
                .expanded = room.expanded_timeline,
                .timeline = {}};
  if (room.initial || room.expanded_timeline) {
    for (const StoredEvent& event : room.timeline.events) {
      looked.timeline.push_back(event.event->event_id());
    }
  }
  looked_.push_back(std::move(looked));
  if (room.empty()) return OkStatus();
  news_ = true;
  for (size_t i = 0; i < request_.lists.size(); ++i) {
    if (wanted.windows.test(i)) room.lists.push_back(request_.lists[i].name);
  }
  rooms_writer_.Key(room.head.room_id);
  return writer_.WriteRoom(rooms_writer_, room);
}

// What the client misses while the room is out of its view is told when it
// comes back.
Status SlidingBuilder::NoteOutOfView() {
  std::vector<RoomNid> nids;
  for (const Wanted& room : out_of_view_) {
    nids.push_back(room.listed.user.room);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                      reader_.Heads(nids));
  for (size_t i = 0; i < nids.size(); ++i) {
    if (!heads[i]) continue;
    MC_ASSIGN_OR_RETURN(const bool news,
                        HasNews(out_of_view_[i].listed, *heads[i]));
    if (!news) continue;
    sent_.push_back(*out_of_view_[i].before);
    sent_.back().upto = since();
  }
  return OkStatus();
}

Result<bool> SlidingBuilder::HasNews(const ListedRoom& listed,
                                     const RoomHead& head) {
  if (listed.user.pos > since() || HasAccountData(head.room_id)) return true;
  if (!listed.joined()) return false;
  if (head.last_pos > since() || typing_.incomplete ||
      TypingChange(head.nid) != nullptr) {
    return true;
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Receipt> receipts,
                      EphemeralService::ReceiptsSince(
                          reader_.snapshot(), head.nid, since(), user_id_));
  return !receipts.empty();
}

}  // namespace matrixcore
