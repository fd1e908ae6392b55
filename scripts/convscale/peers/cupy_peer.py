# SPDX-License-Identifier: Apache-2.0
"""CuPy: the original's own call, on the GPU."""
from __future__ import annotations

from typing import Any, Callable, Optional

from convscale.generator import Array
from convscale.peers.peer import UNKNOWN_L2_BYTES, Peer


def convolve_each(convolve2d: Callable[[Any, Any], Any], images: Any, filters: Any, stride: int,
                  results: Any) -> None:
    """One image a call."""
    for image, taps, result in zip(images, filters, results):
        result[...] = convolve2d(image, taps)[::stride, ::stride]


class CupyPeer(Peer):
    """Computes every output, so that there is no method strided."""

    name, call, methods = "cupy", "convolve2d", ("full",)

    def missing(self) -> Optional[str]:
        import cupy
        import cupyx.scipy.signal
        self._cupy, self._convolve2d = cupy, cupyx.scipy.signal.convolve2d
        if self.device != "cuda":
            return "CuPy has no other device than a GPU"
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            return f"CuPy {cupy.__version__} sees no GPU ({error})"
        return None if count else f"CuPy {cupy.__version__} sees no GPU"

    def software(self) -> str:
        version = self._cupy.cuda.runtime.runtimeGetVersion()  # 12040
        return f"CuPy {self._cupy.__version__}, CUDA {version // 1000}.{version % 1000 // 10}"

    def _property(self, name: str) -> Any:
        return self._cupy.cuda.runtime.getDeviceProperties(0).get(name)

    def device_name(self) -> str:
        return str(self._property("name").decode())

    def l2_bytes(self) -> int:
        return int(self._property("l2CacheSize") or UNKNOWN_L2_BYTES)

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        cupy = self._cupy
        first = cupy.asarray(images)
        self._images = [first, *(first.copy() for _ in range(copies - 1))]
        self._filters, self._stride = cupy.asarray(filters), stride
        sides = [-(-(side + filters.shape[-1] - 1) // stride) for side in images.shape[1:]]
        self._results = cupy.empty((len(images), *sides), images.dtype)

    def run(self, copy: int) -> None:
        convolve_each(self._convolve2d, self._images[copy], self._filters, self._stride,
                      self._results)

    def synchronise(self) -> None:
        self._cupy.cuda.runtime.deviceSynchronize()

    def device_seconds(self, work: Callable[[], None]) -> float:
        cuda = self._cupy.cuda
        begin, end = cuda.Event(), cuda.Event()
        self.synchronise()
        begin.record()
        work()
        end.record()
        end.synchronize()
        return float(cuda.get_elapsed_time(begin, end)) * 1e-3

    def wipe(self) -> None:
        self._results.fill(float("nan"))

    def result(self) -> Array:
        array: Array = self._cupy.asnumpy(self._results)
        return array

    def release(self) -> None:
        self._images, self._filters, self._results = [], None, None
        self._cupy.get_default_memory_pool().free_all_blocks()
