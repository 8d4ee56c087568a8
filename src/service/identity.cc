#include "matrixcore/service/identity.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/event.h"
#include "matrixcore/http/url.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

constexpr Duration kTimeout = seconds(8);
constexpr size_t kMaxAnswerBytes = 256u << 10;

Status Nonsense(std::string_view what) {
  return Status(
      StatusCode::kFailedPrecondition, "M_CONNECTION_FAILED",
      fmt::format("The identity server's answer is not usable: {}.", what));
}

// What an error of the identity server means for our client, whose own session
// it must not end.
Status Refusal(const HttpResponse& response) {
  const Result<json::Document> body = json::Document::ParseView(response.body);
  const json::Value root = body.ok() ? body->root() : json::Value();
  const std::string_view errcode = root["errcode"].StringOr("");
  if (errcode == "M_TERMS_NOT_SIGNED") {
    return Status(StatusCode::kPermissionDenied, "M_TERMS_NOT_SIGNED",
                  "The identity server's terms must be accepted first.");
  }
  if (errcode == "M_UNRECOGNIZED" && response.status == 400) {
    return InvalidParamError("The identity server does not know this medium.");
  }
  if (response.status == 401 || response.status == 403) {
    return ForbiddenError("The identity server refuses id_access_token.");
  }
  return Nonsense(fmt::format("status {}", response.status));
}

HttpClient::Outgoing RequestTo(const ThirdPartyInvitee& invitee,
                               HttpMethod method, std::string_view path) {
  HttpClient::Outgoing request;
  request.method = method;
  request.url =
      fmt::format("https://{}/_matrix/identity/v2/{}", invitee.id_server, path);
  request.headers.Add("Authorization", "Bearer " + invitee.id_access_token);
  request.headers.Add("Accept", "application/json");
  if (method == HttpMethod::kPost) {
    request.headers.Add("Content-Type", "application/json");
  }
  request.timeout = kTimeout;
  request.max_response_bytes = kMaxAnswerBytes;
  return request;
}

Status CheckAsk(const HttpClient* client, const ThirdPartyInvitee& invitee) {
  if (!IsServerName(invitee.id_server)) {
    return InvalidParamError("`id_server` is not a server name.");
  }
  // Else it would end the header field.
  if (std::any_of(invitee.id_access_token.begin(),
                  invitee.id_access_token.end(),
                  [](char c) { return c <= ' ' || c == '\x7f'; })) {
    return InvalidParamError("`id_access_token` is not a token.");
  }
  if (client == nullptr) {
    return Status(StatusCode::kFailedPrecondition, "M_CONNECTION_FAILED",
                  "This server reaches no identity servers.");
  }
  return OkStatus();
}

Result<HttpResponse> Reached(Result<HttpResponse> response) {
  if (response.ok()) return response;
  return Status(StatusCode::kFailedPrecondition, "M_CONNECTION_FAILED",
                "The identity server cannot be reached.");
}

// One look-up: hash_details, lookup; once more when the pepper is old.
struct LookUp : std::enable_shared_from_this<LookUp> {
  HttpClient* client = nullptr;
  ThirdPartyInvitee invitee;
  IdentityClient::FoundUser done;
  std::string hashed;
  bool again = false;

  void AskDetails() {
    client->Send(RequestTo(invitee, HttpMethod::kGet, "hash_details"),
                 [self = shared_from_this()](Result<HttpResponse> response) {
                   self->OnDetails(Reached(std::move(response)));
                 });
  }
  void OnDetails(const Result<HttpResponse>& response) {
    if (!response.ok()) return done(response.status());
    if (response->status != 200) return done(Refusal(*response));
    const Result<HashDetails> details = ReadHashDetails(response->body);
    if (!details.ok()) return done(details.status());
    hashed = HashAddress(*details, invitee);
    HttpClient::Outgoing request =
        RequestTo(invitee, HttpMethod::kPost, "lookup");
    json::Writer w(&request.body);
    w.BeginObject().Key("addresses").BeginArray().String(hashed).EndArray();
    w.Field("algorithm", details->sha256 ? "sha256" : "none");
    w.Field("pepper", details->pepper).EndObject();
    client->Send(std::move(request),
                 [self = shared_from_this()](Result<HttpResponse> answer) {
                   self->OnMapping(Reached(std::move(answer)));
                 });
  }
  void OnMapping(const Result<HttpResponse>& response) {
    if (!response.ok()) return done(response.status());
    if (response->status == 200) {
      return done(ReadMapping(response->body, hashed));
    }
    const Result<json::Document> body =
        json::Document::ParseView(response->body);
    const bool old_pepper =
        body.ok() && body->root()["errcode"].StringOr("") == "M_INVALID_PEPPER";
    if (!old_pepper || std::exchange(again, true)) {
      return done(Refusal(*response));
    }
    AskDetails();
  }
};

}  // namespace

