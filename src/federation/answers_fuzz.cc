// What other homeservers answer: any bytes are read or refused, and what is
// taken from them keeps to its grammar.  The first byte becomes the HTTP
// status.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "federation/well_known.h"
#include "matrixcore/federation/policy_client.h"
#include "matrixcore/id/identifiers.h"

namespace mc = matrixcore;

namespace {

// A broken promise ends the run, with the input kept.
void Check(bool kept) {
  if (!kept) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  mc::HttpResponse response{.status = data[0] % 2 == 0 ? 200 : 400,
                            .body = text};
  response.headers.Add("Cache-Control", text);

  if (const auto name = mc::DelegatedName(response)) {
    Check(mc::IsServerName(*name));
    const mc::ServerLocation location = mc::PlainLocation(*name);
    Check(mc::IsServerName(location.authority));
    Check(!mc::SplitServerName(location.authority).port.empty());
  }
  const mc::Duration lifetime = mc::LifetimeOf(response);
  Check(lifetime >= mc::Duration::zero() && lifetime <= mc::seconds(48 * 3600));

  const auto signature = mc::ReadPolicyAnswer(response, "policy.example");
  if (!signature.ok()) {
    Check(signature.status().message().size() <= 1000);
  }
  return 0;
}
