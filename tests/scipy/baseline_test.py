#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs scripts/baseline.py small: each start method, its results, its record, its errors.

    baseline_test.py --script scripts/baseline.py
"""
from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

try:
    import numpy as np
    from scipy.signal import convolve2d
except ImportError as missing:
    print(f"skipped: {missing}; install python3-numpy and python3-scipy", file=sys.stderr)
    sys.exit(77)

START_METHODS = ("spawn", "fork", "forkserver")
RECORD_FIELDS = """status reason warnings backend kernel method scope dtype height width images
    filter_size stride fill seed num_workers cpus device host_memory schedule ranks distribute
    iterations burns work_time interleaved setup_s times_s mean_s std_s min_s median_s max_s
    images_per_s pixels_per_s bytes_per_s flops_per_s bound phases workers per_rank wire_bytes
    communication_share verification digest""".split()
SCRIPT = Path()


def run(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", str(SCRIPT), *map(str, options)],
                          capture_output=True, text=True)


class BaselineTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="convscale-baseline-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def record_of(self, *options: object) -> tuple[list[str], dict[str, Any]]:
        """The lines that a small run printed, and its record."""
        path = self.folder / "run.json"
        done = run(*options, "--iterations", 3, "--burns", 1, "--json", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(path.read_text())
        self.assertEqual(document["schema_version"], "1")
        self.assertFalse(document["interrupted"])
        self.assertEqual(len(document["records"]), 1)
        return done.stdout.splitlines(), document["records"][0]

    def assert_record(self, lines: list[str], record: dict[str, Any], kernel: str,
                      workers: int) -> None:
        self.assertEqual(lines[:2], [f"Number of workers: {workers}", "Number of images: 5"])
        self.assertEqual(len(lines), 4)
        self.assertLessEqual(set(RECORD_FIELDS), set(record))
        self.assertEqual((record["backend"], record["kernel"]), ("python", kernel))
        self.assertEqual((record["height"], record["width"], record["images"]), (37, 53, 5))
        self.assertEqual((record["filter_size"], record["stride"]), (4, 5))
        self.assertEqual(record["num_workers"], workers)
        times = record["times_s"]
        self.assertEqual(len(times), 3)
        self.assertGreater(min(times), 0)
        self.assertEqual(record["mean_s"], np.mean(times))
        self.assertEqual(record["std_s"], np.std(times))
        self.assertEqual(record["median_s"], np.median(times))
        self.assertAlmostEqual(record["flops_per_s"] * np.median(times), 2 * 16 * 37 * 53 * 5, 0)
        self.assertAlmostEqual(record["images_per_s"] * np.median(times), 5, 6)
        for line, name, value in ((lines[2], "Average time", np.mean(times)),
                                  (lines[3], "Standard deviation", np.std(times))):
            self.assertRegex(line, rf"^{name}: \d+(\.\d+)? second\(s\)$")
            printed = float(line.split(": ")[1].split()[0])
            self.assertAlmostEqual(printed, value, delta=1e-4 * value)

    def test_each_start_method(self) -> None:
        for method in START_METHODS:
            with self.subTest(method=method):
                lines, record = self.record_of("--start-method", method, "-w", 2, "--size", "37x53",
                                               "--mem", "10k")
                self.assert_record(lines, record, f"scipy-{method}", 2)
                self.assertEqual(record["fill"], "random")

    def test_spawn_is_the_default(self) -> None:
        lines, record = self.record_of("--num_workers", 2, "--size", "37x53", "--mem", 9805,
                                       "--fill", "zeros")
        self.assert_record(lines, record, "scipy-spawn", 2)
        self.assertEqual(record["fill"], "zeros")

    def test_serial(self) -> None:
        lines, record = self.record_of("--serial", "--size", "37x53", "--mem", "10k")
        self.assert_record(lines, record, "scipy-serial", 1)

    def test_results_are_those_of_scipy(self) -> None:
        """Called from here, since the program keeps no results."""
        baseline = importlib.import_module(SCRIPT.stem)
        random = np.random.RandomState(1)
        np.save(self.folder / "images.npy", random.random_sample((5, 23, 31)))
        np.save(self.folder / "filters.npy", random.standard_normal((5, 3, 3)))
        for files in (["--images", str(self.folder / "images.npy")],
                      ["--images", str(self.folder / "images.npy"),
                       "--filters", str(self.folder / "filters.npy")],
                      ["--size", "19x40", "--mem", "4k", "--seed", "3"]):
            workload = baseline.make_workload(baseline.parse_options(files))
            expected = [convolve2d(image, taps)[::5, ::5]
                        for image, taps in zip(workload.images, workload.filters)]
            self.assertGreater(len(expected), 1)
            measured = [baseline.measure_serial(workload, 1, 0)]
            measured += [baseline.measure_pool(workload, 2, method, 1, 0)
                         for method in START_METHODS]
            for measurement in measured:
                self.assertEqual(len(measurement.results), len(expected))
                for got, wanted in zip(measurement.results, expected):
                    np.testing.assert_array_equal(got, wanted)

    def test_files(self) -> None:
        images = np.asfortranarray(np.random.RandomState(2).randint(0, 256, (4, 20, 30), np.uint8))
        np.save(self.folder / "images.npy", images)
        np.save(self.folder / "filter.npy", np.eye(3, dtype=np.float32))
        _, record = self.record_of("--serial", "--images", self.folder / "images.npy", "--filters",
                                   self.folder / "filter.npy")
        self.assertEqual(record["fill"], "file")
        self.assertEqual([record[key] for key in ("images", "height", "width", "filter_size")],
                         [4, 20, 30, 3])
        baseline = importlib.import_module(SCRIPT.stem)
        workload = baseline.make_workload(baseline.parse_options(
            ["--images", str(self.folder / "images.npy"),
             "--filters", str(self.folder / "filter.npy")]))
        np.testing.assert_array_equal(np.array(workload.images), images.astype(np.float64))
        self.assertEqual(workload.images[0].dtype, np.float64)

    def test_json_on_standard_output_is_alone_there(self) -> None:
        done = run("--serial", "--size", 20, "--mem", 800, "--iterations", 1, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["records"][0]["images"], 2)
        self.assertIn("Number of images: 2", done.stderr)

    def test_bad_options_are_one_line_and_exit_2(self) -> None:
        np.save(self.folder / "line.npy", np.zeros(3))
        np.save(self.folder / "images.npy", np.zeros((2, 5, 5)))
        np.save(self.folder / "filters.npy", np.zeros((3, 4, 4)))
        np.save(self.folder / "oblong.npy", np.zeros((2, 4, 5)))
        np.save(self.folder / "complex.npy", np.zeros((2, 5, 5), np.complex128))
        (self.folder / "text.npy").write_text("no array")
        images = ["--images", self.folder / "images.npy"]
        baseline = importlib.import_module(SCRIPT.stem)
        for options in (["--unknown"], ["--num_workers", 0], ["-w", "two"], ["--iterations", 0],
                        ["--burns", -1], ["--size", "0"], ["--size", "3x"], ["--mem", "12Q"],
                        ["--mem", 5], ["--fill", "ones"], ["--start-method", "thread"], ["--mem"],
                        ["--serial", "-w", 2], ["--serial", "--start-method", "fork"],
                        ["--images", self.folder / "none.npy"],
                        ["--images", self.folder / "line.npy"],
                        ["--images", self.folder / "complex.npy"],
                        ["--images", self.folder / "text.npy"], [*images, "--size", 5],
                        [*images, "--filters", self.folder / "filters.npy"],
                        [*images, "--filters", self.folder / "oblong.npy"]):
            with self.subTest(options=options):
                out, err = io.StringIO(), io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    code = baseline.main([str(option) for option in options])
                self.assertEqual((code, out.getvalue()), (2, ""), err.getvalue())
                self.assertRegex(err.getvalue(), r"\Abaseline\.py: [^\n]+\n\Z")
        done = run("--unknown")
        self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_an_output_that_cannot_be_written_is_found_first(self) -> None:
        done = run("--size", 10, "--mem", 100, "--json", self.folder / "none" / "run.json")
        self.assertEqual((done.returncode, done.stdout), (5, ""))

    def test_help_has_an_example(self) -> None:
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("Example: scripts/baseline.py", done.stdout)

    def test_workers_are_single_threads(self) -> None:
        importlib.import_module(SCRIPT.stem)
        self.assertEqual(os.environ["OPENBLAS_NUM_THREADS"], "1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--script", required=True, type=Path, help="scripts/baseline.py")
    arguments, rest = parser.parse_known_args()
    SCRIPT = arguments.script.resolve()
    sys.path.insert(0, str(SCRIPT.parent))
    unittest.main(argv=[sys.argv[0], *rest])
