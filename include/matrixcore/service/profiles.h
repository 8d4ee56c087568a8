// Profiles: what users tell everybody about themselves (spec: client-server
// API, "Profiles").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/unfinished.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class ProfileService {
 public:
  // A key is "displayname", "avatar_url" or a name of the Common Namespaced
  // Identifier Grammar.
  static constexpr size_t kMaxKeyBytes = 255;
  static constexpr size_t kMaxProfileBytes = 65536;  // Of the whole as JSON.
  static constexpr size_t kMaxNameBytes = 1024;      // displayname, avatar_url.
  // Rooms that a change of a name waits for.
  static constexpr size_t kMaxAwaitedRooms = 50;

  struct Deps {
    Store& store;
    RoomCaches& caches;
    RoomWriter& writer;
    Executor& background;  // Brings names to rooms.
    Logger& log;
    UnfinishedWork& unfinished;  // And goes on with it when a part failed.
  };
  explicit ProfileService(const Deps& deps);

  // The whole profile as a JSON object, "{}" for a user who set nothing.
  // kNotFound M_NOT_FOUND for a user who does not exist.
  Result<std::string> Get(std::string_view user_id);
  // The JSON of one field.  kNotFound M_NOT_FOUND without user or field;
  // kInvalidArgument M_INVALID_PARAM for a bad key.
  Result<std::string> GetField(std::string_view user_id, std::string_view key);

  using Done = UniqueFunction<void(Status)>;
  // Writes a field; `value` is any JSON value, for the two names a string (""
  // is as good as none).  A name also goes into every room that the user is
  // joined to, some at a time; `done` is called when it is there, or in
  // kMaxAwaitedRooms of them.  A later change overtakes one under way: each
  // room gets the name that the profile has by then.  Once the profile is
  // written the rooms get the name whatever fails meanwhile, even if `done`
  // hears of a failure.  Errors, all kInvalidArgument: M_INVALID_PARAM or
  // M_KEY_TOO_LARGE for the key, M_INVALID_PARAM for a bad name,
  // M_PROFILE_TOO_LARGE.
  void Set(const std::string& user_id, std::string_view key, json::Value value,
           Done done);
  // Ok also if there is no such field.
  void Delete(const std::string& user_id, std::string_view key, Done done);

  // The display name of a user who is being made.  kInvalidArgument
  // M_INVALID_PARAM for a bad one.
  static Status AddName(WriteBatch& batch, const std::string& user_id,
                        std::string_view name);

 private:
  void Change(const std::string& user_id, std::string_view key,
              const std::optional<std::string>& value, Done done);
  struct Work;
  Result<CommitInfo> Write(const std::string& user_id, const std::string& field,
                           const std::optional<std::string>& value, Work* work);
  struct Propagation;
  void Propagate(std::shared_ptr<UnfinishedWork::Try> work);
  static void SendMore(const std::shared_ptr<Propagation>& work);

  const Deps deps_;
};

}  // namespace matrixcore
