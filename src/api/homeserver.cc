#include "matrixcore/api/homeserver.h"

#include <fmt/format.h>

#include <atomic>
#include <future>
#include <utility>

#include "api/router.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/federation/policy_client.h"
#include "matrixcore/federation/server_resolver.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/erasure.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/roomversion/room_version.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/cross_signing.h"
#include "matrixcore/service/dehydrated_devices.h"
#include "matrixcore/service/delayed_events.h"
#include "matrixcore/service/devices.h"
#include "matrixcore/service/directory.h"
#include "matrixcore/service/e2ee_tables.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/filters.h"
#include "matrixcore/service/history.h"
#include "matrixcore/service/key_backup.h"
#include "matrixcore/service/keys.h"
#include "matrixcore/service/legacy_sync.h"
#include "matrixcore/service/messages.h"
#include "matrixcore/service/notifications.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/openid.h"
#include "matrixcore/service/presence.h"
#include "matrixcore/service/profiles.h"
#include "matrixcore/service/push_rules.h"
#include "matrixcore/service/registration.h"
#include "matrixcore/service/relations.h"
#include "matrixcore/service/reports.h"
#include "matrixcore/service/rooms.h"
#include "matrixcore/service/search.h"
#include "matrixcore/service/search_follower.h"
#include "matrixcore/service/sliding_tables.h"
#include "matrixcore/service/sync.h"
#include "matrixcore/service/thread_subscriptions.h"
#include "matrixcore/service/to_device.h"
#include "matrixcore/service/uia.h"
#include "matrixcore/service/unfinished.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"
#include "matrixcore/service/user_directory.h"
#include "matrixcore/store/recall_store.h"

namespace matrixcore {
namespace {

using tables::kServerInfo;
using tables::ServerInfo;

Status BadOption(std::string message) {
  return Status(StatusCode::kFailedPrecondition, std::move(message));
}

Status CheckOptions(const HomeserverOptions& options) {
  if (!IsServerName(options.server_name)) {
    return BadOption(fmt::format("server_name: '{}' is not a server name",
                                 options.server_name));
  }
  if (FindRoomVersion(options.default_room_version) == nullptr) {
    return BadOption(
        fmt::format("default_room_version: '{}' is not a room version",
                    options.default_room_version));
  }
  for (const auto& contact : options.support.contacts) {
    if (contact.role.empty() ||
        (contact.matrix_id.empty() && contact.email_address.empty()) ||
        (!contact.matrix_id.empty() && !IsUserId(contact.matrix_id))) {
      return BadOption(
          "support: a contact has a role and a user id or an e-mail address");
    }
  }
  for (const std::string& user : options.admin_users) {
    if (!IsUserId(user) || DomainOf(user) != options.server_name) {
      return BadOption(fmt::format(
          "admin_users: '{}' is not a user id of this server", user));
    }
  }
  return OkStatus();
}

// A store belongs to the server name that first opened it: events, user ids and
// signatures carry that name.
Status ClaimStore(Store& store, const std::string& server_name) {
  const Row key = {std::string("server_name")};
  std::string owner;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        snapshot->Get(kServerInfo, key));
    if (row) owner = CellText((*row)[ServerInfo::kValue]);
  }
  if (owner.empty()) {
    WriteBatch batch;
    batch.InsertRow(tables::kRoomCounters,
                    {std::string(tables::kListedRooms), int64_t{0}});
    batch.InsertRow(kServerInfo, {std::string("server_name"), server_name});
    MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                        store.Commit(std::move(batch)));
    return OkStatus();
  }
  if (owner == server_name) return OkStatus();
  return BadOption(
      fmt::format("server_name: the store belongs to '{}', not to '{}'", owner,
                  server_name));
}

// A deactivated user leaves every room, and declines every invitation.  Of many
// failures gives one that is worth another try, if any is.
Status LeaveAllRooms(Store& store, RoomCaches& caches, RoomService& rooms,
                     const std::string& user_id) {
  std::vector<std::string> ids;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    RoomReader reader(*snapshot, caches);
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader.RoomsOf(user_id));
    for (const MembershipRow& row : rows) {
      if (row.membership != Membership::kJoin &&
          row.membership != Membership::kInvite &&
          row.membership != Membership::kKnock) {
        continue;
      }
      MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head,
                          reader.Head(row.room));
      if (head) ids.push_back(head->room_id);
    }
  }
  Session session;
  session.user_id = user_id;
  Status failure;
  for (const std::string& room_id : ids) {
    std::promise<Status> left;
    rooms.Leave(session, {.room_id = room_id, .target = user_id, .reason = {}},
                [&left](Status status) { left.set_value(std::move(status)); });
    Status status = left.get_future().get();
    if (IsPassing(status) || failure.ok()) failure = std::move(status);
  }
  return failure;
}

}  // namespace

