// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/ranks/ranks.hpp"
#include "common/backend.hpp"

namespace convscale {

/// `table`, with every backend spread over `ranks`: each rank's own backend does that rank's part
/// of the images. To make one, and all its calls, is collective. Alone it is `table`. `ranks`
/// outlives what it makes.
///
/// With `--distribute local` each rank holds its part. With `scatter` rank 0 holds all, and start
/// and wait ship the parts and collect the results.
///
/// The clock of an iteration is rank 0's: `poison` ends with a barrier, and so does `wait`. What
/// goes wrong on a rank in between is thrown by `inspect`, on all ranks.
BackendTable spread_over(Ranks& ranks, const BackendTable& table);

}  // namespace convscale
