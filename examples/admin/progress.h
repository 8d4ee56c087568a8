// How far a long command is, on standard error.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "matrixcore/base/time.h"

namespace matrixcore::admin {

// What is counted.
enum class Unit {
  kBytes,
  kItems,
};

// Says nothing about what takes less than a second.  From then on a terminal
// shows one line that is drawn again,
//
//   copying the database   42 %  1.3 of 3.1 GiB  120 MiB/s  0:15 left
//
// and anything else gets such a line every few seconds.  One thread at a time.
class Progress {
 public:
  // For a command: standard error and the system's clock.
  Progress(std::string what, Unit unit);
  // `clock` and `out` outlive it.
  Progress(std::string what, Unit unit, const Clock& clock, std::FILE* out,
           bool terminal);
  ~Progress();  // As Finish.
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total` are done; a total of 0 is not known.  Cheap.
  void Update(uint64_t done, uint64_t total);

  // Ends the line with the last figures.  Idempotent.
  void Finish();

 private:
  void Draw(MonotonicTime now);

  const std::string what_;
  const Unit unit_;
  const std::unique_ptr<Clock> own_clock_;
  const Clock& clock_;
  std::FILE* const out_;
  const bool terminal_;
  const MonotonicTime start_;
  MonotonicTime next_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  bool drawn_ = false;
  bool finished_ = false;
};

// "512 bytes", "1.5 KiB", "3.1 GiB".
std::string BytesText(uint64_t bytes);

}  // namespace matrixcore::admin
