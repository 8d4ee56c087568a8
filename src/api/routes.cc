#include "api/routes.h"

namespace matrixcore::api {

// Each owner of a module adds a line.
std::vector<std::span<const Route>> AllRoutes() {
  return {
      ServerRoutes(), RoomRoutes(), MembershipRoutes(), MessageRoutes(),
      HistoryRoutes(),
  };
}

}  // namespace matrixcore::api