const Schema& MatrixSchema() {
  static const Schema schema = [] {
    Schema all;
    all.version = tables::kSchemaVersion;
    for (const auto& tables :
         {tables::RoomTables(), tables::AccountTables(),
          tables::EphemeralTables(), tables::UnreadTables(),
          tables::SlidingTables()}) {
      all.tables.insert(all.tables.end(), tables.begin(), tables.end());
    }
    return all;
  }();
  return schema;
}

// What syncs ask for at every turn, and what seldom changes.
std::vector<RecallStore::Watch> WatchedTables() {
  using namespace tables;
  return {
      {&kAccountData, AccountData::kPos},
      {&kMemberships, Memberships::kPos},
      {&kForgets},
      {&kToDevice, ToDevice::kPos},
      {&kReceipts, Receipts::kPos},
      {&kPresence, PresenceTable::kPos},
      {&kDeviceListChanges, DeviceListChanges::kPos},
      {&kOwnSignatureChanges, OwnSignatureChanges::kPos},
      {&kNotices, Notices::kPos, true},
      {&kPersonalNotices, PersonalNotices::kPos},
      {&kThreadSubscriptions, ThreadSubscriptions::kPos},
      {&kOneTimeKeyCounts},
      {&kKeyCountChanges, KeyCountChanges::kPos},
      {&kFallbackKeys},
      {&kNoticeModes},
      {&kReadMarks, ReadMarks::kPos},
      {&kRooms},
  };
}

// Who hears of commits to rooms.
class CommitListeners : public RoomListener {
 public:
  CommitListeners(Notifier& notifier, SearchFollower& search)
      : notifier_(notifier), search_(search) {}
  void OnCommit(const RoomCommit& commit) override {
    notifier_.OnCommit(commit);
    search_.Wake();
  }

 private:
  Notifier& notifier_;
  SearchFollower& search_;
};

// Members are made in this order and destroyed in the reverse order.
struct Homeserver::Rep {
  Rep(HomeserverOptions o, const HomeserverDeps& d);

  const HomeserverOptions options;
  const HomeserverDeps deps;
  RecallStore store;

  // Rooms.
  RoomCaches room_caches;
  RoomActivity room_activity;
  JoinedUsers joined_users;
  Notifier notifier;
  SearchFollower search_follower;
  CommitListeners listeners;
  PushProfiles push_profiles;
  UnreadTracker unread;
  std::unique_ptr<ServerResolver> resolver;  // Null if nobody can be reached.
  std::unique_ptr<PolicyClient> policy;
  RoomWriter room_writer;

  // Services.
  UnfinishedWork unfinished;
  AccountService accounts;
  UiaService uia;
  RegistrationService registration;
  DeviceService devices;
  ProfileService profiles;
  AccountDataService account_data;
  FilterService filters;
  PushRuleService push_rules;
  KeyService keys;
  ToDeviceService to_device;
  CrossSigningService cross_signing;
  KeyBackupService key_backup;
  DehydratedDeviceService dehydrated_devices;
  IdentityClient identity;
  RoomService rooms;
  MessageService messages;
  HistoryService history;
  RelationService relations;
  SearchService search;
  DirectoryService directory;
  UserDirectory user_directory;
  ReportService reports;
  OpenIdService openid;
  EphemeralService ephemeral;
  PresenceService presence;
  LegacySyncService legacy_sync;
  SyncService sync;
  DelayedEventService delayed_events;
  NotificationService notifications;
  ThreadSubscriptionService thread_subscriptions;

  api::Services services;
  api::Router router;
  std::atomic<bool> shut_down{false};
};

