#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files: images and filters, and what SciPy says their convolutions are.

For each case NAME it writes NAME.images.npy (N, H, W), NAME.filters.npy (N, Kh, Kw) and
NAME.results.npy (N, OH, OW) = convolve2d(image, filter, MODE)[::S, ::S], all in the case's dtype,
and a line "NAME S MODE" in cases.txt. tests/cpu/golden_test.cpp runs every kernel against them.

The files in the repository were made with Python 3.11.2, NumPy 1.24.2 and SciPy 1.10.1 (Debian 12).
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

try:
    import numpy as np
    import scipy
    from scipy.signal import convolve2d
except ImportError as missing:
    print(f"{missing}; install python3-numpy and python3-scipy", file=sys.stderr)
    sys.exit(77)  # ctest counts it as skipped

INDEX = "cases.txt"
PARTS = ("images", "filters", "results")


class Case(NamedTuple):
    name: str
    dtype: type
    images: int
    height: int
    width: int
    filter_height: int
    filter_width: int
    stride: int
    mode: str = "full"
    data: str = "random"  # or "special": NaN and infinities; or "integers"


CASES = (
    Case("original_float64", np.float64, 3, 41, 58, 4, 4, 5),
    Case("original_float32", np.float32, 3, 41, 58, 4, 4, 5),
    Case("wide_k4_s1", np.float64, 2, 9, 203, 4, 4, 1),
    Case("tall_k4_s1_float32", np.float32, 2, 131, 11, 4, 4, 1),
    Case("k1_s1", np.float64, 2, 13, 9, 1, 1, 1),
    Case("k1_s6_float32", np.float32, 2, 20, 47, 1, 1, 6),
    Case("k2_s3_float32", np.float32, 2, 19, 31, 2, 2, 3),
    Case("k3_s2", np.float64, 2, 30, 37, 3, 3, 2),
    Case("k5_s6", np.float64, 2, 26, 45, 5, 5, 6),
    Case("k7_s9_float32", np.float32, 2, 37, 64, 7, 7, 9),
    Case("k31_s2", np.float64, 1, 50, 41, 31, 31, 2),
    Case("filter_larger", np.float64, 2, 3, 5, 7, 7, 1),
    Case("filter_much_larger_float32", np.float32, 2, 6, 2, 31, 31, 5),
    Case("one_row", np.float64, 2, 1, 97, 4, 4, 5),
    Case("one_column_float32", np.float32, 2, 97, 1, 4, 4, 3),
    Case("one_pixel", np.float64, 2, 1, 1, 3, 3, 1),
    Case("special", np.float64, 2, 33, 70, 4, 4, 5, "full", "special"),
    Case("special_k3_s1_float32", np.float32, 2, 21, 40, 3, 3, 1, "full", "special"),
    Case("integers", np.float64, 2, 28, 51, 5, 5, 3, "full", "integers"),
    Case("integers_k31_float32", np.float32, 1, 45, 38, 31, 31, 2, "full", "integers"),
    Case("row_k15_s1", np.float64, 2, 14, 83, 1, 15, 1),
    Case("column_k15_s2_float32", np.float32, 2, 47, 40, 15, 1, 2),
    Case("oblong_3x7_s1_float32", np.float32, 2, 22, 53, 3, 7, 1),
    Case("oblong_7x3_s3", np.float64, 2, 31, 66, 7, 3, 3),
    Case("oblong_2x31_s4", np.float64, 1, 23, 90, 2, 31, 4),
    Case("same_k4_s1", np.float64, 2, 21, 61, 4, 4, 1, "same"),
    Case("same_k3_s2_float32", np.float32, 2, 25, 58, 3, 3, 2, "same"),
    Case("same_4x9_s3", np.float64, 2, 29, 75, 4, 9, 3, "same"),
    Case("same_k7_s5_float32", np.float32, 2, 36, 91, 7, 7, 5, "same"),
    Case("valid_k5_s1_float32", np.float32, 2, 26, 67, 5, 5, 1, "valid"),
    Case("valid_k4_s5", np.float64, 2, 43, 88, 4, 4, 5, "valid"),
    Case("valid_11x2_s2", np.float64, 2, 39, 59, 11, 2, 2, "valid"),
    Case("special_same", np.float64, 2, 33, 70, 5, 5, 2, "same", "special"),
    Case("integers_valid_9x4", np.float64, 2, 28, 51, 9, 4, 2, "valid", "integers"),
)


