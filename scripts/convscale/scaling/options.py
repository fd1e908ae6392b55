# SPDX-License-Identifier: Apache-2.0
"""The command line of scaling.py: from text to a Request, which is all that a plan depends on."""
from __future__ import annotations

import argparse
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, TypeVar

from convscale.cli import (Parser, UsageError, parse_choice, parse_count, parse_list,
                           parse_percent, parse_pixels, parse_seconds, parse_size,
                           parse_unique)
from convscale.scaling.placement import (Placement, add_options, check_nodes, parse_placement,
                                         workers_of_node)
from convscale.vocabulary import (BACKENDS, BASELINE_KERNELS, DISTRIBUTIONS, DTYPES, METHODS,
                                  MOST_ROWS, SCOPES)

T = TypeVar("T")

MODES = ("strong", "weak", "throughput")
DEFAULT_SIZES = ("64", "128", "256", "512", "1000", "2000")
DEFAULT_PROGRAM = Path(__file__).resolve().parents[3] / "build/release/bin/convscale"

# What the program takes at most.
MOST_WORKERS, MOST_ITERATIONS, _MOST_SECONDS, MOST_PIXELS = 65536, 10**6, 1e9, 2**48

_OPTIONS = {"modes": "--mode", "num_workers": "--num_workers", "backends": "--backend",
            "kernels": "--kernel", "methods": "--method", "scopes": "--scope",
            "dtypes": "--dtype"}  # of fields that are not named like their options
_OF_NODES: dict[str, Any] = {"nodes": (), "workers_per_node": None, "ranks_per_node": 1,
                             "distribute": ()}  # what they are where nodes are not swept


@dataclass(frozen=True)
class Request:
    """What was asked for. Two equal requests have the same plan on any machine."""

    modes: tuple[str, ...]
    num_workers: tuple[int, ...]  # ascending; over nodes: all workers of each number of nodes
    size: tuple[int, int]  # of strong and weak scaling: height, width
    sizes: tuple[tuple[int, int], ...]  # of throughput
    mem: int  # pixels of all images together
    mem_per_worker: Optional[int]  # of weak scaling; None: mem shared among the most workers
    backends: tuple[str, ...]
    kernels: tuple[str, ...]
    methods: tuple[str, ...]
    scopes: tuple[str, ...]
    dtypes: tuple[str, ...]
    iterations: int
    burns: int
    min_time: Optional[str]
    max_noise: Optional[str]
    timeout: Optional[str]
    interleave: bool
    baseline: tuple[str, ...]  # kernels of scripts/baseline.py; empty: none
    nodes: tuple[int, ...] = ()  # ascending; empty: workers of one process are swept
    workers_per_node: Optional[int] = None
    ranks_per_node: int = 1
    distribute: tuple[str, ...] = ()  # of more than one rank

    def nodes_of(self, num_workers: int) -> int:
        """Of a step with so many workers; 0 where nodes are not swept."""
        return num_workers // self.workers_per_node if self.workers_per_node else 0

    def ranks_of(self, num_workers: int) -> int:
        return max(1, self.nodes_of(num_workers) * self.ranks_per_node)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: Any) -> Request:
        """Raises ValueError, KeyError or TypeError where `raw` is no request that options make."""
        raw = {**_OF_NODES, **raw}  # sweeps of earlier versions had no nodes
        values = {field.name: _tuples(raw[field.name]) for field in fields(Request)}
        if set(raw) != set(values):
            raise ValueError("fields of another version")
        try:
            given = _parser().parse_args(["--out=-", *_arguments(values)])
            request = _request(given, None)
        except UsageError as error:
            raise ValueError(str(error)) from error
        if request.to_json() != values:
            raise ValueError("values that no options make")
        return request


@dataclass(frozen=True)
class Options:
    """The whole command line."""

    out: Path
    program: Path
    request: Request
    placement: Placement
    given: Mapping[str, Any]  # of the request's fields, with --report-only: those that options say
    yes: bool  # steps may have many rows
    fresh: bool
    report_only: bool
    dry_run: bool


