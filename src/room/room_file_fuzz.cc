// Room files from anybody: any bytes are read or refused, in bounded memory;
// what is read keeps its promises, and reads the same whatever pieces it comes
// in.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "matrixcore/room/room_file.h"

namespace mc = matrixcore;

namespace {

// A broken promise ends the run, with the input kept.
void Check(bool kept) {
  if (!kept) std::abort();
}

// What reading gave: the lines again, and how it ended.
struct Outcome {
  std::string lines;
  mc::Status status;
};

Outcome Read(std::string_view text, size_t piece) {
  mc::RoomFileReader reader([&](char* buffer, size_t size) {
    const size_t take = std::min({size, piece, text.size()});
    std::copy_n(text.data(), take, buffer);
    text.remove_prefix(take);
    return mc::Result<size_t>(take);
  });
  Outcome outcome;
  mc::RoomFileWriter writer([&outcome](std::string_view bytes) {
    outcome.lines += bytes;
    return mc::OkStatus();
  });
  for (;;) {
    auto record = reader.Next();
    if (!record.ok()) {
      outcome.status = record.status();
      return outcome;
    }
    if (!*record) return outcome;
    if (const auto* event = std::get_if<mc::RoomFileEvent>(&**record)) {
      Check(event->event != nullptr && !event->event->event_id().empty());
    }
    if (std::holds_alternative<mc::RoomFileEnd>(**record)) {
      Check(std::get<mc::RoomFileEnd>(**record).events == writer.events());
      continue;
    }
    Check(writer.Write(**record).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Read(text, size + 1);
  const Outcome pieces = Read(text, 3);
  Check(whole.lines == pieces.lines);
  Check(whole.status == pieces.status);
  return 0;
}
