// Services: what endpoint functions may call.  Made once by Homeserver.
#pragma once

#include "matrixcore/api/homeserver.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/notifier.h"

namespace matrixcore {

class AccountService;             // service/accounts.h
class RegistrationService;        // service/registration.h
class UiaService;                 // service/uia.h
class DeviceService;              // service/devices.h
class ProfileService;             // service/profiles.h
class AccountDataService;         // service/account_data.h
class FilterService;              // service/filters.h
class PushRuleService;            // service/push_rules.h
class KeyService;                 // service/keys.h
class ToDeviceService;            // service/to_device.h
class CrossSigningService;        // service/cross_signing.h
class KeyBackupService;           // service/key_backup.h
class DehydratedDeviceService;    // service/dehydrated_devices.h
class RoomService;                // service/rooms.h
class MessageService;             // service/messages.h
class HistoryService;             // service/history.h
class RelationService;            // service/relations.h
class SearchService;              // service/search.h
class LegacySyncService;          // service/legacy_sync.h
class DirectoryService;           // service/directory.h
class UserDirectory;              // service/user_directory.h
class ReportService;              // service/reports.h
class OpenIdService;              // service/openid.h
class EphemeralService;           // service/ephemeral.h
class SyncService;                // service/sync.h
class PresenceService;            // service/presence.h
class DelayedEventService;        // service/delayed_events.h
class NotificationService;        // service/notifications.h
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
  ToDeviceService& to_device;
  CrossSigningService& cross_signing;
  KeyBackupService& key_backup;
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
  DehydratedDeviceService& dehydrated_devices;
};

}  // namespace api
}  // namespace matrixcore
