# SPDX-License-Identifier: Apache-2.0
"""gpu_report.py on folders that were cut off or spoiled: it makes its tables of what is left, and
says in one line what it cannot use."""
from __future__ import annotations

import ast
import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import gpu_report
import pytest
from gpu_report_reading import Folder
from gpu_report_records import vouch

ODD: list[Any] = [None, "", "x", "a|b\nc", "\ud800", -1, 0, 1.5, True, 10**400, 1e300, [], ["x", 3],
                  {}, {"x": 1}, [[]], float("nan"), float("inf")]
DEVICE = {"index": 0, "name": "made up", "memory_bytes": 85e9, "l2_bytes": 5e7,
          "multiprocessors": 132, "sm_clock_hz": 1.98e9, "power_limit_w": 700}
SIDE = {"kernel": "vector", "num_workers": 4, "fixed_s": 1e-5, "per_image_s": 1e-4, "points": []}
BREAK_EVEN = {"method": "full", "dtype": "float64", "height": 1000, "width": 1000, "images": 33,
              "cpu": SIDE, "cuda": SIDE, "images_from": 3, "passes": 2, "upload_s": 1e-3,
              "resident_s": 1e-4, "cpu_s": 1e-2, "images_reason": None, "passes_reason": None}
PROBE = {"name": "read", "variant": "4096 MiB", "amount": 4294967296.0, "unit": "byte",
         "seconds": 1.4e-3, "bytes_per_s": 3e12, "flops_per_s": None}


@pytest.fixture(scope="module")
def document(program: Path) -> dict[str, Any]:
    """A results file with one record of each kind that the report looks at."""
    done = subprocess.run([program, "--size", "8", "--mem", "64", "--kernel", "scalar", "--json",
                           "-"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    template = found["records"][0]
    records = []
    for backend, kernel, memory in (("cuda", "vector", "pinned"), ("cuda", "cudnn", "pinned"),
                                    ("cuda", "vector", "pageable"), ("pytorch", "conv2d", None),
                                    ("cpu", "avx512", None)):
        record = copy.deepcopy(template)
        record.update(backend=backend, kernel=kernel, host_memory=memory, method="strided",
                      scope="resident", height=1000, width=1000, images=33)
        record["phases"]["kernel_s"] = 1e-4
        record["bound"].update(copy_bytes_per_s=3e12, read_bytes_per_s=3.1e12, up_bytes_per_s=5e10)
        records.append(record)
    records[1]["path"] = "eng28_k2=4"
    records[2]["path"] = "all rows are sent"
    found.update(records=records, devices=[DEVICE, {"name": "as a peer says it"}],
                 break_even=[BREAK_EVEN], probe=[PROBE])
    return found


def folder_of(path: Path, spoiled: str) -> Path:
    """With one such file beside one that is whole."""
    (path / "runs").mkdir(parents=True)
    (path / "steps.tsv").write_text("ok\t3\tours\t\t2026/01/01 00:00:00\t2026/01/01 00:00:09\n")
    (path / "clocks.csv").write_text("timestamp, index\n"
                                     "2026/01/01 00:00:01.0, 0, 1980 MHz, 2619 MHz, 350.1 W, 45\n")
    (path / "runs" / "spoiled.json").write_bytes(spoiled.encode("utf-8", "surrogatepass"))
    return path


def both_reports(path: Path) -> str:
    folder = Folder(path)
    vouch(folder.records)
    text, short = gpu_report.report(folder), gpu_report.short_report(folder)
    assert len(short.encode("utf-8", "replace")) <= gpu_report.SHORT_BYTES
    for one in (text, short):
        assert "| ours | ok | 3 |" in one
        one.encode("utf-8", "replace")
    return text


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) \
        if isinstance(value, list) else ()
    for name, one in inner:
        yield from places(one, (*path, name))


def changed(document: dict[str, Any], path: tuple[Any, ...],
            change: Callable[[Any, Any], None]) -> Any:
    spoiled: Any = copy.deepcopy({"root": document})
    target = spoiled
    for name in ("root", *path)[:-1]:
        target = target[name]
    change(target, ("root", *path)[-1])
    return spoiled.get("root")


def test_what_is_whole_has_nothing_unreadable(document: dict[str, Any], tmp_path: Path) -> None:
    text = both_reports(folder_of(tmp_path / "x", json.dumps(document)))
    assert "unreadable" not in text
    for title in ("## The best of our kernels", "## Libraries and other programs",
                  "## Pinned against", "## When the GPU pays", "## Reads, copies", "## Clocks",
                  "## All rows of 33"):
        assert title in text
    # The way that a kernel took stands in every table of rows; who knows a name alone adds none.
    assert text.count("| cudnn (eng28_k2=4) |") == 2
    assert "| vector (all rows are sent) | 4 | pageable |" in text
    # Of three rows on the card one is pageable, which tells of nothing but the link.
    for row in ("copy on the device |  | float64 | 3 | 3000.00 | 3000.00 | GB/s",
                "read bandwidth |  | float64 | 3 | 3100.00 | 3100.00 | GB/s",
                "link, up | pinned | float64 | 2 | 50.00 | 50.00 | GB/s",
                "link, up | pageable | float64 | 1 | 50.00 | 50.00 | GB/s"):
        assert f"| {row} |" in text
    assert "* Device 0: made up, " in text and "* Device None" not in text


def test_any_value_may_be_odd(document: dict[str, Any], tmp_path: Path) -> None:
    """Or missing; the other records are in the tables all the same."""
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    every = [path for path in places(document) if path[:1] != ("host",) and "times_s" not in path]
    tried = 0
    for number, path in enumerate(every):
        for odd in dice.sample(ODD, 1):
            spoiled = changed(document, path, lambda target, name: target.__setitem__(name, odd))
            text = both_reports(folder_of(tmp_path / f"{number}-{tried}", json.dumps(spoiled)))
            tried += 1
            if path[:1] == ("records",) and len(path) > 1 and path[1] != 0:
                assert "| cuda | vector | 4 | pinned |" in text, (seed, path, odd)
        if path and isinstance(path[-1], str):
            spoiled = changed(document, path, lambda target, name: target.pop(name))
            both_reports(folder_of(tmp_path / f"{number}-none", json.dumps(spoiled)))
    assert tried > 150


def test_one_odd_record_is_said_and_costs_no_other(document: dict[str, Any],
                                                   tmp_path: Path) -> None:
    spoiled = changed(document, ("records", 1, "median_s"), lambda t, n: t.__setitem__(n, "fast"))
    text = both_reports(folder_of(tmp_path / "x", json.dumps(spoiled)))
    assert "* unreadable: spoiled.json: records[1]: has no proper median_s; left out\n" in text
    assert text.count("| strided | resident | float64 |") == 6  # best, one other, four rows

    spoiled = changed(document, ("records", 0, "cv"), lambda t, n: t.__setitem__(n, []))
    text = both_reports(folder_of(tmp_path / "y", json.dumps(spoiled)))
    assert "* unreadable: spoiled.json: records[0]: has no proper cv\n" in text
    assert "| cuda | vector | 4 | pinned |" in text


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_file_may_be_cut(document: dict[str, Any], tmp_path: Path, part: float) -> None:
    whole = json.dumps(document)
    path = folder_of(tmp_path / "x", whole[:int(part * len(whole))])
    (path / "runs" / "whole.json").write_text(whole)
    text = both_reports(path)
    assert text.count("* unreadable: spoiled.json: ") == 1
    assert "| cuda | vector | 4 | pinned |" in text


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{}", "[" * 100000, "\x00\x01",
                                  '{"schema_version": "2"}',
                                  '{"schema_version": "1", "records": 3}',
                                  '{"schema_version": "1", "probe": {"name": "x"}}'])
