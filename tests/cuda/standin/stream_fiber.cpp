// SPDX-License-Identifier: Apache-2.0
// Never sanitized itself (see ../CMakeLists.txt): it hands an operation from the host's context to
// the stream's, and its result back, which orders nothing on a device either.
#include "tests/cuda/standin/runtime.hpp"

void CUstream_st::run_current(void* self) {
  auto* stream = static_cast<CUstream_st*>(self);
  convscale::standin::Operation& operation = *stream->current;
  convscale::standin::acquire(stream->current);
  for (const auto& marker : operation.after) convscale::standin::acquire(marker.get());
  convscale::standin::Work* work = operation.work;
  operation.work = nullptr;
  if (work != nullptr) {
    if (operation.failure == cudaSuccess)
      stream->result = work->run(stream->message, sizeof stream->message);
    delete work;
  }
  convscale::standin::release(operation.marker.get());
}
