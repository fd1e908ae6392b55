# SPDX-License-Identifier: Apache-2.0
"""What the baseline computes: sizes, and the images and filters, generated or from files."""
from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Iterable, Literal, Optional

import numpy as np

from convscale.cli import Error, UsageError, parse_list, parse_pixels, parse_size
from convscale.generator import Array, make_filters, make_images

MAX_FILTER_SIZE = 31
_FILE_TYPES = ("float32", "float64", "uint8", "uint16")


@dataclass(frozen=True)
class Source:
    """A workload before it is made: sizes, and where the data comes from."""

    images: int
    height: int
    width: int
    filter_size: int
    stride: int
    dtype: str
    fill: str  # of generated data
    seed: int
    images_file: Optional[str] = None
    filters_file: Optional[str] = None

    @property
    def out_height(self) -> int:
        return -(-(self.height + self.filter_size - 1) // self.stride)

    @property
    def out_width(self) -> int:
        return -(-(self.width + self.filter_size - 1) // self.stride)

    @property
    def outputs(self) -> int:
        """Of one image."""
        return self.out_height * self.out_width

    @property
    def pixels(self) -> int:
        """Of all images."""
        return self.images * self.height * self.width

    @property
    def element_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def least_bytes(self) -> int:
        """What any implementation must move: the 64-byte lines of the images, and the results."""
        image_bytes = -(-self.pixels * self.element_bytes // 64) * 64
        return image_bytes + self.images * self.outputs * self.element_bytes

    @property
    def flops(self) -> int:
        """Two for each pair of a tap and a pixel."""
        return 2 * self.filter_size**2 * self.pixels


@dataclass(frozen=True)
class Workload:
    """Images (N, H, W), each with its filter (K, K)."""

    images: Array
    filters: Array
    generation_s: float

    @property
    def pairs(self) -> Iterable[tuple[Array, Array]]:
        return zip(self.images, self.filters)


def parse_sizes(sizes: str, mems: str) -> list[tuple[int, int, int]]:
    """(images, height, width) for each combination of what --size and --mem say."""
    found = []
    for size, mem in itertools.product(parse_list("--size", sizes), parse_list("--mem", mems)):
        (height, width), pixels = parse_size("--size", size), parse_pixels("--mem", mem)
        if pixels < height * width:
            raise UsageError(f"--mem {mem}: holds no image of {height}x{width}; --mem "
                             f"{height * width} would hold one")
        found.append((pixels // (height * width), height, width))
    return found


def open_stack(option: str, path: str) -> Array:
    """A file's (N, H, W), or its one (H, W) as a stack, mapped for its shape and type: who touches
    the data of a file that has shrunk since ends with SIGBUS."""
    return _load(option, path, "r")


def read_stack(option: str, path: str) -> Array:
    """The same, read."""
    return _load(option, path, None)


def _load(option: str, path: str, mmap_mode: Optional[Literal["r"]]) -> Array:
    try:
        array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{option} {path}: {getattr(error, 'strerror', None) or error}") from error
    if (not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or
            array.dtype.name not in _FILE_TYPES):
        raise UsageError(f"{option} {path}: give a .npy file with a stack (N, H, W) or one (H, W) "
                         f"of {', '.join(_FILE_TYPES[:-1])} or {_FILE_TYPES[-1]}")
    if array.size == 0:
        raise UsageError(f"{option} {path}: has shape {array.shape}, which is empty")
    return array if array.ndim == 3 else array[np.newaxis]


def check_filters(path: str, stack: Array, images: int) -> None:
    """Raises UsageError unless these are square finite filters, one for each image or for all."""
    count, height, width = stack.shape
    if height != width or height > MAX_FILTER_SIZE:
        raise UsageError(f"--filters {path}: filters are {height}x{width}; give square ones of at "
                         f"most {MAX_FILTER_SIZE}x{MAX_FILTER_SIZE}")
    if count not in (1, images):
        raise UsageError(f"--filters {path}: {count} filters for {images} images; give one for "
                         "each image, or one for all")
    if not np.isfinite(stack).all():
        raise UsageError(f"--filters {path}: holds taps that are not finite numbers")


def _make_filters(source: Source) -> Array:
    if source.filters_file is None:
        return make_filters(source.fill, source.seed, source.images, source.filter_size,
                            source.dtype)
    stack = np.ascontiguousarray(read_stack("--filters", source.filters_file), source.dtype)
    return np.broadcast_to(stack, (source.images, *stack.shape[1:]))


def make_workload(source: Source) -> Workload:
    """Generates or reads the data; the same bits as the program's."""
    start = time.perf_counter()
    if source.images_file is None:
        images = make_images(source.fill, source.seed, source.images, source.height, source.width,
                             source.dtype)
    else:
        images = np.ascontiguousarray(read_stack("--images", source.images_file), source.dtype)
        if images.shape != (source.images, source.height, source.width):
            raise Error(f"{source.images_file}: was changed since the run began; give a file that "
                        "nobody writes to")
    return Workload(images, _make_filters(source), time.perf_counter() - start)
