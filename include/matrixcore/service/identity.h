// IdentityClient: what a homeserver asks identity servers (spec: identity
// service API), to invite people of whom only an e-mail address or a telephone
// number is known.
//
// A client names the identity server and brings the access token for it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/http/message.h"

namespace matrixcore {

// Who is invited, and where to ask.
struct ThirdPartyInvitee {
  std::string id_server = {};
  std::string id_access_token = {};
  std::string medium = {};
  std::string address = {};
};

// What the identity server tells the invited; "" is left out.
struct ThirdPartyInvitation {
  std::string room_id = {};
  std::string sender = {};
  std::string room_alias = {};
  std::string room_avatar_url = {};
  std::string room_join_rules = {};
  std::string room_name = {};
  std::string room_type = {};
  std::string sender_display_name = {};
  std::string sender_avatar_url = {};
};

// Thread-safe.  Errors of Lookup and Store: M_INVALID_PARAM (id_server is no
// server name), M_CONNECTION_FAILED (it cannot be reached, or makes no sense),
// M_TERMS_NOT_SIGNED, M_FORBIDDEN (it refuses the token).
class IdentityClient {
 public:
  // `client` outlives it; null: nobody can be reached.
  explicit IdentityClient(HttpClient* client) : client_(client) {}

  // The user id that the address is bound to, if any.  `done` is called once,
  // on a thread of the client, possibly before Lookup returns; it must not
  // block.
  using FoundUser =
      UniqueFunction<void(Result<std::optional<std::string>> user_id)>;
  void Lookup(const ThirdPartyInvitee& invitee, FoundUser done);

  struct Stored {
    std::string token = {};  // The state key of the m.room.third_party_invite,
    std::string content = {};  // and its content.
    // Set instead when the address has been bound to a user meanwhile.
    std::string user_id = {};
  };
  // Has the invitation kept until the address is bound.  M_INVALID_PARAM for a
  // medium that the server does not know.  `done` as above.
  using StoredInvite = UniqueFunction<void(Result<Stored>)>;
  void Store(const ThirdPartyInvitee& invitee,
             const ThirdPartyInvitation& invitation, StoredInvite done);

  // Whether an identity server's key still counts: asks at `url`, which an
  // event names.  M_FORBIDDEN when it does not, or the URL is none of the web;
  // M_CONNECTION_FAILED.  `done` as above.
  void CheckKey(const std::string& url, const std::string& public_key,
                UniqueFunction<void(Status)> done);

 private:
  HttpClient* const client_;
};

// The form of an address that identity servers compare (spec: appendices, "3PID
// Types"): of an e-mail address, its Unicode case folding.
std::string CanonicalAddress(std::string_view medium, std::string_view address);

// The answers of identity servers, as strangers give them.
struct HashDetails {
  std::string pepper = {};
  bool sha256 = false;  // Else "none", the plain address.
};
Result<HashDetails> ReadHashDetails(std::string_view body);
// Nothing for an answer without a user id for `hashed`.
Result<std::optional<std::string>> ReadMapping(std::string_view body,
                                               std::string_view hashed);
// The address as /lookup wants it.
std::string HashAddress(const HashDetails& details,
                        const ThirdPartyInvitee& invitee);
Result<IdentityClient::Stored> ReadStoredInvite(std::string_view body);

}  // namespace matrixcore
