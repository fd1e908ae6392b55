# SPDX-License-Identifier: Apache-2.0
"""Triton: a kernel of our own, tuned by Triton, on PyTorch's tensors and replayed as its graph."""
from __future__ import annotations

import importlib
from typing import Any, Callable, Optional

from convscale.peers.torch_peer import TorchPeer
from convscale.workload import Source

_UNTUNED = {"ROWS": 8, "COLUMNS": 32}  # on the CPU, where Triton interprets and cannot tune


class TritonPeer(TorchPeer):
    """Keeps only what is asked for; on the CPU with TRITON_INTERPRET=1."""

    name, call, methods = "triton", "convolve", ("strided",)

    def missing(self) -> Optional[str]:
        reason = super().missing()
        if reason is None:
            self._triton: Any = importlib.import_module("triton")
            self._kernel: Any = importlib.import_module("convscale.peers.triton_kernel")
        return reason

    def software(self) -> str:
        return f"Triton {self._triton.__version__}, {super().software()}"

    def refuses(self, source: Source, method: str) -> Optional[str]:
        if source.height * source.width >= 2**31:
            return "the kernel counts an image's pixels in 32 bits"
        return super().refuses(source, method)

    def function(self, filters: Any, shape: tuple[int, ...], method: str,
                 stride: int) -> Callable[[Any], Any]:
        count, height, width = shape
        size = filters.shape[-1]
        out_height, out_width = -(-(height + size - 1) // stride), -(-(width + size - 1) // stride)
        cdiv, is_tuned = self._triton.cdiv, self.device == "cuda"
        kernel = self._kernel.tuned_convolve() if is_tuned else self._kernel.convolve
        tile = {} if is_tuned else _UNTUNED

        def grid(tiles: dict[str, int]) -> tuple[int]:
            return (count * cdiv(out_height, tiles["ROWS"]) * cdiv(out_width, tiles["COLUMNS"]),)

        def convolve(images: Any) -> Any:
            results = images.new_empty((count, out_height, out_width))
            kernel[grid](images, filters, results, height, width, out_height, out_width, stride,
                         SIZE=size, **tile)
            return results

        return convolve
