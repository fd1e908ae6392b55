// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"

namespace convscale {

/// The program's backends. A backend that this build lacks stands here too, and says why when it is
/// asked for.
BackendTable backends();

}  // namespace convscale
