#include "api/routes.h"

namespace matrixcore::api {

// Each owner of a module adds a line.
std::vector<std::span<const Route>> AllRoutes() {
  return {
      ServerRoutes(),       AccountRoutes(),      LoginRoutes(),
      AdminRoutes(),        DeviceRoutes(),       ProfileRoutes(),
      AccountDataRoutes(),  TagRoutes(),          FilterRoutes(),
      PushRuleRoutes(),     KeyRoutes(),          ToDeviceRoutes(),
      CrossSigningRoutes(), KeyBackupRoutes(),    DehydratedDeviceRoutes(),
      RoomRoutes(),         MembershipRoutes(),   MessageRoutes(),
      HistoryRoutes(),      RelationRoutes(),     SearchRoutes(),
      LegacySyncRoutes(),   EphemeralRoutes(),    DirectoryRoutes(),
      ModerationRoutes(),   SyncRoutes(),         PresenceRoutes(),
      DelayedEventRoutes(), NotificationRoutes(), ThreadSubscriptionRoutes(),
      SlidingSyncRoutes(),
  };
}

}  // namespace matrixcore::api
