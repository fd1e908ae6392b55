# SPDX-License-Identifier: Apache-2.0
"""JAX: one grouped convolution of all images, compiled by XLA."""
from __future__ import annotations

import contextlib
import os
from typing import Any, Callable, Optional

import numpy as np

from convscale.generator import Array
from convscale.peers.peer import Peer, cudnn_version, first_line


def _cudnn_version() -> Optional[str]:
    """JAX has no public name for it."""
    with contextlib.suppress(Exception):
        from jax._src.lib import cuda_versions
        return cudnn_version(cuda_versions.cudnn_get_version())
    return None


class JaxPeer(Peer):
    """conv_general_dilated cross-correlates, and pads the images on both sides: flipped filters and
    a padding of K - 1 make it the full convolution. JAX has no events, so that its time on the
    device comes from the host's clock."""

    name, call = "jax", "conv_general_dilated"
    most_images = 64  # XLA compiles thousands of groups for longer than any limit

    def missing(self) -> Optional[str]:
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # read when JAX is imported
        import jax
        jax.config.update("jax_enable_x64", True)
        self._jax = jax
        try:
            self._place = jax.devices("gpu" if self.device == "cuda" else self.device)[0]
        except RuntimeError as error:
            return f"JAX {jax.__version__} sees no GPU ({first_line(error)})"
        return None

    def software(self) -> str:
        # "PJRT C API\ncuda 12040", "<unknown>" of the CPU
        words = str(self._place.client.platform_version).split()
        parts = {"JAX": self._jax.__version__, "CUDA": words[-1] if "cuda" in words else None,
                 "cuDNN": _cudnn_version()}
        return ", ".join(f"{name} {version}" for name, version in parts.items() if version)

    def device_name(self) -> str:
        return str(self._place.device_kind)

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        put = self._jax.device_put
        first = put(images[np.newaxis], self._place)
        self._images = [first, *(self._jax.numpy.array(first, copy=True)
                                 for _ in range(copies - 1))]
        flipped = np.ascontiguousarray(filters[:, np.newaxis, ::-1, ::-1])
        self._filters = put(flipped, self._place)
        self._function = self._jax.jit(self._convolution(filters.shape, method, stride))

    def _convolution(self, shape: tuple[int, ...], method: str,
                     stride: int) -> Callable[[Any, Any], Any]:
        lax, (count, size, _) = self._jax.lax, shape
        step = 1 if method == "full" else stride

        def convolve(images: Any, weights: Any) -> Any:
            whole = lax.conv_general_dilated(
                images, weights, window_strides=(step, step),
                padding=[(size - 1, size - 1)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW"),
                feature_group_count=count, precision=lax.Precision.HIGHEST)
            if method == "full":  # all outputs are stored before some are kept
                whole = lax.optimization_barrier(whole)[:, :, ::stride, ::stride]
            return whole[0]

        return convolve

    def run(self, copy: int) -> None:
        self._result = self._function(self._images[copy], self._filters)

    def synchronise(self) -> None:
        self._jax.block_until_ready(getattr(self, "_result", ()))

    def result(self) -> Array:
        return np.asarray(self._result)

    def release(self) -> None:
        self._images, self._filters, self._result = [], None, None
