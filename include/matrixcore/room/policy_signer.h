// PolicySigner: asks the policy server of a room to sign an event before it is
// sent (spec: server-server API, "Policy Servers").
//
// RoomWriter knows when somebody must be asked and what follows from the
// answer; how a server is reached is the federation floor's business.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/event.h"

namespace matrixcore {

// The id of every key of a policy server.
inline constexpr std::string_view kPolicyKeyId = "ed25519:policy_server";

class PolicySigner {
 public:
  using Done = UniqueFunction<void(Result<Ed25519Signature> signature)>;

  virtual ~PolicySigner() = default;
  // Shows `event` to the server of that name.  `done` is called once, on any
  // thread, possibly before Sign returns; it must be short.  A refusal carries
  // the errcode and the message that the policy server gave; kUnavailable and
  // kDeadlineExceeded when it cannot be asked.  Thread-safe.
  virtual void Sign(const std::string& server, const EventPtr& event,
                    Done done) = 0;
};

}  // namespace matrixcore
