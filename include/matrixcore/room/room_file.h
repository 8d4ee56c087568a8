// The portable file of one room: its events with what a server thought of them,
// the keys that prove them, and where the graph ends.  docs/room-tools.md
// describes the format; it is JSON Lines, so that a room of any size is written
// and read as a stream, and its event lines are PDUs as every tool reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/event.h"

namespace matrixcore {

// How much of the room the file has.
enum class RoomFileScope {
  kAll,    // Everything that the server had.
  kSince,  // The graph from a point on, and what authorises it.
  kState,  // The current state and what authorises it.
};

// --- Records, one a line. ---

// The first line.
struct RoomFileHeader {
  std::string room_id = {};
  const RoomVersionRules* rules = nullptr;
  std::string server = {};  // The one that wrote the file.
  Timestamp written = {};
  RoomFileScope scope = RoomFileScope::kAll;
};
// A public key, before the first event that it signed.
struct RoomFileKey {
  std::string server;
  std::string key_id;
  Ed25519PublicKey key = {};
};
// Stands before an event some of whose prev events are not in the file (as part
// of the graph): the state before it, as event ids.
struct RoomFileStateBefore {
  std::string event_id = {};
  std::vector<std::string> state = {};
};
// Events stand in the order in which the server knew them: after those that
// they name, as far as the file has them.
struct RoomFileEvent {
  EventPtr event = {};
  int64_t flags = 0;  // EventFlags.
};
struct RoomFileAlias {
  std::string alias;
  std::string creator;
};
// After the last event.
struct RoomFileHead {
  std::vector<std::string> extremities = {};
  bool listed = false;  // In the room directory.
  // Of a file of kState: the current state, as event ids.
  std::vector<std::string> state = {};
};
// The last line: proves that the others are all there.
struct RoomFileEnd {
  uint64_t events = 0;
  std::string sha256;  // Of all lines before, in hexadecimal.
};
using RoomFileRecord =
    std::variant<RoomFileHeader, RoomFileKey, RoomFileStateBefore,
                 RoomFileEvent, RoomFileAlias, RoomFileHead, RoomFileEnd>;

// Writes the lines of a file.  One thread at a time.
class RoomFileWriter {
 public:
  // Takes the next bytes of the file.
  using Sink = std::function<Status(std::string_view bytes)>;

  explicit RoomFileWriter(Sink sink);
  ~RoomFileWriter();

  // kEnd is the writer's own: see Finish.
  Status Write(const RoomFileRecord& record);
  // Writes the last line.
  Status Finish();
  uint64_t events() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// Reads the lines of a file, which may hold anything.  One thread at a time.
// Memory: one line, at most kMaxLineBytes.
class RoomFileReader {
 public:
  // Fills the buffer with the next bytes; 0 at the end of the file.
  using Source = std::function<Result<size_t>(char* buffer, size_t size)>;
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  explicit RoomFileReader(Source source);
  ~RoomFileReader();

  // The next record; nothing after the last line, which has been proven by
  // then.  Events have been parsed as if another server had sent them: their
  // ids are right, their hashes and signatures are not looked at.
  // Errors name the line.  kInvalidArgument: not such a file, or a line that
  // should not be there; kUnsupported: of a newer format; kDataLoss: the file
  // is torn or was changed; those of the source.  After one the reader is of no
  // use.
  Result<std::optional<RoomFileRecord>> Next();
  // Bytes read so far, for showing progress.
  uint64_t bytes() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
