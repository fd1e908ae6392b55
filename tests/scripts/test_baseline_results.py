# SPDX-License-Identifier: Apache-2.0
"""The baseline computes what the program does: within the verification bound, and with integers
bit for bit; through every way of starting workers."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from baseline_runs import POOLS, records_of, run, saved
from numpy.typing import NDArray
from scipy.signal import convolve2d

KERNELS = ("scipy-serial", *POOLS)
QUICK = ("--iterations", "1", "--burns", "0")


def run_program(program: Path, folder: Path, *options: object) -> dict[str, Any]:
    """The record of a run that saved its arrays in `folder`."""
    subprocess.run([program, "--quiet", "--no-progress", *QUICK, *map(str, options), "--save",
                    folder, "--json", folder / "run.json"], check=True, capture_output=True)
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())["records"][0]
    assert record["verification"]["status"] == "passed"
    return record


def assert_near(got: NDArray[Any], wanted: NDArray[Any], images: NDArray[Any],
                filters: NDArray[Any], stride: int) -> None:
    """The verification's bound: |got - wanted| <= K^2 eps sum |tap| |pixel|."""
    assert got.dtype == wanted.dtype and got.shape == wanted.shape and got.size > 0
    eps = float(np.finfo(got.dtype).eps)
    for i, (image, taps) in enumerate(zip(images, filters)):
        wide, wide_taps = image.astype(np.float64), taps.astype(np.float64)
        bound = taps.size * eps * convolve2d(abs(wide), abs(wide_taps))[::stride, ::stride]
        error = abs(got[i].astype(np.float64) - wanted[i].astype(np.float64))
        assert (error <= bound).all(), f"image {i}: {np.max(error / bound)} of the bound"


@pytest.fixture(name="folders")
def make_folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("program", "baseline"):
        (tmp_path / name).mkdir()
    return tmp_path / "program", tmp_path / "baseline"


@pytest.mark.parametrize("kernel, dtype, filter_size, stride", [
    ("scipy-serial", "float32", 7, 2), ("scipy-spawn", "float64", 4, 5),
    ("scipy-fork", "float32", 3, 1), ("scipy-forkserver", "float64", 4, 5)])
def test_results_equal_the_programs(program: Path, folders: tuple[Path, Path], kernel: str,
                                    dtype: str, filter_size: int, stride: int) -> None:
    ours, theirs = folders
    options = ("--size", "37x53", "--mem", 20000, "--seed", 5, "--dtype", dtype, "--filter-size",
               filter_size, "--stride", stride, "--num_workers", 2)
    run_program(program, ours, *options)
    done = run("--kernel", kernel, *QUICK, *options, "--save", theirs)
    assert done.returncode == 0, done.stderr
    images, filters, wanted = saved(ours)
    their_images, their_filters, got = saved(theirs)
    assert images.tobytes() == their_images.tobytes()
    assert filters.tobytes() == their_filters.tobytes()
    assert_near(got, wanted, images, filters, stride)


def test_integers_have_one_digest(program: Path, folders: tuple[Path, Path]) -> None:
    options = ("--fill", "integers", "--size", "45x52", "--mem", 30000)
    digest = run_program(program, folders[0], *options)["digest"]
    records = records_of(folders[1], *QUICK, *options, "--kernel", ",".join(KERNELS), "--dtype",
                         "float64,float32", "--num_workers", "2")
    assert len(records) == 2 * len(KERNELS)
    assert {record["digest"] for record in records} == {digest}


def test_files_are_read_as_the_program_reads_them(program: Path, folders: tuple[Path, Path],
                                                  tmp_path: Path) -> None:
    random = np.random.RandomState(2)
    image_bytes = np.asfortranarray(random.randint(0, 256, (4, 20, 30), np.uint8))
    np.save(tmp_path / "bytes.npy", image_bytes)
    np.save(tmp_path / "one.npy", random.random_sample((19, 31)).astype(np.float32))
    np.save(tmp_path / "taps.npy", random.standard_normal((3, 3)))
    for images, filters in (("bytes.npy", "taps.npy"), ("one.npy", "taps.npy"), ("one.npy", None)):
        options = ["--images", tmp_path / images]
        if filters:
            options += ["--filters", tmp_path / filters]
        record = run_program(program, folders[0], *options)
        own, = records_of(tmp_path, "--kernel", "scipy-serial", *QUICK, *options, "--save",
                          folders[1])
        for name in ("dtype", "fill", "images", "height", "width", "filter_size", "stride"):
            assert own[name] == record[name], name
        ours, theirs = saved(folders[0]), saved(folders[1])
        assert ours[0].tobytes() == theirs[0].tobytes()
        assert ours[1].tobytes() == theirs[1].tobytes()
        assert_near(theirs[2], ours[2], ours[0], ours[1], 5)


def test_a_work_time_changes_no_result(folders: tuple[Path, Path]) -> None:
    options = ("--kernel", "scipy-fork", "-w", 2, *QUICK, "--size", 30, "--mem", 4000)
    plain, = records_of(folders[0], *options)
    timed, = records_of(folders[0], *options, "--work_time", 0.02)
    assert timed["digest"] == plain["digest"]
    assert (plain["work_time"], timed["work_time"]) == (None, 0.02)
    # Four images on two workers, each held for at least the work time.
    assert timed["times_s"][0] >= 0.04
    for name in ("images_per_s", "pixels_per_s", "bytes_per_s", "flops_per_s"):
        assert plain[name] > 0 and timed[name] is None
