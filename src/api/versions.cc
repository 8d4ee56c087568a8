#include "api/versions.h"

#include <set>

namespace matrixcore::api {
namespace {

// What a client does without asking further when it reads a version.
struct Promise {
  std::string_view version;
  std::vector<std::string_view> operations;
};

const std::vector<Promise>& Promises() {
  static const std::vector<Promise> promises = {
      {"r0.6.1",
       {"login", "sync", "createRoom", "joinRoom", "sendMessage",
        "getRoomEvents", "setRoomStateWithKey", "redactEvent", "uploadKeys",
        "queryKeys", "claimKeys", "getPushRules", "defineFilter",
        "setAccountData"}},
      {"v1.1", {"getCapabilities", "getTokenOwner"}},
      {"v1.2", {"getSpaceHierarchy", "knockRoom", "registrationTokenValidity"}},
      {"v1.3", {"refresh", "getRelatingEvents"}},
      {"v1.4", {"getThreadRoots", "postReceipt"}},
      {"v1.5", {}},
      {"v1.6", {"getEventByTimestamp"}},
      {"v1.7", {"createContent", "uploadContentToMXC"}},
      {"v1.8", {}},
      {"v1.9", {}},
      {"v1.10", {}},
      {"v1.11",
       {"getContentAuthed", "getContentThumbnailAuthed", "getConfigAuthed"}},
      {"v1.12", {}},
      {"v1.13", {"reportRoom"}},
      {"v1.14", {"reportUser"}},
      {"v1.15", {"getRoomSummary"}},
      {"v1.16", {"deleteProfileField"}},
      {"v1.17", {"uploadCrossSigningKeys"}},
      {"v1.18", {}},
      {"v1.19", {}},
  };
  return promises;
}

}  // namespace

std::vector<std::string_view> SpecVersions(
    const std::vector<std::span<const Route>>& tables) {
  std::set<std::string_view> operations;
  for (const std::span<const Route> table : tables) {
    for (const Route& route : table) operations.insert(route.operation);
  }
  std::vector<std::string_view> versions;
  for (const Promise& promise : Promises()) {
    for (const std::string_view operation : promise.operations) {
      if (operations.count(operation) == 0) return versions;
    }
    versions.push_back(promise.version);
  }
  return versions;
}

}  // namespace matrixcore::api