def option_of(field: str) -> str:
    """The option of a request's field."""
    return _OPTIONS.get(field, "--" + field.replace("_", "-"))


def value_text(field: str, value: Any) -> str:
    """A field's value as its option has it."""
    if field == "size" and isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, tuple):
        return ",".join(value_text("size", one) for one in value)
    return str(value)


def _arguments(values: dict[str, Any]) -> list[str]:
    """The options that make these fields."""
    derived = ("num_workers",) if values["nodes"] else tuple(_OF_NODES)
    given = [f"{option_of(field)}={value_text(field, value)}" for field, value in values.items()
             if field != "interleave" and value is not None and field not in derived
             and (field, value) not in (("baseline", ()), ("distribute", ()))]
    return given + (["--interleave"] if values["interleave"] is True else [])


def _tuples(value: Any) -> Any:
    return tuple(_tuples(element) for element in value) if isinstance(value, list) else value


def default_workers(cores: int) -> list[int]:
    """Powers of two up to the cores, and the cores."""
    powers = [2**i for i in range(cores.bit_length()) if 2**i <= cores]
    return sorted({*powers, cores})


def parse_options(args: Sequence[str]) -> Options:
    """Raises UsageError."""
    given = _parser().parse_args(list(args))
    for option, path in (("--out", given.out), ("--program", given.program)):
        if path == "":
            raise UsageError(f"{option}: is empty; give a path")
    if given.report_only:
        return _report_only(given)
    placement = parse_placement(given)
    per_node = None
    if given.nodes is not None and given.workers_per_node is None:
        per_node = workers_of_node(placement)
    request = _request(given, per_node)
    if request.nodes:
        check_nodes(placement, request.nodes, request.ranks_per_node)
    return Options(out=Path(given.out), program=Path(given.program or DEFAULT_PROGRAM),
                   request=request, placement=placement, given={}, yes=given.yes,
                   fresh=given.fresh, report_only=False, dry_run=given.dry_run)


def _report_only(given: argparse.Namespace) -> Options:
    """The options of the sweep that is reported may stand beside it."""
    for option, is_given in (("--fresh", given.fresh), ("--dry-run", given.dry_run)):
        if is_given:
            raise UsageError(f"{option} beside --report-only: it reports what was measured; leave "
                             "one of them out")
    request = _request(given, 1)  # how many workers a node has does not matter unless it is said
    said = {field.name: getattr(request, field.name) for field in fields(Request)
            if getattr(given, option_of(field.name)[2:].replace("-", "_")) not in (None, False)}
    return Options(out=Path(given.out), program=DEFAULT_PROGRAM, request=request,
                   placement=Placement(), given=said, yes=True, fresh=False, report_only=True,
                   dry_run=False)


