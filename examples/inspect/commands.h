// The commands as functions of text: what they read, what they print.
//
// Each gives the lines to print, with a newline at the end, or a Status whose
// message says which input is wrong, where, and what would be right.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "input.h"
#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::inspect {

// --- JSON and events (event_commands.cc).  Inputs are JSON or JSON Lines. ---

Result<std::string> Canonical(const Input& input, bool lax);
Result<std::string> EventIds(const Input& input, const RoomVersionRules& rules);
Result<std::string> Hashes(const Input& input, const RoomVersionRules& rules);
Result<std::string> Redact(const Input& input, const RoomVersionRules& rules);
// With `rules` the objects are events: they get their content hash first, and
// the signature covers their redacted form.
Result<std::string> Sign(const Input& input, const RoomVersionRules* rules,
                         const std::string& entity, const SigningKey& key);

struct Answer {
  std::string text;
  bool good = true;  // Whether all of it was.
};
Result<Answer> Verify(const Input& input, const RoomVersionRules* rules,
                      const std::string& entity, const std::string& key_id,
                      const Ed25519PublicKey& key);

// --- Authorisation (auth_command.cc).  An empty version is that of the create
// event. ---

// Each vector is {"id", "room_version", "event", "auth_state": [PDU, ...]}.
Result<std::string> AuthCheckVectors(const Input& input);
// Events against the state that `state` (PDUs) makes up.
Result<std::string> AuthCheckByState(const Input& events, const Input& state,
                                     const std::string& room_version);
// Each of the events against those that it names as its auth events.
Result<std::string> AuthCheckAll(const std::vector<Input>& events,
                                 const std::string& room_version);

// --- State resolution (state_commands.cc). ---

struct RoomInput {
  // PDUs; several files are read as one.
  std::vector<Input> events;
  // State sets, in one file or in several.  Without any, the room is replayed:
  // the states are those after its newest events.
  std::vector<Input> states;
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
// The room's event graph, coloured by what became of each event.
Result<std::string> Dag(const RoomInput& input, const DagOptions& options);

}  // namespace matrixcore::inspect
