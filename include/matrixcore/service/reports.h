// Reports: what users tell those who run the server of rooms, events and users
// (spec: client-server API, "Reporting Content").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

struct Report {
  int64_t id = 0;  // Grows with time.
  Timestamp ts = {};
  std::string reporter = {};
  std::string room_id = {};   // "" in a report of a user.
  std::string event_id = {};  // "" but in a report of an event.
  std::string user_id =
      {};  // Who is reported, or sent the event; "" for a room.
  std::optional<std::string> reason = {};
};

// Waits for the store.  Thread-safe.
class ReportService {
 public:
  static constexpr size_t kMaxReasonBytes = 8192;

  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
  };
  explicit ReportService(const Deps& deps) : deps_(deps) {}

  // Whether there is such a room or user is not told: a report of what is
  // unknown here is accepted and forgotten.  All: kTooLarge M_TOO_LARGE for a
  // reason over kMaxReasonBytes.
  Status ReportRoom(const Session& session, std::string_view room_id,
                    std::string_view reason);
  Status ReportUser(const Session& session, std::string_view user_id,
                    std::string_view reason);
  // kNotFound M_NOT_FOUND alike for an event that is not there, for one that
  // the user may not see, and for who is not joined to the room.
  Status ReportEvent(const Session& session, std::string_view room_id,
                     std::string_view event_id,
                     const std::optional<std::string>& reason);

  // --- For administrators ---
  // Newest first, those before an id.
  Result<std::vector<Report>> List(int64_t before, size_t limit);
  Result<std::optional<Report>> Find(int64_t id);
  // False if there was none.
  Result<bool> Delete(int64_t id);

 private:
  Status Add(const Session& session, const Report& report);

  const Deps deps_;
};

}  // namespace matrixcore
