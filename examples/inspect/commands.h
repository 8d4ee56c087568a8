// The commands as functions of text: what they read, what they print.
//
// Each gives the lines to print, with a newline at the end, or a Status whose
// message says what is wrong with the input.
#pragma once

#include <optional>
#include <string>

#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::inspect {

// --- JSON and events (event_commands.cc).  `input` is JSON or JSON Lines. ---

Result<std::string> Canonical(std::string input, bool lax);
Result<std::string> EventIds(std::string input, const RoomVersionRules& rules);
Result<std::string> Hashes(std::string input, const RoomVersionRules& rules);
Result<std::string> Redact(std::string input, const RoomVersionRules& rules);
// With `rules` the objects are events: they get their content hash first, and
// the signature covers their redacted form.
Result<std::string> Sign(std::string input, const RoomVersionRules* rules,
                         const std::string& entity, const SigningKey& key);

struct Answer {
  std::string text;
  bool good = true;  // Whether all of it was.
};
Result<Answer> Verify(std::string input, const RoomVersionRules* rules,
                      const std::string& entity, const std::string& key_id,
                      const Ed25519PublicKey& key);

// --- Authorisation (auth_command.cc). ---

// Each vector is {"id", "room_version", "event", "auth_state": [PDU, ...]}.
Result<std::string> AuthCheckVectors(std::string input);
// An event against the state that `state` (PDUs) makes up.
Result<std::string> AuthCheckOne(std::string event, std::string state,
                                 const RoomVersionRules& rules);
// Each of the events against those that it names as its auth events.
Result<std::string> AuthCheckAll(std::string events,
                                 const RoomVersionRules& rules);

// --- State resolution (state_commands.cc). ---

struct RoomInput {
  std::string events;
  std::string states;  // "" for none.
  // "" when the states or the create event name the version.
  std::string room_version;
};
// Rows of [type, state_key, event_id], sorted.
Result<std::string> Resolve(const RoomInput& input);
Result<std::string> Explain(const RoomInput& input);

// --- Pictures (dag.cc). ---

struct DagOptions {
  bool svg = false;   // Else Graphviz.
  bool auth = false;  // Also draw auth events.
};
// The room's event graph, coloured by what became of each event.  Without
// states the room is replayed: the states after its newest events are resolved.
Result<std::string> Dag(const RoomInput& input, const DagOptions& options);

}  // namespace matrixcore::inspect