def _parser() -> argparse.ArgumentParser:
    parser = Parser("scaling.py", "Measures strong scaling (fixed work, more workers), weak "
                    "scaling (fixed work for each worker) and throughput against the size of the "
                    "images, and writes one folder: results.json, report.md, index.html and "
                    "plots. Started again with the same options, it resumes.",
                    "scaling.py --out sweep --num_workers 1,2,4 --baseline scipy-spawn")
    add = parser.add_argument
    add("--out", metavar="DIR", required=True, help="folder of the sweep")
    add("--program", metavar="PATH", help="the built convscale (build/release/bin/convscale)")
    add("--mode", metavar="LIST", help="of strong,weak,throughput (all three)")
    add("--num_workers", "--num-workers", "-w", metavar="LIST", help="workers (powers of two up to "
        "the cores of the affinity mask, and that number); throughput takes the most")
    add("--nodes", metavar="LIST", help="sweep nodes with all their workers, such as 1,2,4, "
        "instead of workers")
    add("--workers-per-node", metavar="N", help="workers of each node (all its cores)")
    add("--ranks-per-node", metavar="N", help="processes of each node: one, or one a socket or "
        "GPU (1)")
    add("--distribute", metavar="LIST", help="of scatter,local, over several ranks (scatter)")
    add_options(add)
    add("--size", metavar="SIZE", help="image of strong and weak scaling, SIDE or HxW (1000)")
    add("--sizes", metavar="LIST", help=f"images of throughput ({','.join(DEFAULT_SIZES)})")
    add("--mem", metavar="PIXELS", help="pixels of all images together (33554432)")
    add("--mem-per-worker", metavar="PIXELS", help="pixels of a worker's images in weak scaling "
        "(--mem shared among the most workers, in whole images)")
    add("--backend", metavar="LIST", help="of cpu,cuda (cpu)")
    add("--kernel", metavar="LIST", help="kernels of the program (auto)")
    add("--method", metavar="LIST", help="of full,strided (both)")
    add("--scope", metavar="LIST", help="of end-to-end,resident (end-to-end)")
    add("--dtype", metavar="LIST", help="of float64,float32 (float64)")
    add("--iterations", metavar="N", help="measured iterations (10)")
    add("--burns", metavar="N", help="iterations before those (2)")
    add("--min-time", metavar="S", help="measure each configuration for at least so many seconds")
    add("--max-noise", metavar="P", help="and until its median is known to so many percent")
    add("--timeout", metavar="S", help="but at most so many seconds")
    add("--interleave", action="store_true",
        help="one iteration of each configuration of a step in turn")
    add("--baseline", metavar="KERNELS", help=f"of {','.join(BASELINE_KERNELS)} (none)")
    add("--yes", action="store_true",
        help=f"do measure what makes more than {MOST_ROWS} rows in a step")
    add("--fresh", action="store_true", help="delete the sweep that is in the folder, and start")
    add("--report-only", action="store_true", help="measure nothing; report what is there, "
        "also while it is measured")
    add("--dry-run", action="store_true", help="print the commands and do nothing")
    return parser


def _request(given: argparse.Namespace, workers_per_node: Optional[int]) -> Request:
    """`workers_per_node`: of nodes, where the options do not say it."""
    _check_nodes(given)
    swept = dict(_OF_NODES) if given.nodes is None else _swept_nodes(given, workers_per_node)
    counts = [count * swept["workers_per_node"] for count in swept["nodes"]] or \
        default_workers(len(os.sched_getaffinity(0)))
    values = _values
    request = Request(
        modes=values("--mode", given.mode, ",".join(MODES), one_of(MODES)),
        num_workers=tuple(sorted(values("--num_workers", given.num_workers,
                                        ",".join(map(str, counts)), _workers))),
        size=parse_size("--size", _given(given.size, "1000")),
        sizes=tuple(sorted(values("--sizes", given.sizes, ",".join(DEFAULT_SIZES), parse_size),
                           key=lambda size: (size[0] * size[1], size))),
        mem=parse_pixels("--mem", _given(given.mem, "33554432")),
        mem_per_worker=None if given.mem_per_worker is None
        else parse_pixels("--mem-per-worker", given.mem_per_worker),
        backends=values("--backend", given.backend, "cpu", one_of(BACKENDS)),
        kernels=values("--kernel", given.kernel, "auto", parse_kernel),
        methods=values("--method", given.method, ",".join(METHODS), one_of(METHODS)),
        scopes=values("--scope", given.scope, "end-to-end", one_of(SCOPES)),
        dtypes=values("--dtype", given.dtype, "float64", one_of(DTYPES)),
        iterations=parse_count("--iterations", _given(given.iterations, "10"), 1, MOST_ITERATIONS),
        burns=parse_count("--burns", _given(given.burns, "2"), 0, MOST_ITERATIONS),
        min_time=_seconds("--min-time", given.min_time),
        max_noise=_percent("--max-noise", given.max_noise),
        timeout=_seconds("--timeout", given.timeout),
        interleave=given.interleave,
        baseline=() if given.baseline is None
        else values("--baseline", given.baseline, "", one_of(BASELINE_KERNELS)), **swept)
    _check(request)
    return request


