# SPDX-License-Identifier: Apache-2.0
"""A workload and what its results must be, made once, in memory that several processes map."""
from __future__ import annotations

import mmap
import os
from dataclasses import asdict
from typing import Any, Optional

import numpy as np

from convscale.generator import Array, make_filters, make_images
from convscale.peers.reference import fill_expected
from convscale.workload import Source

_NAMES = ("images", "filters", "values", "bounds")
_AT_A_TIME = 1 << 23  # pixels that are made before they are copied


def _shape_of(source: Source, name: str) -> tuple[int, int, int]:
    if name == "images":
        return source.images, source.height, source.width
    if name == "filters":
        return source.images, source.filter_size, source.filter_size
    return source.images, source.out_height, source.out_width


class Shared:
    """The arrays of one workload. Files without a name hold them, so that no disk is needed, and
    /dev/shm, which containers keep small, is not either."""

    images: Array
    filters: Array
    values: Array
    bounds: Array

    def __init__(self, source: Source, files: Optional[dict[str, int]] = None) -> None:
        """With the `files` that another process has filled; else there is nothing before `fill`."""
        self.source = source
        self._is_filled = files is not None
        self.files = files or {name: os.memfd_create(name) for name in _NAMES}
        if files is not None:  # what this process writes all the same, no other sees
            self._map(mmap.ACCESS_COPY)

    def _map(self, access: int) -> None:
        for name in _NAMES:
            shape, dtype = _shape_of(self.source, name), np.dtype(np.float64)
            if name in ("images", "filters"):
                dtype = np.dtype(self.source.dtype)
            size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            if access == mmap.ACCESS_WRITE:
                os.ftruncate(self.files[name], size)
            mapped: Any = mmap.mmap(self.files[name], size, access=access)
            setattr(self, name, np.frombuffer(mapped, dtype).reshape(shape))

    def fill(self) -> None:
        """Makes the data and the reference, unless they are there. The program's data, bit for bit.
        """
        if self._is_filled:
            return
        self._map(mmap.ACCESS_WRITE)
        source = self.source
        step = max(1, _AT_A_TIME // (source.height * source.width))
        for first in range(0, source.images, step):
            count = min(step, source.images - first)
            self.images[first:first + count] = make_images(
                source.fill, source.seed, count, source.height, source.width, source.dtype, first)
        self.filters[:] = make_filters(source.fill, source.seed, source.images,
                                       source.filter_size, source.dtype)
        fill_expected(self.images, self.filters, source.stride, self.values, self.bounds)
        self._is_filled = True

    def close(self) -> None:
        """The memory goes with the last array of it."""
        for file in self.files.values():
            os.close(file)

    def as_json(self) -> dict[str, Any]:
        """For `from_json` in a process that inherits the files."""
        return {"source": asdict(self.source), "files": self.files}

    @staticmethod
    def from_json(raw: dict[str, Any]) -> "Shared":
        return Shared(Source(**raw["source"]), raw["files"])


def memory_needed(source: Source) -> int:
    """Bytes of all arrays, and of a peer's results."""
    pixels = (source.pixels + source.images * source.filter_size**2) * source.element_bytes
    return pixels + source.images * source.outputs * (16 + source.element_bytes)
