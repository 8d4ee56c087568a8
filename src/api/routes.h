// The route tables of the api floor, one function a module.  Each is defined in
// the .cc file that holds the module's endpoint functions.
#pragma once

#include <span>

#include "matrixcore/api/router.h"

namespace matrixcore::api {

std::span<const Route> ServerRoutes();            // server.cc
std::span<const Route> AccountRoutes();           // account.cc
std::span<const Route> LoginRoutes();             // login.cc
std::span<const Route> AdminRoutes();             // admin.cc
std::span<const Route> DeviceRoutes();            // devices.cc
std::span<const Route> ProfileRoutes();           // profile.cc
std::span<const Route> AccountDataRoutes();       // account_data.cc
std::span<const Route> TagRoutes();               // tags.cc
std::span<const Route> FilterRoutes();            // filters.cc
std::span<const Route> PushRuleRoutes();          // push_rules.cc
std::span<const Route> KeyRoutes();               // keys.cc
std::span<const Route> ToDeviceRoutes();          // to_device.cc
std::span<const Route> CrossSigningRoutes();      // cross_signing.cc
std::span<const Route> KeyBackupRoutes();         // key_backup.cc
std::span<const Route> DehydratedDeviceRoutes();  // dehydrated_devices.cc

std::span<const Route> RoomRoutes();        // rooms.cc
std::span<const Route> MembershipRoutes();  // membership.cc
std::span<const Route> MessageRoutes();     // messages.cc
std::span<const Route> HistoryRoutes();     // history.cc
std::span<const Route> RelationRoutes();    // relations.cc
std::span<const Route> SearchRoutes();      // search.cc
std::span<const Route> LegacySyncRoutes();  // legacy_sync.cc
std::span<const Route> DirectoryRoutes();   // directory.cc
std::span<const Route> ModerationRoutes();  // moderation.cc

std::span<const Route> SyncRoutes();                // sync.cc
std::span<const Route> SlidingSyncRoutes();         // sliding_sync.cc
std::span<const Route> EphemeralRoutes();           // ephemeral.cc
std::span<const Route> PresenceRoutes();            // presence.cc
std::span<const Route> DelayedEventRoutes();        // delayed_events.cc
std::span<const Route> NotificationRoutes();        // notifications.cc
std::span<const Route> ThreadSubscriptionRoutes();  // thread_subscriptions.cc

}  // namespace matrixcore::api