Homeserver::Rep::Rep(HomeserverOptions o, const HomeserverDeps& d)
    : options(std::move(o)),
      deps(d),
      store(d.store, WatchedTables(), d.caches),
      room_caches(d.caches),
      room_activity(store.LastPosition()),
      joined_users(&d.caches),
      notifier(store, joined_users, d.rooms, d.timers, d.clock, d.metrics),
      search_follower({.store = store,
                       .caches = room_caches,
                       .index = d.search,
                       .background = d.background,
                       .timers = d.timers,
                       .clock = d.clock,
                       .log = d.log,
                       .metrics = d.metrics}),
      listeners(notifier, search_follower),
      push_profiles(store, d.caches),
      unread({.profiles = push_profiles,
              .joined = joined_users,
              .clock = d.clock,
              .server_name = options.server_name}),
      resolver(d.federation == nullptr ? nullptr
                                       : std::make_unique<ServerResolver>(
                                             ServerResolver::Options{},
                                             *d.federation, d.clock, d.caches)),
      policy(
          resolver == nullptr
              ? nullptr
              : std::make_unique<PolicyClient>(
                    PolicyClient::Options{.server_name = options.server_name},
                    PolicyClient::Deps{.client = *d.federation,
                                       .resolver = *resolver,
                                       .signing_key = d.signing_key})),
      room_writer({.server_name = options.server_name},
                  {.store = store,
                   .coordinator = d.coordinator,
                   .executor = d.rooms,
                   .clock = d.clock,
                   .random = d.random,
                   .signing_key = d.signing_key,
                   .caches = room_caches,
                   .activity = room_activity,
                   .joined = joined_users,
                   .listener = listeners,
                   .log = d.log,
                   .metrics = d.metrics,
                   .observer = &unread,
                   .policy = policy.get()}),
      unfinished({.store = store,
                  .clock = d.clock,
                  .timers = d.timers,
                  .background = d.background,
                  .log = d.log}),
      accounts({.server_name = options.server_name,
                .password_cost = options.password_cost,
                .access_token_lifetime_ms = options.access_token_lifetime_ms,
                .admin_users = options.admin_users,
                .max_devices = options.user_limits.devices},
               {.store = store,
                .clock = d.clock,
                .random = d.random,
                .background = d.background,
                .timers = d.timers,
                .log = d.log,
                .caches = d.caches,
                .unfinished = unfinished}),
      uia({}, d.clock, d.random),
      registration(
          {.server_name = options.server_name,
           .enabled = options.registration.enabled,
           .guests = options.registration.guests,
           .require_token = options.registration.require_token,
           .shared_secret = options.registration.shared_secret,
           .min_password_length = options.registration.min_password_length},
          {.store = store,
           .accounts = accounts,
           .uia = uia,
           .clock = d.clock,
           .random = d.random}),
      devices(store, accounts),
      profiles({.store = store,
                .caches = room_caches,
                .writer = room_writer,
                .background = d.background,
                .log = d.log,
                .unfinished = unfinished}),
      account_data(store, notifier, &push_profiles),
      filters(store),
      push_rules(store, notifier, &push_profiles),
      keys({.store = store,
            .clock = d.clock,
            .notifier = notifier,
            .server_name = options.server_name},
           accounts),
      to_device({.max_queue_bytes = options.user_limits.to_device_queue_bytes},
                {.store = store,
                 .clock = d.clock,
                 .notifier = notifier,
                 .server_name = options.server_name},
                accounts),
      cross_signing({.store = store,
                     .notifier = notifier,
                     .server_name = options.server_name},
                    accounts),
      key_backup({.max_keys = options.user_limits.backup_keys}, store,
                 accounts),
      dehydrated_devices(store, accounts),
      identity(d.outbound),
      rooms({.server_name = options.server_name,
             .default_room_version = options.default_room_version},
            {.store = store,
             .caches = room_caches,
             .writer = room_writer,
             .clock = d.clock,
             .random = d.random,
             .background = d.background,
             .identity = identity}),
      messages({.store = store, .caches = room_caches, .writer = room_writer}),
      history({.store = store, .caches = room_caches, .clock = d.clock}),
      relations({.store = store, .caches = room_caches, .clock = d.clock}),
      search({.store = store,
              .caches = room_caches,
              .clock = d.clock,
              .index = d.search,
              .follower = search_follower}),
      directory({.server_name = options.server_name},
                {.store = store, .caches = room_caches}),
      user_directory({.store = store, .caches = room_caches}),
      reports({.store = store, .caches = room_caches, .clock = d.clock}),
      openid({.store = store, .clock = d.clock, .random = d.random}),
      ephemeral({.store = store,
                 .clock = d.clock,
                 .timers = d.timers,
                 .caches = room_caches,
                 .activity = room_activity,
                 .joined = joined_users,
                 .writer = room_writer,
                 .notifier = notifier}),
      presence({.enabled = options.presence}, {.store = store,
                                               .clock = d.clock,
                                               .timers = d.timers,
                                               .executor = d.background,
                                               .caches = room_caches,
                                               .notifier = notifier,
                                               .log = d.log}),
      legacy_sync({.max_timeout = options.max_sync_timeout},
                  {.store = store,
                   .caches = room_caches,
                   .clock = d.clock,
                   .notifier = notifier,
                   .presence = presence,
                   .ephemeral = ephemeral}),
      sync({.max_timeout = options.max_sync_timeout},
           {.store = store,
            .clock = d.clock,
            .caches = room_caches,
            .activity = room_activity,
            .notifier = notifier,
            .ephemeral = ephemeral,
            .filters =
                [this](std::string_view user_id, std::string_view filter_id) {
                  return filters.Get(user_id, filter_id);
                },
            .log = d.log,
            .metrics = d.metrics,
            .presence = &presence,
            .accounts = &accounts}),
      delayed_events({.max_delay_ms = std::chrono::duration_cast<milliseconds>(
                                          options.delayed_events.max_delay)
                                          .count(),
                      .max_scheduled = options.delayed_events.max_scheduled},
                     {.store = store,
                      .clock = d.clock,
                      .timers = d.timers,
                      .random = d.random,
                      .executor = d.background,
                      .messages = messages,
                      .accounts = accounts,
                      .log = d.log,
                      .may_send =
                          [this](const Session& session) {
                            return router.MaySend(session);
                          }}),
      notifications({.store = store, .caches = room_caches, .clock = d.clock}),
      thread_subscriptions({.store = store,
                            .caches = room_caches,
                            .notifier = notifier,
                            .profiles = push_profiles}),
      services{.options = options,
               .deps = deps,
               .started = deps.clock.Monotonic(),
               .room_caches = room_caches,
               .room_writer = room_writer,
               .notifier = notifier,
               .accounts = accounts,
               .registration = registration,
               .uia = uia,
               .devices = devices,
               .profiles = profiles,
               .account_data = account_data,
               .filters = filters,
               .push_rules = push_rules,
               .keys = keys,
               .to_device = to_device,
               .cross_signing = cross_signing,
               .key_backup = key_backup,
               .rooms = rooms,
               .messages = messages,
               .history = history,
               .relations = relations,
               .search = search,
               .legacy_sync = legacy_sync,
               .directory = directory,
               .user_directory = user_directory,
               .reports = reports,
               .openid = openid,
               .ephemeral = ephemeral,
               .sync = sync,
               .presence = presence,
               .delayed_events = delayed_events,
               .notifications = notifications,
               .thread_subscriptions = thread_subscriptions,
               .dehydrated_devices = dehydrated_devices},
      router(services, api::AllRoutes()) {
  d.caches.ShowIn(d.metrics);
  search_follower.Wake();  // For what was committed before a crash.
  delayed_events.Start();
  unfinished.Start();
  accounts.OnDeactivated([this](const std::string& user_id, bool erase) {
    if (erase) room_caches.NoteErasure();
    return LeaveAllRooms(store, room_caches, rooms, user_id);
  });
  accounts.OnDeviceListChanged([this](const std::string& user_id) {
    PublishToContacts(store, room_caches, notifier, user_id);
  });
}

Homeserver::Homeserver(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

Homeserver::~Homeserver() { Shutdown(); }

Result<std::unique_ptr<Homeserver>> Homeserver::Create(
    HomeserverOptions options, const HomeserverDeps& deps) {
  MC_RETURN_IF_ERROR(CheckOptions(options));
  MC_RETURN_IF_ERROR(ClaimStore(deps.store, options.server_name));
  auto rep = std::make_unique<Rep>(std::move(options), deps);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  MC_RETURN_IF_ERROR(LoadErasures(*snapshot, rep->room_caches));
  return std::unique_ptr<Homeserver>(new Homeserver(std::move(rep)));
}

void Homeserver::Handle(HttpRequest request, Responder respond) {
  rep_->router.Handle(std::move(request), std::move(respond));
}

// New requests are refused first, so that what follows comes to an end.
void Homeserver::Shutdown() {
  if (rep_->shut_down.exchange(true)) return;
  rep_->router.RefuseNew();
  rep_->unfinished.Stop();
  rep_->notifier.Shutdown();
  rep_->room_writer.Drain();
  rep_->search_follower.Shutdown();
  rep_->accounts.FlushActivity();
}

}  // namespace matrixcore
