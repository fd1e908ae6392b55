# SPDX-License-Identifier: Apache-2.0
"""The command line of gpu_peers.py: the program's options as far as peers have them."""
from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from typing import Optional, Sequence

from convscale.cli import Parser, UsageError, parse_choices, parse_count, parse_seconds
from convscale.generator import FILLS
from convscale.peers.measure import Request
from convscale.peers.rows import Row
from convscale.vocabulary import DTYPES, METHODS, MOST_ROWS
from convscale.workload import MAX_FILTER_SIZE, Source, parse_sizes

_SIZE, _MEM = "1000", "33554432"
_USUAL = ((_SIZE, _MEM), ("256", "536870912"))  # 33 x 1000^2 and 8192 x 256^2


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    sources: list[Source]
    rows: list[Row]  # of each peer; `shared` is a place in `sources`
    peers: list[str]
    limit_s: float
    device: int
    json: Optional[str]  # a file, or "-"
    list: bool


def _parser(peers: Sequence[str]) -> Parser:
    parser = Parser(
        "gpu_peers.py", "Runs the program's convolutions with the libraries that people use on a "
        "GPU from Python, verifies and times them. Each has a process of its own; one that is not "
        "here is skipped. --size, --mem, --dtype and --method take lists: a row for each "
        "combination.", "scripts/gpu_peers.py --dtype float64,float32 --json peers.json")
    add = parser.add_argument
    add("--peers", default=",".join(peers), metavar="LIST",
        help=f"which libraries, in this order: {', '.join(peers)} (default: all)")
    add("--size", metavar="SIDE|HxW", help="image size in pixels (default: with neither --size "
        "nor --mem two workloads, 33 images of 1000x1000 and 8192 of 256x256; else 1000)")
    add("--mem", metavar="PIXELS", help="pixels of all images together; suffixes k M G T, Ki Mi "
        "Gi Ti (default: 33554432)")
    add("--filter-size", default="4", metavar="K", help="filters are K x K, 1 to 31 (default: 4)")
    add("--stride", default="5", metavar="S",
        help="every S-th row and column of the result is kept (default: 5)")
    add("--method", default=",".join(METHODS), metavar="full|strided",
        help="full computes all outputs, strided those that are kept (default: both)")
    add("--dtype", default="float64", metavar="float64|float32", help="default: float64")
    add("--fill", choices=FILLS, default="random",
        help="what images and filters hold (default: random)")
    add("--seed", default="0", metavar="N", help="of the generator (default: 0)")
    add("--iterations", default="10", metavar="N", help="measured iterations (default: 10)")
    add("--burns", default="2", metavar="N",
        help="iterations before that, not measured (default: 2)")
    add("--limit", default="40", metavar="SECONDS", help="what each peer may take for all its "
        "rows, the making of the data apart (default: 40)")
    add("--device", default="0", metavar="N", help="which GPU (default: 0)")
    add("--json", metavar="FILE", help="write the records as convscale does; - is standard output")
    add("--list", action="store_true", help="say which peers can be used here, and why not")
    add("--yes", action="store_true", help=f"run lists that make more than {MOST_ROWS} rows")
    return parser


def _sizes(args: argparse.Namespace) -> list[tuple[int, int, int]]:
    if args.size is None and args.mem is None:
        return [size for one in _USUAL for size in parse_sizes(*one)]
    return parse_sizes(_SIZE if args.size is None else args.size,
                       _MEM if args.mem is None else args.mem)


def parse_options(arguments: Sequence[str], peers: Sequence[str]) -> Options:
    """Raises UsageError for what is not right. `peers` are the names that there are."""
    args = _parser(peers).parse_args(arguments)
    if args.json == "":
        raise UsageError("--json: the name is empty")
    limit_s = parse_seconds("--limit", args.limit)
    if limit_s <= 0:
        raise UsageError(f"--limit {args.limit}: expected more than 0 seconds, such as 40")
    chosen = list(dict.fromkeys(parse_choices("--peers", args.peers, peers)))
    methods = parse_choices("--method", args.method, METHODS)
    filter_size = parse_count("--filter-size", args.filter_size, 1, MAX_FILTER_SIZE)
    stride = parse_count("--stride", args.stride, 1, 10**9)
    seed = parse_count("--seed", args.seed, 0, 2**64 - 1)
    is_asked = args.size is not None or args.mem is not None
    requests = [Request(method, parse_count("--iterations", args.iterations, 1),
                        parse_count("--burns", args.burns, 0), is_asked) for method in methods]
    sources = [Source(images, height, width, filter_size, stride, dtype, args.fill, seed)
               for (images, height, width), dtype in itertools.product(
                   _sizes(args), parse_choices("--dtype", args.dtype, DTYPES))]
    rows = [Row(place, request) for place in range(len(sources)) for request in requests]
    if len(rows) * len(chosen) > MOST_ROWS and not args.yes:
        raise UsageError(f"the lists make {len(rows) * len(chosen)} rows; --yes runs them all")
    return Options(sources, rows, chosen, limit_s,
                   parse_count("--device", args.device, 0, 10**3), args.json, args.list)
