// Asking a room's policy server about the events of a batch.  For the room
// floor only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "matrixcore/room/policy_signer.h"

namespace matrixcore {

// Whom an m.room.policy names.
struct PolicyServer {
  std::string name;
  std::optional<Ed25519PublicKey> key;  // Nothing for one that is no key.
};
// Nothing unless the event is there and complete.  That the server has a joined
// user is the caller's to see.
std::optional<PolicyServer> PolicyServerOf(const Event* policy);

struct PolicyQuestion {
  size_t index = 0;  // Of the event in its request.
  EventPtr event = {};
  std::string server = {};
};

// Asks all questions at once; `done` hears the answers in their order, possibly
// before this returns.
void AskPolicyServer(
    PolicySigner* signer, std::vector<PolicyQuestion> questions,
    UniqueFunction<void(std::vector<Result<Ed25519Signature>>)> done);

}  // namespace matrixcore
