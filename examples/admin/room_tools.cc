#include "room_tools.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "data_dir.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/room/tables.h"

namespace matrixcore::admin {
namespace {

constexpr size_t kRoomsAtATime = 1000;

std::string DraftOf(const std::string& path) { return path + "-draft"; }

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

}  // namespace

Result<KeyLookup> OwnKey(const server::Config& config) {
  const std::string path = server::PathBelow(config.data_dir, "signing.key");
  Result<std::string> line = server::LoadSecret(path);
  if (!line.ok()) {
    if (line.status().code() != StatusCode::kNotFound) return line.status();
    return Status(StatusCode::kNotFound,
                  fmt::format("there is no {}; give the server's --config or "
                              "--data-dir, with its signing key in it",
                              path));
  }
  Result<SigningKey> key = SigningKey::Parse(*line);
  if (!key.ok()) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("{}: {}", path, key.status().message()));
  }
  return KeyLookup([name = config.homeserver.server_name, id = key->key_id(),
                    own = key->public_key()](
                       std::string_view server, std::string_view key_id,
                       int64_t) -> std::optional<Ed25519PublicKey> {
    if (server != name || key_id != id) return std::nullopt;
    return own;
  });
}

void PrintFinding(const RoomFinding& finding) {
  fmt::print(
      "{} {}: {}\n", finding.room_id.empty() ? "(all rooms)" : finding.room_id,
      finding.event_id.empty() ? "(room)" : finding.event_id, finding.what);
  if (!finding.rule.empty()) fmt::print("  rule      {}\n", finding.rule);
  fmt::print("  stored    {}\n  expected  {}\n", finding.stored,
             finding.expected);
}

Result<std::vector<std::string>> AllRooms(Store& store) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store.NewSnapshot());
  std::vector<std::string> rooms;
  ScanSpec scan{.table = &tables::kRooms, .limit = kRoomsAtATime};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot->Scan(scan));
    for (const Row& row : rows) {
      rooms.emplace_back(CellText(row[tables::Rooms::kRoomId]));
    }
    if (rows.size() < scan.limit) return rooms;
    scan.from = ScanSpec::Bound{rows.back()[tables::Rooms::kNid], false};
  }
}

Result<std::unique_ptr<OutputFile>> OutputFile::Create(
    const std::string& path) {
  if (path == "-") {
    return std::unique_ptr<OutputFile>(new OutputFile("", stdout));
  }
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    return Status(
        StatusCode::kAlreadyExists,
        fmt::format("{} exists; give another name, or remove it", path));
  }
  const std::string draft = DraftOf(path);
  const int descriptor =
      ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::FILE* const file = descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb");
  if (file == nullptr) {
    const int why = errno;
    if (descriptor >= 0) ::close(descriptor);
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: {}", draft, ErrorText(why)));
  }
  return std::unique_ptr<OutputFile>(new OutputFile(path, file));
}

OutputFile::~OutputFile() {
  if (path_.empty() || file_ == nullptr) return;
  std::fclose(file_);
  std::error_code ignored;
  std::filesystem::remove(DraftOf(path_), ignored);
}

Status OutputFile::Failed(std::string_view what) const {
  const int why = errno;
  return {StatusCode::kUnavailable,
          fmt::format("{}: {}: {}", path_.empty() ? "standard output" : path_,
                      what, ErrorText(why))};
}

Status OutputFile::Write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    return Failed("cannot be written");
  }
  return OkStatus();
}

Status OutputFile::Commit() {
  if (std::fflush(file_) != 0) return Failed("cannot be written");
  if (path_.empty()) return OkStatus();
  if (::fsync(::fileno(file_)) != 0) return Failed("cannot be made durable");
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (!closed || ::rename(DraftOf(path_).c_str(), path_.c_str()) != 0) {
    return Failed("cannot be completed");
  }
  return OkStatus();
}

}  // namespace matrixcore::admin
