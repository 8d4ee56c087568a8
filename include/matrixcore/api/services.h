// Services: what endpoint functions may call.  Made once by Homeserver.
#pragma once

#include "matrixcore/api/homeserver.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/notifier.h"

namespace matrixcore {

class AccountService;      // service/accounts.h
class RegistrationService; // service/registration.h
class UiaService;          // service/uia.h
class DeviceService;       // service/devices.h
class ProfileService;      // service/profiles.h
class AccountDataService;  // service/account_data.h
class FilterService;       // service/filters.h
class PushRuleService;     // service/push_rules.h
class KeyService;          // service/keys.h
class RoomService;         // service/rooms.h
class MessageService;      // service/messages.h
class HistoryService;      // service/history.h
class RelationService;     // service/relations.h
class SearchService;       // service/search.h
class LegacySyncService;   // service/legacy_sync.h
class DirectoryService;    // service/directory.h
class UserDirectory;       // service/user_directory.h
class ReportService;       // service/reports.h
class OpenIdService;       // service/openid.h
class EphemeralService;    // service/ephemeral.h
class SyncService;         // service/sync.h
class PresenceService;     // service/presence.h
class DelayedEventService; // service/delayed_events.h
class NotificationService; // service/notifications.h
class ThreadSubscriptionService;  // service/thread_subscriptions.h

namespace api {

struct Services {
  const HomeserverOptions& options;
  const HomeserverDeps& deps;
  MonotonicTime started;
  RoomCaches& room_caches;
  RoomWriter& room_writer;
  Notifier& notifier;
  AccountService& accounts;
  RegistrationService& registration;
  UiaService& uia;
  DeviceService& devices;
  ProfileService& profiles;
  AccountDataService& account_data;
  FilterService& filters;
  PushRuleService& push_rules;
  KeyService& keys;
  RoomService& rooms;
  MessageService& messages;
  HistoryService& history;
  RelationService& relations;
  SearchService& search;
  LegacySyncService& legacy_sync;
  DirectoryService& directory;
  UserDirectory& user_directory;
  ReportService& reports;
  OpenIdService& openid;
  EphemeralService& ephemeral;
  SyncService& sync;
  PresenceService& presence;
  DelayedEventService& delayed_events;
  NotificationService& notifications;
  ThreadSubscriptionService& thread_subscriptions;
};

}  // namespace api
}  // namespace matrixcore