def test_a_file_may_be_something_else(tmp_path: Path, text: str) -> None:
    assert both_reports(folder_of(tmp_path / "x", text)).count("* unreadable: spoiled.json: ") == 1


def test_files_that_are_no_text_and_no_files(document: dict[str, Any], tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", json.dumps(document))
    noise = bytes(range(256)) * 20
    (path / "runs" / "noise.json").write_bytes(noise)
    (path / "runs" / "folder.json").mkdir()
    (path / "runs" / "loop.json").symlink_to("loop.json")
    (path / "runs" / "tests.txt").write_bytes(b"[  FAILED  ] A.b\xff (1 ms)\n" + noise)
    (path / "runs" / "ncu-x.txt").write_bytes(b"    Duration    us  77.5\n" + noise)
    (path / "machine.txt").write_bytes(noise)
    (path / "clocks.csv").write_bytes(b"2026/01/01 00:00:01, 0, [N/A], x, , \xff\n" + noise)
    with (path / "steps.tsv").open("ab") as steps:
        steps.write(b"ok\n\n\t\t\nfailed\tx\ttests\t\xff\t\n" + b"a\tb\tc\td\te\tf\tg\th\n")
    text = both_reports(path)
    for name in ("noise", "folder", "loop"):
        assert text.count(f"* unreadable: {name}.json: ") == 1
    done = subprocess.run([sys.executable, "-B", gpu_report.__file__, path], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("arguments, says", [
    (["."], "no report in .: it has neither runs/ nor steps.tsv; give the folder that "
     "gpu_report.sh wrote"), (["no\nne"], "no ne: is no folder"),
    (["--ful\nl", "."], "unrecognized arguments: --ful l"),
    ([], "the following arguments are required: DIR"),
    (["--full"], "argument --full: expected one argument")])
def test_a_bad_option_or_folder_is_one_line(tmp_path: Path, arguments: list[str],
                                            says: str) -> None:
    done = subprocess.run([sys.executable, "-B", gpu_report.__file__, *arguments],
                          capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gpu_report.py: {says}\n")


@pytest.mark.parametrize("file", sorted(Path(gpu_report.__file__).parent.glob("gpu_report*.py")),
                         ids=lambda file: file.name)
def test_python_3_6_reads_it(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__"
                   for node in ast.walk(tree))  # `annotations` came with 3.7