std::string CanonicalAddress(std::string_view medium,
                             std::string_view address) {
  if (medium != "email") return std::string(address);
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(address.data()),
                   static_cast<utf8proc_ssize_t>(address.size()), &folded,
                   UTF8PROC_CASEFOLD);
  // What is no UTF-8 cannot be an address, in no form.
  if (size < 0) return std::string(address);
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(folded,
                                                                 &std::free);
  return std::string(reinterpret_cast<const char*>(folded),
                     static_cast<size_t>(size));
}

Result<HashDetails> ReadHashDetails(std::string_view body) {
  const Result<json::Document> document = json::Document::ParseView(body);
  if (!document.ok()) return Nonsense("not JSON");
  const json::Value root = document->root();
  const auto pepper = root["lookup_pepper"].AsString();
  if (!pepper || !root["algorithms"].IsArray()) {
    return Nonsense("no hash details");
  }
  HashDetails details{.pepper = std::string(*pepper)};
  bool none = false;
  for (const json::Value algorithm : root["algorithms"]) {
    details.sha256 = details.sha256 || algorithm.StringOr("") == "sha256";
    none = none || algorithm.StringOr("") == "none";
  }
  if (!details.sha256 && !none) return Nonsense("no known algorithm");
  return details;
}

std::string HashAddress(const HashDetails& details,
                        const ThirdPartyInvitee& invitee) {
  const std::string address = CanonicalAddress(invitee.medium, invitee.address);
  if (!details.sha256) return fmt::format("{} {}", address, invitee.medium);
  return Base64Encode(
      Sha256(fmt::format("{} {} {}", address, invitee.medium, details.pepper)),
      Base64Alphabet::kUrlSafe);
}

Result<std::optional<std::string>> ReadMapping(std::string_view body,
                                               std::string_view hashed) {
  const Result<json::Document> document = json::Document::ParseView(body);
  if (!document.ok() || !document->root()["mappings"].IsObject()) {
    return Nonsense("no mappings");
  }
  const auto user = document->root()["mappings"][hashed].AsString();
  if (!user) return std::optional<std::string>();
  if (!IsUserId(*user)) return Nonsense("what it maps to is no user id");
  return std::optional<std::string>(std::string(*user));
}

Result<IdentityClient::Stored> ReadStoredInvite(std::string_view body) {
  const Result<json::Document> document = json::Document::ParseView(body);
  if (!document.ok()) return Nonsense("not JSON");
  const json::Value root = document->root();
  const auto token = root["token"].AsString();
  const auto display_name = root["display_name"].AsString();
  if (!token || token->empty() || token->size() > kMaxIdentifierBytes) {
    return Nonsense("no token");
  }
  if (!display_name) return Nonsense("no display name");
  std::string keys;
  json::Writer w(&keys);
  w.BeginArray();
  std::string first_key;
  std::string first_url;
  for (const json::Value key : root["public_keys"]) {
    const auto text = key["public_key"].AsString();
    const auto url = key["key_validity_url"].AsString();
    if (!text || !url) return Nonsense("a public key is incomplete");
    if (first_key.empty()) {
      first_key = *text;
      first_url = *url;
    }
    w.BeginObject().Field("key_validity_url", *url);
    w.Field("public_key", *text).EndObject();
  }
  w.EndArray();
  if (first_key.empty()) return Nonsense("no public keys");
  json::Object content;
  content.SetString("display_name", *display_name);
  content.SetString("key_validity_url", first_url);
  content.SetString("public_key", first_key);
  content.SetRaw("public_keys", std::move(keys));
  IdentityClient::Stored stored;
  stored.token = *token;
  stored.content = content.ToJson();
  if (stored.content.size() > kMaxEventBytes) return Nonsense("too large");
  return stored;
}

