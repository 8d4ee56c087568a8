// UniqueFunction<R(Args...)>: a callable that may own what cannot be copied,
// such as a Responder.
#pragma once

#include <absl/functional/any_invocable.h>

namespace matrixcore {

template <typename Signature>
using UniqueFunction = absl::AnyInvocable<Signature>;

}  // namespace matrixcore
