# SPDX-License-Identifier: Apache-2.0
"""The generator and the digest in NumPy: docs/workload.md's vectors, and the program's bits."""
from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest

from convscale import generator
from convscale.generator import digest_of, make_filters, make_images

WORKLOAD_DOC = Path(__file__).resolve().parents[2] / "docs" / "workload.md"


def rows_of(title: str) -> Iterator[list[str]]:
    """The rows of the table behind the line `title`."""
    text = WORKLOAD_DOC.read_text(encoding="utf-8")
    lines = text[text.index(f"\n{title}:\n"):].splitlines()[3:]
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    assert len(rows) > 2
    return ([cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:])


def number(text: str) -> int:
    total = 0
    for term in text.split("+"):
        base, _, exponent = term.partition("^")
        if "-" in exponent:
            power, _, less = exponent.partition("-")
            total += int(base)**int(power) - int(less)
        else:
            total += int(base)**int(exponent or "1")
    return total


@pytest.mark.parametrize("width", [1000, 1_000_000])
def test_pixels_have_the_documented_vectors(width: int) -> None:
    for seed, image, element, float64, float32, integer in rows_of("Pixels"):
        at = divmod(int(element), width)
        for fill, dtype, expected in (("random", "float64", float.fromhex(float64)),
                                      ("random", "float32", float.fromhex(float32)),
                                      ("integers", "float64", float(integer)),
                                      ("integers", "float32", float(integer)),
                                      ("zeros", "float64", 0.0)):
            made = make_images(fill, number(seed), 1, at[0] + 1, width, dtype, number(image))
            assert made.dtype == dtype and made[0][at] == expected


def test_taps_have_the_documented_vectors() -> None:
    for seed, image, element, float64, float32, integer in rows_of("Taps"):
        for fill, dtype, expected in (("random", "float64", float.fromhex(float64)),
                                      ("random", "float32", float.fromhex(float32)),
                                      ("integers", "float64", float(integer)),
                                      ("zeros", "float32", 0.0)):
            made = make_filters(fill, number(seed), 2, 4, dtype, number(image))
            assert made.dtype == dtype and made[0].flat[int(element)] == expected


def test_digest_has_the_documented_vectors() -> None:
    for index, values, term in rows_of("Terms of the digest"):
        for text in values.split(" and "):
            value = np.array([float(re.sub(r" \(.*", "", text).lower())])
            assert f"{digest_of([value], number(index)):016x}" == term, (index, text)
    results = [np.array([[1, -2.5]]), np.array([[0, np.nan]])]
    for _, first, digest in rows_of("Digests"):
        assert f"{digest_of(results, number(first)):016x}" == digest


def test_it_does_not_matter_how_much_is_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> list[bytes]:
        images = make_images("random", 3, 5, 7, 9, "float64")
        filters = make_filters("random", 3, 5, 3, "float32")
        return [images.tobytes(), filters.tobytes(), digest_of(images).to_bytes(8, "big")]

    expected = everything()
    for size in (1, 3, 40):
        monkeypatch.setattr(generator, "_BLOCKS_AT_A_TIME", size)
        monkeypatch.setattr(generator, "_OUTPUTS_AT_A_TIME", size)
        assert everything() == expected


@pytest.mark.parametrize("dtype, fill, size, seed", [
    ("float64", "random", "41x53", 7), ("float32", "random", "300x301", 2**64 - 1),
    ("float64", "integers", "8x8", 0), ("float32", "zeros", "5x6", 1)])
def test_data_and_digest_are_the_programs(program: Path, tmp_path: Path, dtype: str, fill: str,
                                          size: str, seed: int) -> None:
    subprocess.run([program, "--quiet", "--no-progress", "--iterations", "1", "--burns", "0",
                    "--size", size, "--mem", "200k", "--dtype", dtype, "--fill", fill, "--seed",
                    str(seed), "--filter-size", "3", "--save", tmp_path, "--json",
                    tmp_path / "run.json"], check=True, capture_output=True)
    images, filters, results = (np.load(tmp_path / f"{name}.npy")
                                for name in ("images", "filters", "results"))
    made = make_images(fill, seed, *images.shape, dtype)
    assert made.dtype == images.dtype and made.tobytes() == images.tobytes()
    made = make_filters(fill, seed, len(filters), 3, dtype)
    assert made.dtype == filters.dtype and made.tobytes() == filters.tobytes()
    record = json.loads((tmp_path / "run.json").read_text())["records"][0]
    assert f"{digest_of(results):016x}" == record["digest"]
