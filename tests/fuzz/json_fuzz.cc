// Any bytes are read or refused; what is read has one canonical form, which
// reads as the same value.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"

namespace mc = matrixcore;

namespace {

// Asks everything of every value.
size_t Visit(mc::json::Value value) {
  size_t values = 1 + value.raw().size() % 2 + value.StringOr("").size() % 2;
  if (value.AsInt().has_value()) MC_FUZZ_CHECK(value.AsDouble().has_value());
  MC_FUZZ_CHECK(!value.raw().empty());
  for (const auto& [key, member] : value.members()) {
    MC_FUZZ_CHECK(!value[key].IsMissing());
    values += Visit(member);
  }
  if (value.IsArray()) {
    for (mc::json::Value element : value) values += Visit(element);
  }
  return values;
}

void CheckCanonical(mc::json::Value value, mc::json::NumberRule rule) {
  const auto canonical = mc::json::Canonical(value, rule);
  if (!canonical.ok()) {
    MC_FUZZ_CHECK(canonical.status().errcode() == "M_BAD_JSON");
    return;
  }
  const auto again = mc::json::Document::ParseView(*canonical);
  MC_FUZZ_CHECK(again.ok());
  const auto twice = mc::json::Canonical(again->root(), rule);
  MC_FUZZ_CHECK(twice.ok() && *twice == *canonical);
  if (rule == mc::json::NumberRule::kStrict) {
    MC_FUZZ_CHECK(mc::json::HasOnlyStrictNumbers(again->root()));
    if (again->root().IsObject()) {
      const auto object = mc::json::Object::From(again->root());
      MC_FUZZ_CHECK(object.ToJson() == *canonical);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = mc::json::Document::Parse(std::string(text));
  const auto view = mc::json::Document::ParseView(text);
  MC_FUZZ_CHECK(document.ok() == view.ok());
  if (!document.ok()) {
    MC_FUZZ_CHECK(document.status().errcode() == "M_NOT_JSON");
    return 0;
  }
  Visit(document->root());
  MC_FUZZ_CHECK(mc::json::Equal(document->root(), view->root()));
  CheckCanonical(document->root(), mc::json::NumberRule::kStrict);
  CheckCanonical(document->root(), mc::json::NumberRule::kLax);
  return 0;
}
