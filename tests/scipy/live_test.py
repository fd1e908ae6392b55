#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the built program and checks what it saves against SciPy and against this script's own
implementation, in NumPy alone, of the generator and of the digest.

    live_test.py --program build/release/bin/convscale
"""
from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, NamedTuple, Optional

try:
    import numpy as np
    from scipy.signal import convolve2d
except ImportError as missing:
    print(f"skipped: {missing}; install python3-numpy and python3-scipy", file=sys.stderr)
    sys.exit(77)

DTYPES = {"float64": np.float64, "float32": np.float32}
METHODS = ("full", "strided")
PROGRAM = ""


# --- The generator: common/generator.hpp says what it makes

PIXELS, TAPS = 0, 1  # streams
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox4x32(counter: list[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    """Ten rounds of Philox4x32 over arrays of 32-bit words, each held in 64 bits."""
    c, (key0, key1) = counter, key
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> HALF) ^ c[1] ^ np.uint64(key0), p1 & LOW,
             (p0 >> HALF) ^ c[3] ^ np.uint64(key1), p0 & LOW]
        key0, key1 = (key0 + 0x9E3779B9) % 2**32, (key1 + 0xBB67AE85) % 2**32
    return c


def words(seed: int, stream: int, image: int, blocks: int) -> np.ndarray:
    """The 32-bit words of blocks 0..blocks of an image's stream: (blocks, 4)."""
    block = np.arange(blocks, dtype=np.uint64)
    high = (image >> 32) | (stream << 31)
    counter = [block & LOW, block >> HALF, np.full_like(block, image % 2**32),
               np.full_like(block, high)]
    return np.stack(philox4x32(counter, (seed % 2**32, seed >> 32)), axis=1)


def pixels(fill: str, seed: int, image: int, height: int, width: int, dtype: type) -> np.ndarray:
    count = height * width
    pairs = words(seed, PIXELS, image, (count + 1) // 2).reshape(-1, 2)[:count]
    low, high = pairs[:, 0], pairs[:, 1]
    if fill == "zeros":
        values = np.zeros(count)
    elif fill == "integers":
        values = high >> np.uint64(24)
    elif dtype is np.float64:
        values = ((high << HALF | low) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    else:
        values = (high >> np.uint64(8)).astype(np.float64) * 2.0**-24
    return values.astype(dtype).reshape(height, width)


def taps(fill: str, seed: int, image: int, size: int, dtype: type) -> np.ndarray:
    twelve = words(seed, TAPS, image, 3 * size * size).reshape(-1, 12)
    if fill == "zeros":
        values = np.zeros(size * size)
    elif fill == "integers":
        values = (twelve[:, 0] * np.uint64(17) >> HALF).astype(np.int64) - 8
    else:
        sums = (twelve >> np.uint64(8)).astype(np.int64).sum(axis=1) - 6 * 2**24
        values = sums * 2.0**-24
    return values.astype(dtype).reshape(size, size)


# --- The digest: common/digest.hpp


def mix64(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def digest(results: np.ndarray) -> str:
    wide = results.astype(np.float64).ravel()
    bits = wide.view(np.uint64).copy()
    bits[wide == 0] = 0
    bits[np.isnan(wide)] = 0x7FF8000000000000
    index = np.arange(wide.size, dtype=np.uint64)
    terms = mix64(bits ^ mix64(index + np.uint64(0x9E3779B97F4A7C15)))
    return f"{int(terms.sum(dtype=np.uint64)):016x}"


# --- Running the program


class Run(NamedTuple):
    """What a run left: images (N, H, W), filters (N, K, K), results (N, OH, OW), its record."""

    images: np.ndarray
    filters: np.ndarray
    results: np.ndarray
    record: dict[str, Any]


def run(*options: object) -> Run:
    with tempfile.TemporaryDirectory(prefix="convscale-live-") as folder:
        saved = Path(folder) / "saved"
        command = [PROGRAM, "--num_workers", 2, "--iterations", 2, "--burns", 0, *options,
                   "--save", saved, "--json", Path(folder) / "run.json", "--quiet"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, options))}: exit {done.returncode}: "
                                 f"{done.stdout}{done.stderr}")
        arrays = [np.load(saved / f"{part}.npy") for part in ("images", "filters", "results")]
        record = json.loads((Path(folder) / "run.json").read_text())["records"][0]
        return Run(*arrays, record)


def supported_kernels() -> list[str]:
    """Lines of --list: "cpu    kernel  avx2     supported (...)"."""
    text = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return [row[2] for row in rows if row[0] == "cpu" and row[1] == "kernel" and
            row[3] == "supported"]


def supported_ways() -> list[tuple[str, str]]:
    """Kernels with the methods that they do not refuse."""
    def is_refused(kernel: str, method: str) -> bool:
        return subprocess.run([PROGRAM, "--kernel", kernel, "--method", method, "--size", "8",
                               "--mem", "64", "--quiet"], capture_output=True).returncode == 3

    return [way for way in itertools.product(supported_kernels(), METHODS) if not is_refused(*way)]