void IdentityClient::Lookup(const ThirdPartyInvitee& invitee, FoundUser done) {
  if (Status checked = CheckAsk(client_, invitee); !checked.ok()) {
    return done(std::move(checked));
  }
  auto look_up = std::make_shared<LookUp>();
  look_up->client = client_;
  look_up->invitee = invitee;
  look_up->done = std::move(done);
  look_up->AskDetails();
}

void IdentityClient::Store(const ThirdPartyInvitee& invitee,
                           const ThirdPartyInvitation& invitation,
                           StoredInvite done) {
  if (Status checked = CheckAsk(client_, invitee); !checked.ok()) {
    return done(std::move(checked));
  }
  HttpClient::Outgoing request =
      RequestTo(invitee, HttpMethod::kPost, "store-invite");
  json::Object body;
  const auto set = [&body](std::string_view key, const std::string& value) {
    if (!value.empty()) body.SetString(key, value);
  };
  body.SetString("medium", invitee.medium);
  body.SetString("address", CanonicalAddress(invitee.medium, invitee.address));
  set("room_id", invitation.room_id);
  set("sender", invitation.sender);
  set("room_alias", invitation.room_alias);
  set("room_avatar_url", invitation.room_avatar_url);
  set("room_join_rules", invitation.room_join_rules);
  set("room_name", invitation.room_name);
  set("room_type", invitation.room_type);
  set("sender_display_name", invitation.sender_display_name);
  set("sender_avatar_url", invitation.sender_avatar_url);
  request.body = body.ToJson();
  client_->Send(std::move(request), [done = std::move(done)](
                                        Result<HttpResponse> answer) mutable {
    const Result<HttpResponse> response = Reached(std::move(answer));
    if (!response.ok()) return done(response.status());
    if (response->status == 200) {
      return done(ReadStoredInvite(response->body));
    }
    const Result<json::Document> error =
        json::Document::ParseView(response->body);
    if (error.ok() &&
        error->root()["errcode"].StringOr("") == "M_THREEPID_IN_USE" &&
        IsUserId(error->root()["mxid"].StringOr(""))) {
      Stored bound;
      bound.user_id = error->root()["mxid"].StringOr("");
      return done(std::move(bound));
    }
    done(Refusal(*response));
  });
}

void IdentityClient::CheckKey(const std::string& url,
                              const std::string& public_key,
                              UniqueFunction<void(Status)> done) {
  if (!url.starts_with("https://") ||
      url.find_first_of(" #\r\n\t") != std::string::npos) {
    return done(ForbiddenError("The invite's key_validity_url is not usable."));
  }
  if (client_ == nullptr) {
    return done(Status(StatusCode::kFailedPrecondition, "M_CONNECTION_FAILED",
                       "This server reaches no identity servers."));
  }
  HttpClient::Outgoing request;
  request.method = HttpMethod::kGet;
  request.url = fmt::format("{}{}public_key={}", url,
                            url.find('?') == std::string::npos ? '?' : '&',
                            PercentEncode(public_key));
  request.headers.Add("Accept", "application/json");
  request.timeout = kTimeout;
  request.max_response_bytes = kMaxAnswerBytes;
  client_->Send(std::move(request), [done = std::move(done)](
                                        Result<HttpResponse> answer) mutable {
    const Result<HttpResponse> response = Reached(std::move(answer));
    if (!response.ok()) return done(response.status());
    if (response->status != 200) {
      return done(Nonsense(fmt::format("status {}", response->status)));
    }
    const Result<json::Document> body =
        json::Document::ParseView(response->body);
    if (body.ok() && body->root()["valid"].AsBool().value_or(false)) {
      return done(OkStatus());
    }
    done(ForbiddenError("The key that signed for you is not valid any more."));
  });
}

}  // namespace matrixcore
