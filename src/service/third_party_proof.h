// The proof that an identity server gives to who was invited by e-mail or phone
// (spec: POST /join, third_party_signed).  For the services about rooms.
#pragma once

#include <string>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

struct ThirdPartyProof {
  std::string sender;
  std::string user_id;
  std::string token;
  std::string json;  // The whole object.
};

// M_BAD_JSON for an object that is none.
Result<ThirdPartyProof> ReadThirdPartyProof(json::Value given);

// A public key of an m.room.third_party_invite.
struct InviteKey {
  std::string public_key;
  // Where to ask whether it is valid; "": it is.
  std::string validity_url;
};

// Those of the invite's keys that signed the proof.
std::vector<InviteKey> KeysThatSigned(const Event& invite,
                                      const ThirdPartyProof& proof);

}  // namespace matrixcore
