# SPDX-License-Identifier: Apache-2.0
"""The workload's data and the digest of its results, in NumPy: docs/workload.md defines both.

The same bits as the program's, so that no data has to be carried between the two.
"""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterable, Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

FILLS = ("random", "zeros", "integers")
Words = NDArray[np.uint64]  # 32-bit words, each held in 64 bits
Array = NDArray[Any]  # float64 or float32

_PIXELS, _TAPS = 0, 1  # streams
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_BLOCKS_AT_A_TIME = 1 << 14  # so that the words of one go stay in a cache
_OUTPUTS_AT_A_TIME = 1 << 16


def philox4x32(counter: tuple[Words, Words, Words, Words],
               key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10 of counters whose words broadcast against each other."""
    (c0, c1, c2, c3), (key0, key1) = counter, key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> _HALF) ^ c1 ^ np.uint64(key0), p1 & _LOW
        c2, c3 = (p0 >> _HALF) ^ c3 ^ np.uint64(key1), p0 & _LOW
        key0, key1 = (key0 + 0x9E3779B9) % 2**32, (key1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def _words(seed: int, stream: int, images: range, blocks: range) -> Words:
    """The words of these blocks of these images' streams: (images, blocks, 4)."""
    image = np.arange(images.start, images.stop, dtype=np.uint64)[:, None]
    block = np.arange(blocks.start, blocks.stop, dtype=np.uint64)[None, :]
    high = (image >> _HALF) | np.uint64(stream << 31)
    counter = (block & _LOW, block >> _HALF, image & _LOW, high)
    return np.stack(philox4x32(counter, (seed % 2**32, seed >> 32)), axis=-1)


def _pixels_of(words: Words, fill: str, dtype: DTypeLike) -> Array:
    """The two pixels of each block: (images, 2 * blocks)."""
    pairs = words.reshape(len(words), -1, 2)
    low, high = pairs[..., 0], pairs[..., 1]
    if fill == "integers":
        return (high >> np.uint64(24)).astype(dtype)
    if np.dtype(dtype) == np.float64:
        return ((high << _HALF | low) >> np.uint64(11)) * 2.0**-53
    return ((high >> np.uint64(8)) * 2.0**-24).astype(dtype)


def _parts(count: int, first: int, pixels: int) -> Iterator[tuple[range, range]]:
    """Images and blocks that are made in one go: several small images, or a part of a large."""
    blocks = -(-pixels // 2)
    images_at_a_time = max(1, _BLOCKS_AT_A_TIME // blocks)
    for image in range(first, first + count, images_at_a_time):
        images = range(image, min(image + images_at_a_time, first + count))
        for block in range(0, blocks, _BLOCKS_AT_A_TIME):
            yield images, range(block, min(block + _BLOCKS_AT_A_TIME, blocks))


def make_images(fill: str, seed: int, count: int, height: int, width: int, dtype: DTypeLike,
                first: int = 0) -> Array:
    """Images `first` to `first + count`: (count, height, width)."""
    out: Array = np.zeros((count, height, width), dtype)
    if fill == "zeros":
        out.fill(0)  # touches the pages, which zeros alone leaves to the first iteration
        return out
    flat = out.reshape(count, height * width)

    def make(part: tuple[range, range]) -> None:
        images, blocks = part
        pixels = _pixels_of(_words(seed, _PIXELS, images, blocks), fill, dtype)
        begin = 2 * blocks.start
        end = min(2 * blocks.stop, height * width)
        flat[images.start - first:images.stop - first, begin:end] = pixels[:, :end - begin]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for _ in threads.map(make, _parts(count, first, height * width)):
            pass
    return out


def make_filters(fill: str, seed: int, count: int, size: int, dtype: DTypeLike,
                 first: int = 0) -> Array:
    """Filters `first` to `first + count`: (count, size, size)."""
    out: Array = np.zeros((count, size, size), dtype)
    if fill == "zeros":
        return out
    taps = size * size
    at_a_time = max(1, _BLOCKS_AT_A_TIME // (3 * taps))
    for begin in range(0, count, at_a_time):
        end = min(begin + at_a_time, count)
        words = _words(seed, _TAPS, range(first + begin, first + end), range(3 * taps))
        twelve = words.reshape(end - begin, taps, 12)
        if fill == "integers":
            values = (twelve[..., 0] * np.uint64(17) >> _HALF).astype(np.int64) - 8
            out[begin:end] = values.reshape(-1, size, size)
        else:
            sums = (twelve >> np.uint64(8)).sum(axis=-1).astype(np.int64) - 6 * 2**24
            out[begin:end] = (sums * 2.0**-24).reshape(-1, size, size)
    return out


def _mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def digest_of(results: Iterable[Array], first: int = 0) -> int:
    """The digest of results, one array an image, the first output of which has index `first`."""
    total, index = 0, first
    for result in results:
        flat = result.reshape(-1)
        for begin in range(0, flat.size, _OUTPUTS_AT_A_TIME):
            wide = flat[begin:begin + _OUTPUTS_AT_A_TIME].astype(np.float64)
            bits = wide.view(np.uint64).copy()
            bits[wide == 0] = 0
            bits[np.isnan(wide)] = 0x7FF8000000000000
            # Offsets are added as uint64, which wraps as the definition wants it.
            offset = np.array((index + 0x9E3779B97F4A7C15) % 2**64, np.uint64)
            terms = _mix64(bits ^ _mix64(np.arange(wide.size, dtype=np.uint64) + offset))
            total += int(terms.sum(dtype=np.uint64))
            index += wide.size
    return total % 2**64
