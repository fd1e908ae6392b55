# SPDX-License-Identifier: Apache-2.0
"""What results must be, in float64, and how far they may be from it: the program's
bench/measure/verify.hpp in NumPy."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Optional

import numpy as np

from convscale.generator import Array

_OUTPUTS_AT_A_TIME = 1 << 15  # of a few images, so that sums stay in a cache


class Verdict(NamedTuple):
    """Of a comparison of all outputs."""

    outputs: int
    max_error_of_bound: float  # infinite where something is no finite number
    failure: Optional[str]  # the worst output; None where all are within the bound


def fill_expected(images: Array, filters: Array, stride: int, values: Array,
                  bounds: Array) -> None:
    """Writes the kept outputs (N, out_height, out_width) of the full convolution, summed up in
    float64, and of each K^2 (eps sum |tap| |pixel| + the least denormal) of the images' type."""
    info, taps = np.finfo(images.dtype), filters[0].size
    least = float(np.nextafter(images.dtype.type(0), images.dtype.type(1)))

    def fill(part: slice) -> None:
        bounds[part] = 0
        values[part] = 0
        _add_taps(images[part], filters[part].astype(np.float64), stride, values[part],
                  bounds[part])
        bounds[part] *= float(info.eps)
        bounds[part] += least
        bounds[part] *= taps

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for _ in threads.map(fill, _parts(values)):
            pass


def _parts(outputs: Array) -> list[slice]:
    step = max(1, _OUTPUTS_AT_A_TIME // outputs[0].size)
    return [slice(begin, begin + step) for begin in range(0, len(outputs), step)]


def _add_taps(images: Array, filters: Array, stride: int, values: Array,
              magnitudes: Array) -> None:
    """Output (r, c) of an image is the sum of filter[a, b] image[stride r - a, stride c - b]."""
    size = filters.shape[1]
    for a in range(size):
        out_rows, rows = _ranges(a, stride, images.shape[1], values.shape[1])
        for b in range(size):
            out_columns, columns = _ranges(b, stride, images.shape[2], values.shape[2])
            products = images[:, rows, columns] * filters[:, a, b, None, None]
            values[:, out_rows, out_columns] += products
            magnitudes[:, out_rows, out_columns] += np.abs(products, out=products)


def _ranges(tap: int, stride: int, pixels: int, outputs: int) -> tuple[slice, slice]:
    """Of a row's or column's outputs those that this tap has a pixel for, and these pixels."""
    first = -(-tap // stride)
    end = max(first, min(outputs, (pixels - 1 + tap) // stride + 1))
    begin = stride * first - tap
    return slice(first, end), slice(begin, begin + stride * (end - first), stride)


def compare(got: Array, values: Array, bounds: Array) -> Verdict:
    """All outputs, against what fill_expected wrote."""
    if got.shape != values.shape:
        return Verdict(0, np.inf, f"the results have shape {got.shape}, expected {values.shape}")
    worst, place = -1.0, 0
    for part in _parts(values):
        with np.errstate(all="ignore"):
            shares = np.abs(got[part].astype(np.float64) - values[part]) / bounds[part]
        shares[np.isnan(shares)] = np.inf
        if shares.max() > worst:
            worst, place = float(shares.max()), part.start * values[0].size + int(shares.argmax())
    failure = None
    if not worst <= 1:
        image, row, column = (int(i) for i in np.unravel_index(place, values.shape))
        failure = (f"image {image}, output ({row}, {column}): got {got[image, row, column]!s}, "
                   f"expected {values[image, row, column]!s} within "
                   f"{bounds[image, row, column]:.3g}")
    return Verdict(got.size, worst, failure)
