// What identity servers answer: any bytes are read or refused, and what is
// taken from them keeps to its grammar.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/identity.h"

namespace mc = matrixcore;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto details = mc::ReadHashDetails(text); details.ok()) {
    MC_FUZZ_CHECK(!mc::HashAddress(
                       *details, {.medium = "email", .address = "a@b.example"})
                       .empty());
  }
  const auto user = mc::ReadMapping(text, "a@b.example email");
  MC_FUZZ_CHECK(!user.ok() || !*user || mc::IsUserId(**user));
  if (const auto stored = mc::ReadStoredInvite(text); stored.ok()) {
    MC_FUZZ_CHECK(!stored->token.empty() &&
                  stored->token.size() <= mc::kMaxIdentifierBytes);
    MC_FUZZ_CHECK(mc::json::Document::Parse(stored->content).ok());
  }
  return 0;
}
