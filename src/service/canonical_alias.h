// The aliases in an m.room.canonical_alias.  For the services about rooms.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"

namespace matrixcore {

using KeepAlias = std::function<bool(std::string_view alias)>;

// The content with those aliases only; "" when none is left.
std::string FilterAliases(const Event& event, const KeepAlias& keep);

// All of them, those of a content that a client sends.  M_INVALID_PARAM for one
// of the wrong form.
Result<std::vector<std::string>> ReadAliases(json::Value content);

}  // namespace matrixcore
