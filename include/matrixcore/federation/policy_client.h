// PolicyClient: asks policy servers over HTTP (spec: server-server API,
// POST /_matrix/policy/v1/sign).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/federation/server_resolver.h"
#include "matrixcore/http/message.h"
#include "matrixcore/room/policy_signer.h"

namespace matrixcore {

// Thread-safe.
class PolicyClient : public PolicySigner {
 public:
  struct Options {
    std::string server_name;  // Ours.
    Duration timeout = seconds(10);
  };
  // All outlive the client.
  struct Deps {
    HttpClient& client;
    ServerResolver& resolver;
    const SigningKey& signing_key;
  };
  PolicyClient(Options options, const Deps& deps);
  ~PolicyClient() override;

  void Sign(const std::string& server, const EventPtr& event,
            Done done) override;

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

// What a policy server's answer means: its signature, or why there is none.
Result<Ed25519Signature> ReadPolicyAnswer(const HttpResponse& response,
                                          std::string_view server);

}  // namespace matrixcore
