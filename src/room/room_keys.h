// The public keys that came with an imported room.  For the room floor only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"

namespace matrixcore {

// A value.
class RoomKeys {
 public:
  static Result<RoomKeys> Load(Snapshot& snapshot, RoomNid room) {
    using tables::RoomSigningKeys;
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot.Scan({.table = &tables::kRoomSigningKeys,
                                       .prefix = {Cell(room)}}));
    RoomKeys keys;
    for (const Row& row : rows) {
      const auto key =
          ParseEd25519PublicKey(CellText(row[RoomSigningKeys::kKey]));
      if (!key) continue;
      keys.keys_[{std::string(CellText(row[RoomSigningKeys::kServer])),
                  std::string(CellText(row[RoomSigningKeys::kKeyId]))}] = *key;
    }
    return keys;
  }

  std::optional<Ed25519PublicKey> Find(std::string_view server,
                                       std::string_view key_id) const {
    const auto it = keys_.find({std::string(server), std::string(key_id)});
    if (it == keys_.end()) return std::nullopt;
    return it->second;
  }

 private:
  std::map<std::pair<std::string, std::string>, Ed25519PublicKey> keys_;
};

}  // namespace matrixcore
