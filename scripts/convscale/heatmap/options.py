# SPDX-License-Identifier: Apache-2.0
"""The command line of heatmap.py."""
from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from convscale.cli import Parser, UsageError, parse_count, parse_unique
from convscale.host import processors
from convscale.scaling.options import (DEFAULT_PROGRAM, MOST_ITERATIONS, MOST_WORKERS, one_of,
                                       parse_kernel)
from convscale.vocabulary import DTYPES, METHODS
from convscale.workload import MAX_FILTER_SIZE, parse_sizes

# Of what is measured; None stands for the cores.
_DEFAULTS: dict[str, Optional[str]] = {
    "filter_size": "1,2,3,4,5,7,9,11,15,31", "stride": "1,2,3,4,5,6,7", "full_stride": "1,5",
    "method": ",".join(METHODS), "dtype": ",".join(DTYPES), "kernel": "auto", "num_workers": None,
    "size": "1000", "mem": "33554432", "iterations": "10", "burns": "2", "program": None}


@dataclass(frozen=True)
class Request:
    """What is measured. Lists ascend."""

    filter_sizes: tuple[int, ...]
    strides: dict[str, tuple[int, ...]]  # of each method
    dtypes: tuple[str, ...]
    kernel: str
    num_workers: int
    size: tuple[int, int]  # height, width
    images: int
    iterations: int
    burns: int


@dataclass(frozen=True)
class Options:
    """The whole command line."""

    stem: str  # of the files that are written, without .json, .svg and .md
    source: Optional[Path]  # a results file to draw; else `request` is measured
    request: Optional[Request]
    program: Path


def parse_options(args: Sequence[str]) -> Options:
    """Raises UsageError."""
    given = _parser().parse_args(list(args))
    for option in ("out", "from", "program"):
        if getattr(given, option) == "":
            raise UsageError(f"--{option}: is empty; give a path")
    source: Optional[str] = getattr(given, "from")
    if source is None:
        if given.out is None:
            raise UsageError("--out is missing: say what the files shall be called, without .json, "
                             "such as docs/results/heatmap")
        return Options(_stem(given.out), None, _request(given),
                       Path(given.program or DEFAULT_PROGRAM))
    for name in _DEFAULTS:
        if getattr(given, name) is not None:
            option = "--num_workers" if name == "num_workers" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} beside --from: it draws what was measured; leave one of "
                             "them out")
    return Options(_stem(given.out or source), Path(source), None, DEFAULT_PROGRAM)


def _stem(path: str) -> str:
    if path.endswith("/") or Path(path).is_dir():
        raise UsageError(f"--out {path}: is a folder; say what the files in it shall be called, "
                         "without .json, such as heatmap")
    return path.removesuffix(".json")


def _parser() -> argparse.ArgumentParser:
    parser = Parser("heatmap.py", "Measures the fraction of the bound over filter size and stride "
                    "for both methods and types, and draws it: one results file, one plot, and "
                    "the same as tables. The program runs once for each filter size and stride.",
                    "scripts/heatmap.py --out docs/results/heatmap --num_workers 2 --iterations 30")
    add = parser.add_argument

    def measured(option: str, metavar: str, text: str, *more: str) -> None:
        default = _DEFAULTS[option.removeprefix("--").replace("-", "_")]
        add(option, *more, metavar=metavar, help=text + (f" ({default})" if default else ""))

    add("--out", metavar="STEM", help="writes STEM.json, STEM.svg and STEM.md; with --from, the "
        "last two (there: beside the file)")
    add("--from", metavar="FILE", help="measure nothing, draw the records of this results file")
    measured("--filter-size", "LIST", f"filters are K x K, 1 to {MAX_FILTER_SIZE}")
    measured("--stride", "LIST", "strides of method strided")
    measured("--full-stride", "LIST", "strides of method full, which computes all outputs "
             "whatever the stride; with 1 it also stores all of them")
    measured("--method", "LIST", "full, strided")
    measured("--dtype", "LIST", "element types")
    measured("--kernel", "NAME", "how it is computed; convscale --list shows the kernels")
    measured("--num_workers", "N", "threads (the cores that it may use)", "-w", "--num-workers")
    measured("--size", "SIDE|HxW", "of an image in pixels")
    measured("--mem", "PIXELS", "of all images together; suffixes k M G T, Ki Mi Gi Ti")
    measured("--iterations", "N", "measured iterations of each cell")
    measured("--burns", "N", "iterations before that, not measured")
    measured("--program", "FILE", "the built convscale (build/release/bin/convscale)")
    return parser


def _request(given: argparse.Namespace) -> Request:
    said = {name: default if getattr(given, name) is None else getattr(given, name)
            for name, default in _DEFAULTS.items()}
    methods = parse_unique("--method", said["method"], one_of(METHODS))
    strides = {"full": _numbers("--full-stride", said["full_stride"], 10**9),
               "strided": _numbers("--stride", said["stride"], 10**9)}
    for option, name in (("--size", "size"), ("--mem", "mem"), ("--kernel", "kernel")):
        if "," in said[name]:
            raise UsageError(f"{option} {said[name]}: is a list, and a heat map is of one; give "
                             "one")
    (images, height, width), = parse_sizes(said["size"], said["mem"])
    workers = said["num_workers"] or str(processors())
    return Request(
        filter_sizes=_numbers("--filter-size", said["filter_size"], MAX_FILTER_SIZE),
        strides={method: strides[method] for method in METHODS if method in methods},
        dtypes=parse_unique("--dtype", said["dtype"], one_of(DTYPES)),
        kernel=parse_kernel("--kernel", said["kernel"]),
        num_workers=parse_count("--num_workers", workers, 1, MOST_WORKERS),
        size=(height, width), images=images,
        iterations=parse_count("--iterations", said["iterations"], 1, MOST_ITERATIONS),
        burns=parse_count("--burns", said["burns"], 0, MOST_ITERATIONS))


def _numbers(option: str, text: str, most: int) -> tuple[int, ...]:
    """A list of numbers from 1 on."""
    return tuple(sorted(parse_unique(option, text,
                                     lambda name, one: parse_count(name, one, 1, most))))