def make_inputs(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) and filters (N, K, K): the same bits for every version of NumPy.

    RandomState is frozen, and only exact operations follow its uniform numbers. Random filters
    have no symmetry, so a filter that is transposed or not flipped is seen.
    """
    seed = int.from_bytes(case.name.encode(), "little") % 2**32
    random = np.random.RandomState(seed)
    image_shape = (case.images, case.height, case.width)
    filter_shape = (case.images, case.filter_height, case.filter_width)
    if case.data == "integers":
        images = random.randint(0, 256, image_shape, dtype=np.int64)
        filters = random.randint(-8, 9, filter_shape, dtype=np.int64)
    else:
        images = random.random_sample(image_shape)
        filters = random.random_sample(filter_shape) * 4 - 2
    images = images.astype(case.dtype)
    filters = filters.astype(case.dtype)
    if case.data == "special":
        # In the interior, on a border and in a corner, all within reach of a kept output. Two
        # infinities that meet make a NaN, and so does one that meets a tap of zero.
        images[0, 7, 12] = np.nan
        images[0, 0, case.width - 1] = np.inf
        images[0, case.height - 1, 0] = -np.inf
        images[0, 13, 18] = np.inf
        images[0, 14, 19] = -np.inf
        filters[0, 1, 1] = filters[0, 2, 2] = 0.75
        images[1, case.height - 1, case.width - 1] = np.nan
        images[1, 9, 25] = -np.inf
        images[1, 19, 33] = np.inf
        filters[1, 1, 2] = 1.25
        filters[1, 1, 0] = 0
    return images, filters


def convolve(case: Case, images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """The definition of correct: (N, OH, OW), in the dtype of the inputs."""
    with np.errstate(invalid="ignore"):
        dense = [convolve2d(image, taps, case.mode) for image, taps in zip(images, filters)]
    return np.array(dense)[:, :: case.stride, :: case.stride].copy()


def bound_of(case: Case, images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """How far two right answers may be apart: taps (eps sum |tap| |pixel| + the least denormal)."""
    info = np.finfo(case.dtype)
    wide = np.abs(np.nan_to_num(images.astype(np.float64), posinf=0, neginf=0))
    magnitude = convolve(case, wide, np.abs(filters.astype(np.float64)))
    taps = case.filter_height * case.filter_width
    return taps * (float(info.eps) * magnitude + float(info.smallest_subnormal))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def agree(got: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> bool:
    """Within `bound` where both are finite; elsewhere NaN meets NaN, an infinity the same one."""
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(got.astype(np.float64) - expected) <= bound
    finite = np.isfinite(got) & np.isfinite(expected)
    same_kind = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return bool(np.all(np.where(finite, near, same_kind)))


def line_of(case: Case) -> str:
    """Of the index."""
    return f"{case.name} {case.stride} {case.mode}"


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        images, filters = make_inputs(case)
        results = convolve(case, images, filters)
        for part, array in zip(PARTS, (images, filters, results)):
            np.save(folder / f"{case.name}.{part}.npy", array)
    (folder / INDEX).write_text("".join(line_of(case) + "\n" for case in CASES))


def check(folder: Path) -> list[str]:
    """What is wrong with the files, a line each."""
    problems = []
    expected_index = [line_of(case) for case in CASES]
    if (folder / INDEX).read_text().splitlines() != expected_index:
        problems.append(f"{INDEX} lists other cases than this script makes")
    known = {f"{case.name}.{part}.npy" for case in CASES for part in PARTS}
    for stray in sorted(path.name for path in folder.glob("*.npy") if path.name not in known):
        problems.append(f"{stray} belongs to no case")
    same = 0
    for case in CASES:
        try:
            stored = [np.load(folder / f"{case.name}.{part}.npy") for part in PARTS]
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        images, filters = make_inputs(case)
        for part, got, expected in zip(PARTS, stored, (images, filters)):
            if not same_bits(got, expected):
                problems.append(f"{case.name}.{part}.npy differs from what this script makes")
        results = convolve(case, images, filters)
        same += same_bits(stored[2], results)
        if not agree(stored[2], results, bound_of(case, images, filters)):
            problems.append(f"{case.name}.results.npy differs from SciPy by more than rounding")
    print(f"SciPy {scipy.__version__}, NumPy {np.__version__}: {len(CASES)} cases, the results of "
          f"{same} are the same bits")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Makes the golden files of the tests with SciPy.",
        epilog="Example: tests/golden/make_golden.py --check")
    parser.add_argument("--check", action="store_true",
                        help="write nothing; compute again and compare with the files")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent,
                        help="where the files are (default: beside this script)")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.folder)
        return 0
    problems = check(arguments.folder)
    for problem in problems:
        print(f"make_golden.py: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