class LiveTest(unittest.TestCase):
    def assert_same_bits(self, got: np.ndarray, expected: np.ndarray, what: str) -> None:
        self.assertEqual(got.dtype, expected.dtype, what)
        self.assertEqual(got.shape, expected.shape, what)
        self.assertEqual(got.tobytes(), expected.tobytes(), f"{what} are not the same bits")

    def assert_right(self, done: Run, stride: int) -> None:
        """The results are SciPy's in float64 within the bound; the record fits to them."""
        images, filters = done.images.astype(np.float64), done.filters.astype(np.float64)
        info = np.finfo(done.results.dtype)
        self.assertEqual(len(done.results), len(images))
        for i, (image, kernel) in enumerate(zip(images, filters)):
            with np.errstate(invalid="ignore"):
                expected = convolve2d(image, kernel)[::stride, ::stride]
                magnitude = convolve2d(np.abs(image), np.abs(kernel))[::stride, ::stride]
                bound = kernel.size * (float(info.eps) * magnitude + float(info.smallest_subnormal))
                got = done.results[i].astype(np.float64)
                near = np.abs(got - expected) <= bound
            self.assertEqual(got.shape, expected.shape)
            same_kind = (got == expected) | (np.isnan(got) & np.isnan(expected))
            right = np.where(np.isfinite(got) & np.isfinite(expected), near, same_kind)
            if not right.all():
                y, x = np.argwhere(~right)[0]
                self.fail(f"image {i}, output ({y}, {x}): got {got[y, x]!r}, SciPy says "
                          f"{expected[y, x]!r}; {np.count_nonzero(~right)} outputs are wrong")
        self.assertEqual(done.record["status"], "ok")
        self.assertEqual(done.record["verification"]["status"], "passed")
        self.assertEqual(done.record["verification"]["outputs"], done.results.size)
        self.assertEqual(done.record["digest"], digest(done.results))

    def assert_generated(self, done: Run, fill: str, seed: int) -> None:
        """Images and filters are what the generator makes."""
        dtype = done.images.dtype.type
        count, height, width = done.images.shape
        images = np.array([pixels(fill, seed, i, height, width, dtype) for i in range(count)])
        filters = np.array([taps(fill, seed, i, done.filters.shape[1], dtype)
                            for i in range(count)])
        self.assert_same_bits(done.images, images, "images")
        self.assert_same_bits(done.filters, filters, "filters")


