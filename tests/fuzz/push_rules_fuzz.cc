// Any ruleset judges any event, and a glob matches what a simple matcher says.
// The input is a ruleset on the first line and an event on the second.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/event/glob.h"
#include "matrixcore/event/push_rules.h"
#include "matrixcore/json/value.h"

namespace mc = matrixcore;

namespace {

// Backtracking, on ASCII without letters that have case.
bool SimpleMatch(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return SimpleMatch(pattern.substr(1), text) ||
           (!text.empty() && SimpleMatch(pattern, text.substr(1)));
  }
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
         SimpleMatch(pattern.substr(1), text.substr(1));
}

void CheckGlob(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ab*?_ -*";
  std::string pattern;
  std::string text;
  for (size_t i = 0; i < bytes.size() && i < 20; ++i) {
    const char c = kAlphabet[static_cast<uint8_t>(bytes[i]) % 8];
    (i % 2 == 0 ? pattern : text) += c;
  }
  MC_FUZZ_CHECK(mc::Glob(pattern).Matches(text) == SimpleMatch(pattern, text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  CheckGlob(input);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  const auto ruleset = mc::json::Document::ParseView(input.substr(0, end));
  const auto event = mc::Event::FromTrusted(
      input.substr(end + 1), *mc::FindRoomVersion("11"), "$event");
  if (!ruleset.ok() || !event.ok()) return 0;
  const mc::PushRuleset rules(ruleset->root());
  const mc::PowerLevels levels(nullptr, event->get());
  const mc::PushOutcome outcome =
      rules.Evaluate(mc::PushEvent(*event), {.user_id = "@me:x",
                                             .display_name = "me",
                                             .joined_members = 2,
                                             .power_levels = &levels});
  MC_FUZZ_CHECK(!outcome.highlight || outcome.notify);
  const auto actions = mc::json::Document::ParseView(outcome.actions);
  MC_FUZZ_CHECK(actions.ok() && actions->root().IsArray());
  return 0;
}
