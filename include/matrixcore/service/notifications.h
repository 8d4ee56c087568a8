// NotificationService: the list of what a user was notified about (spec:
// client-server API, "Listing Notifications").
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Functions may give the store's errors.
class NotificationService {
 public:
  static constexpr size_t kDefaultLimit = 20;
  static constexpr size_t kMaxLimit = 100;

  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
  };
  explicit NotificationService(const Deps& deps) : deps_(deps) {}

  struct Request {
    // Only what is older than this position.
    std::optional<Position> from = std::nullopt;
    size_t limit = kDefaultLimit;
    bool only_highlights = false;
  };
  // The body of the answer to GET /notifications: newest first, of the rooms
  // that the user is in or invited to, since they joined.  A page may be short
  // of the limit although there are more; then it has a next_token.
  Result<std::string> List(const Session& session, const Request& request);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