def _swept_nodes(given: argparse.Namespace, workers_per_node: Optional[int]) -> dict[str, Any]:
    per_node = workers_per_node if given.workers_per_node is None else parse_count(
        "--workers-per-node", given.workers_per_node, 1, MOST_WORKERS)
    if per_node is None:
        raise UsageError("--nodes without --workers-per-node: give both")
    nodes = tuple(sorted(_values("--nodes", given.nodes, "", _workers)))
    ranks = parse_count("--ranks-per-node", _given(given.ranks_per_node, "1"), 1, 1024)
    for count, what in ((nodes[-1] * per_node, "workers"), (nodes[-1] * ranks, "ranks")):
        if count > MOST_WORKERS:
            raise UsageError(f"--nodes {nodes[-1]}: makes {count} {what}, and at most "
                             f"{MOST_WORKERS} can be; fewer nodes would do")
    alone = nodes[-1] * ranks == 1 and given.distribute is None
    distribute = () if alone else _values("--distribute", given.distribute, "scatter",
                                          one_of(DISTRIBUTIONS))
    return {"nodes": nodes, "workers_per_node": per_node, "ranks_per_node": ranks,
            "distribute": distribute}


def _values(option: str, text: Optional[str], default: str,
            parse: Callable[[str, str], T]) -> tuple[T, ...]:
    """The elements of a list, in its order."""
    return parse_unique(option, _given(text, default), parse)


def _given(text: Optional[str], default: str) -> str:
    return default if text is None else text


def _check_nodes(given: argparse.Namespace) -> None:
    for name in ("workers_per_node", "ranks_per_node", "distribute"):
        if given.nodes is None and getattr(given, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} without --nodes: it is of a sweep over "
                             "nodes; give --nodes, such as --nodes 1,2,4")
    if given.nodes is not None and given.num_workers is not None:
        raise UsageError("--num_workers beside --nodes: nodes take all their workers; say how many "
                         "with --workers-per-node")
    if given.nodes is not None and given.baseline is not None:
        raise UsageError("--baseline beside --nodes: the baseline runs on one node; sweep it "
                         "without --nodes")


def _check(request: Request) -> None:
    """What would fail in every step is better said before the first."""
    weak_or_strong = any(mode in request.modes for mode in ("strong", "weak"))
    sizes = (request.sizes if "throughput" in request.modes else ()) + (
        (request.size,) if weak_or_strong else ())
    for height, width in sizes:
        if height * width > request.mem:
            raise UsageError(f"--mem {request.mem} holds no image of {height}x{width}; --mem "
                             f"{height * width} holds one")
    height, width = request.size
    per_worker = request.mem_per_worker
    if "weak" in request.modes and per_worker is not None and height * width > per_worker:
        raise UsageError(f"--mem-per-worker {per_worker} holds no image of {height}x{width}; "
                         f"--mem-per-worker {height * width} holds one")
    if request.baseline and "full" not in request.methods:
        raise UsageError("--baseline beside --method strided: the baseline computes the full "
                         "convolution; --method full,strided would do")


def one_of(names: tuple[str, ...]) -> Callable[[str, str], str]:
    return lambda option, text: parse_choice(option, text, names)


def _workers(option: str, text: str) -> int:
    return parse_count(option, text, 1, MOST_WORKERS)


def parse_kernel(option: str, text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_-]*", text):
        raise UsageError(f"{option} {text}: expected the name of a kernel; convscale --list shows "
                         "them")
    return text


def _seconds(option: str, text: Optional[str]) -> Optional[str]:
    if text is not None and parse_seconds(option, text) > _MOST_SECONDS:
        raise UsageError(f"{option} {text}: expected at most {_MOST_SECONDS:.0f} seconds")
    return text


def _percent(option: str, text: Optional[str]) -> Optional[str]:
    """As the program takes it, which has no gap before the sign."""
    if text is None:
        return None
    if not 0 < parse_percent(option, text) <= 1:
        raise UsageError(f"{option} {text}: expected over 0 % and up to 100 %, such as 1%")
    return text.replace(" ", "")