class OwnImplementation(LiveTest):
    def test_philox_has_the_published_vectors(self) -> None:
        """Random123's known answers (kat_vectors)."""
        pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
        for counter, key, answer in (
                ((0,) * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
                ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
                (pi, (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1")):
            out = philox4x32([np.array([word], np.uint64) for word in counter], key)
            self.assertEqual(" ".join(f"{int(word[0]):08x}" for word in out), answer)

class Generated(LiveTest):
    def test_every_kernel(self) -> None:
        """All kernels, methods and dtypes, on sizes, filters and strides with odd ends."""
        shapes = ((41, 58, 4, 5), (17, 203, 4, 1), (131, 11, 3, 2), (30, 37, 7, 9), (1, 97, 4, 5),
                  (97, 1, 2, 3), (5, 3, 31, 4), (64, 64, 1, 6))
        ways = supported_ways()
        for method in METHODS:
            self.assertIn(("scalar", method), ways)
        each = itertools.product(ways, DTYPES, range(len(shapes) // 2))
        for seed, ((kernel, method), dtype, place) in enumerate(each, 1):
            # With either type, half of the shapes.
            shape = shapes[2 * place + ((dtype == "float32") ^ (method == "full"))]
            height, width, size, stride = shape
            with self.subTest(kernel=kernel, method=method, dtype=dtype, shape=shape):
                done = run("--kernel", kernel, "--method", method, "--dtype", dtype, "--seed", seed,
                           "--size", f"{height}x{width}", "--mem", 3 * height * width,
                           "--filter-size", size, "--stride", stride)
                self.assertEqual(done.images.shape, (3, height, width))
                self.assertEqual(done.record["kernel"], kernel)
                self.assertEqual(done.images.dtype, DTYPES[dtype])
                self.assert_generated(done, "random", seed)
                self.assert_right(done, stride)

    def test_integers_are_exact_everywhere(self) -> None:
        """One digest for every kernel, method and dtype."""
        for size in (4, 31):
            digests = set()
            for (kernel, method), dtype in itertools.product(supported_ways(), DTYPES):
                with self.subTest(kernel=kernel, method=method, dtype=dtype, size=size):
                    done = run("--kernel", kernel, "--method", method, "--dtype", dtype, "--fill",
                               "integers", "--size", "45x52", "--mem", 5000, "--filter-size", size)
                    self.assert_generated(done, "integers", 0)
                    self.assert_right(done, 5)
                    digests.add(done.record["digest"])
            self.assertEqual(len(digests), 1)

    def test_zeros(self) -> None:
        done = run("--fill", "zeros", "--size", 40, "--mem", 3200)
        self.assert_generated(done, "zeros", 0)
        self.assert_right(done, 5)

    def test_large_images_and_the_largest_seed(self) -> None:
        """More pixels than are generated at a time, and an odd number of them."""
        for dtype, schedule in itertools.product(DTYPES, ("static", "dynamic", "split")):
            with self.subTest(dtype=dtype, schedule=schedule):
                done = run("--dtype", dtype, "--schedule", schedule, "--seed", 2**64 - 1, "--size",
                           "301x455", "--mem", "300k")
                self.assertEqual(len(done.images), 2)
                self.assert_generated(done, "random", 2**64 - 1)
                self.assert_right(done, 5)


class FromFiles(LiveTest):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="convscale-live-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def save(self, name: str, array: np.ndarray) -> Path:
        path = self.folder / name
        np.save(path, array)
        return path

    def check(self, images: np.ndarray, filters: Optional[np.ndarray], *options: object,
              dtype: type) -> None:
        """Runs on files of these arrays; `dtype` is what the run is to convert them to."""
        files = ["--images", self.save("images.npy", images)]
        if filters is not None:
            files += ["--filters", self.save("filters.npy", filters)]
        done = run(*files, *options, "--stride", 3)
        stack = images.reshape((-1, *images.shape[-2:]))
        self.assert_same_bits(done.images, np.ascontiguousarray(stack.astype(dtype)), "images")
        if filters is not None:
            each = np.broadcast_to(filters, (len(stack), *filters.shape[-2:]))
            self.assert_same_bits(done.filters, np.ascontiguousarray(each.astype(dtype)), "filters")
        self.assertEqual(done.record["fill"], "file")
        self.assert_right(done, 3)

    def test_types_orders_and_filters(self) -> None:
        random = np.random.RandomState(5)
        values = {"float64": random.standard_normal, "float32": random.standard_normal,
                  "uint8": lambda shape: random.randint(0, 2**8, shape),
                  "uint16": lambda shape: random.randint(0, 2**16, shape)}
        for (kind, make), order, (count, method) in itertools.product(
                values.items(), "CF", zip((1, 4), METHODS)):
            with self.subTest(kind=kind, order=order, filters=count, method=method):
                images = np.asarray(make((4, 23, 37)), kind, order)
                filters = np.asarray(make((count, 5, 5)), kind, order)
                own = np.float32 if kind == "float32" else np.float64
                self.check(images, filters, "--method", method, dtype=own)
                for name, dtype in DTYPES.items():
                    if dtype is not own:
                        self.check(images, filters, "--method", method, "--dtype", name,
                                   dtype=dtype)

    def test_one_image_and_one_filter_without_a_stack(self) -> None:
        random = np.random.RandomState(6)
        for order in "CF":
            image = np.asarray(random.random_sample((19, 31)), order=order)
            kernel = np.asarray(random.standard_normal((4, 4)), order=order)
            self.check(image, kernel, dtype=np.float64)

    def test_generated_filters_beside_images_of_a_file(self) -> None:
        images = np.random.RandomState(7).random_sample((3, 20, 30))
        done = run("--images", self.save("images.npy", images), "--seed", 9, "--filter-size", 6)
        filters = np.array([taps("random", 9, i, 6, np.float64) for i in range(3)])
        self.assert_same_bits(done.filters, filters, "filters")
        self.assert_right(done, 5)

    def test_filters_of_a_file_beside_generated_images(self) -> None:
        filters = np.random.RandomState(8).standard_normal((3, 3)).astype(np.float32)
        done = run("--filters", self.save("filters.npy", filters), "--seed", 9, "--size", "20x30",
                   "--mem", 1800)
        images = np.array([pixels("random", 9, i, 20, 30, np.float64) for i in range(3)])
        self.assert_same_bits(done.images, images, "images")
        self.assert_same_bits(done.filters, np.stack([filters.astype(np.float64)] * 3), "filters")
        self.assert_right(done, 5)

    def test_what_is_not_a_number(self) -> None:
        random = np.random.RandomState(10)
        images = random.standard_normal((2, 33, 70))
        images[0, 5, 7], images[0, 12, 33], images[1, 0, 0] = np.nan, np.inf, -np.inf
        images[1, 20, 40], images[1, 21, 41] = np.inf, -np.inf
        filters = random.standard_normal((2, 4, 4))
        for (kernel, method), name in itertools.product(supported_ways(), DTYPES):
            with self.subTest(kernel=kernel, method=method, dtype=name):
                self.check(images, filters, "--kernel", kernel, "--method", method, "--dtype", name,
                           dtype=DTYPES[name])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", required=True, help="the built convscale")
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], *rest])
