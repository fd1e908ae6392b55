// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"

namespace convscale {

/// The backend `cuda`: workers are streams. It answers on every machine; without a driver or a
/// device, creating one throws UnsupportedError that says why.
BackendEntry cuda_backend();

}  // namespace convscale
