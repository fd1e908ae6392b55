# SPDX-License-Identifier: Apache-2.0
"""The baseline's command line: the program's options as far as a pool of SciPy workers has them."""
from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from convscale.cli import Parser, UsageError, parse_choices, parse_count, parse_list, parse_seconds
from convscale.generator import FILLS
from convscale.pools import Job
from convscale.vocabulary import BASELINE_KERNELS, DTYPES, MOST_ROWS
from convscale.workload import (MAX_FILTER_SIZE, Source, check_filters, open_stack, parse_sizes,
                                read_stack)

_DEFAULTS = {"size": "1000", "mem": "33554432", "fill": "random", "filter_size": "4"}


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    configurations: list[tuple[Source, Job]]  # one a record, in its order
    dragon: Optional[str]  # where Dragon is; None to look for it
    iteration_lines: bool
    json: Optional[str]  # a file, or "-"
    save: Optional[Path]
    beside: Optional[Path]
    dry_run: bool


def _parser() -> Parser:
    parser = Parser(
        "baseline.py", "Times the original's way on this machine: a pool of Python processes maps "
        "scipy.signal.convolve2d(image, filter)[::5, ::5] over the program's own images. --kernel, "
        "--dtype, --num_workers, --size and --mem take lists: a record for each combination.",
        "scripts/baseline.py --num_workers 1,2 --kernel scipy-serial,scipy-spawn --json run.json")
    add = parser.add_argument
    add("--kernel", metavar="NAME", help=f"how workers are started: {', '.join(BASELINE_KERNELS)} "
        "(default: scipy-spawn, as the original; scipy-serial is one loop without a pool)")
    add("-w", "--num_workers", "--num-workers", default="4", metavar="N",
        help="worker processes (default: 4)")
    add("--iterations", default="10", metavar="N", help="measured iterations (default: 10)")
    add("--burns", default="2", metavar="N",
        help="iterations before that, not measured (default: 2)")
    add("--work_time", "--work-time", default="0", metavar="SECONDS",
        help="repeat each image's convolution for so long, then do it once more (default: 0)")
    add("--size", metavar="SIDE|HxW", help="image size in pixels (default: 1000)")
    add("--mem", metavar="PIXELS", help="pixels of all images together; suffixes k M G T, Ki Mi "
        "Gi Ti (default: 33554432)")
    add("--filter-size", metavar="K", help="filters are K x K, 1 to 31 (default: 4)")
    add("--stride", default="5", metavar="S",
        help="every S-th row and column of the result is kept (default: 5)")
    add("--dtype", metavar="float64|float32",
        help="element type (default: float64; with --images the file's own if that is a float)")
    add("--fill", choices=FILLS, help="what images and filters hold (default: random)")
    add("--seed", default="0", metavar="N", help="of the generator (default: 0)")
    add("--images", metavar="FILE.npy",
        help="read images (N, H, W) or (H, W) instead of generating them")
    add("--filters", metavar="FILE.npy", help="read N filters (N, K, K), or one for all")
    add("--save", metavar="DIR",
        help="write images.npy, filters.npy and results.npy there")
    add("--dragon", nargs="?", const="", metavar="PATH", help="kernel scipy-dragon, unless "
        "--kernel says otherwise; PATH is Dragon's launcher or its virtual environment (default: "
        "CONVSCALE_DRAGON, or what is found)")
    add("--iteration-lines", action="store_true",
        help="print the time of each iteration, burns first, as the original's newest version")
    add("--json", metavar="FILE", help="write the records as convscale does; - is standard output")
    add("--beside", metavar="FILE.json",
        help="print a table of that results file's records, then these")
    add("--dry-run", action="store_true", help="check the options and the memory, measure nothing")
    add("--yes", action="store_true", help=f"do run lists that make more than {MOST_ROWS} rows")
    return parser


def _reject_beside(option: str, args: argparse.Namespace, names: Sequence[str]) -> None:
    for name in names:
        if getattr(args, name) is not None:
            other = f"--{name.replace('_', '-')}"
            raise UsageError(f"{other} beside {option}: it is read from the file; leave {other} "
                             "out")


def _sizes(args: argparse.Namespace) -> list[tuple[int, int, int]]:
    """(images, height, width) for each combination of --size and --mem, or the file's."""
    if args.images is not None:
        _reject_beside("--images", args, ("size", "mem", "fill"))
        count, height, width = open_stack("--images", args.images).shape
        return [(count, height, width)]
    return parse_sizes(args.size or _DEFAULTS["size"], args.mem or _DEFAULTS["mem"])


def _filter_size(args: argparse.Namespace, images: Sequence[int]) -> int:
    if args.filters is None:
        return parse_count("--filter-size", args.filter_size or _DEFAULTS["filter_size"], 1,
                      MAX_FILTER_SIZE)
    _reject_beside("--filters", args, ("filter_size",))
    stack = read_stack("--filters", args.filters)
    for count in images:
        check_filters(args.filters, stack, count)
    return len(stack[0])


def _dtypes(args: argparse.Namespace) -> list[str]:
    if args.dtype is not None:
        return parse_choices("--dtype", args.dtype, DTYPES)
    if args.images is None:
        return ["float64"]
    own = str(open_stack("--images", args.images).dtype.name)
    return [own if own in DTYPES else "float64"]


def _jobs(args: argparse.Namespace) -> list[Job]:
    default = "scipy-spawn" if args.dragon is None else "scipy-dragon"
    kernels = parse_choices("--kernel", default if args.kernel is None else args.kernel,
                            BASELINE_KERNELS)
    workers = [parse_count("--num_workers", text, 1)
               for text in parse_list("--num_workers", args.num_workers)]
    iterations = parse_count("--iterations", args.iterations, 1)
    burns = parse_count("--burns", args.burns, 0)
    work_time = parse_seconds("--work_time", args.work_time)
    jobs = []
    for kernel in kernels:
        # Without a pool there is one worker, whatever the others have.
        for count in [1] if kernel == "scipy-serial" else workers:
            jobs.append(Job(kernel, count, iterations, burns, work_time))
    return jobs


def _path(text: Optional[str]) -> Optional[Path]:
    return None if text is None else Path(text)


def parse_options(arguments: Sequence[str]) -> Options:
    """Raises UsageError for what is not right."""
    args = _parser().parse_args(arguments)
    for option in ("json", "save", "beside"):
        if getattr(args, option) == "":
            raise UsageError(f"--{option}: the name is empty")
    jobs, dtypes, sizes = _jobs(args), _dtypes(args), _sizes(args)
    filter_size = _filter_size(args, [images for images, _, _ in sizes])
    stride = parse_count("--stride", args.stride, 1, 10**9)
    seed = parse_count("--seed", args.seed, 0, 2**64 - 1)
    fill = args.fill or _DEFAULTS["fill"]
    configurations = []
    for kernel in dict.fromkeys(job.kernel for job in jobs):
        of_kernel = [job for job in jobs if job.kernel == kernel]
        for dtype, job, (images, height, width) in itertools.product(dtypes, of_kernel, sizes):
            configurations.append((Source(images, height, width, filter_size, stride, dtype, fill,
                                          seed, args.images, args.filters), job))
    if len(configurations) > MOST_ROWS and not args.yes:
        raise UsageError(f"the lists make {len(configurations)} rows; --yes runs them all")
    if len(configurations) > 1 and args.save is not None:
        raise UsageError("--save beside a list: it is of one configuration; leave one of them out")
    return Options(configurations, args.dragon or None, args.iteration_lines, args.json,
                   _path(args.save), _path(args.beside), args.dry_run)
