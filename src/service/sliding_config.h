// What is wanted of a room by all rules that it matches together (MSC4186,
// "Combining room configs").
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/service/sliding_sync.h"

namespace matrixcore {

// A value; not changed once Seal was called.
class CombinedConfig {
 public:
  void Add(const SlidingRoomConfig& config);
  void Seal();

  size_t timeline_limit() const { return timeline_limit_; }
  bool heroes() const { return heroes_; }
  // Members that the timeline needs are wanted, beside those that Wants allows.
  bool lazy_members() const { return lazy_; }
  bool Wants(std::string_view type, std::string_view state_key) const;

  // The required state as text, the same for the same rules; what a connection
  // remembers.
  const std::string& text() const { return text_; }
  // Reads that text.  kDataLoss when it is none.
  static Result<CombinedConfig> FromText(std::string_view text);

 private:
  size_t timeline_limit_ = 0;
  bool heroes_ = false;
  bool lazy_ = false;
  std::vector<RequiredState>
      parts_;  // All different, in the order of the text.
  std::string text_;
};

}  // namespace matrixcore
