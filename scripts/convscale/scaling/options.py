# SPDX-License-Identifier: Apache-2.0
"""The command line of scaling.py: from text to a Request, which is all that a plan depends on."""
from __future__ import annotations

import argparse
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Callable, Optional, Sequence, TypeVar

from convscale.cli import (Parser, UsageError, parse_choice, parse_count, parse_list,
                           parse_percent, parse_pixels, parse_seconds, parse_size)
from convscale.vocabulary import BACKENDS, BASELINE_KERNELS, DTYPES, METHODS, MOST_ROWS, SCOPES

T = TypeVar("T")

MODES = ("strong", "weak", "throughput")
DEFAULT_SIZES = ("64", "128", "256", "512", "1000", "2000")
DEFAULT_PROGRAM = Path(__file__).resolve().parents[3] / "build/release/bin/convscale"

# What the program takes at most.
_MOST_WORKERS, _MOST_ITERATIONS, _MOST_SECONDS, MOST_PIXELS = 65536, 10**6, 1e9, 2**48

_OPTIONS = {"modes": "--mode", "num_workers": "--num_workers", "backends": "--backend",
            "kernels": "--kernel", "methods": "--method", "scopes": "--scope",
            "dtypes": "--dtype"}  # of fields that are not named like their options


@dataclass(frozen=True)
class Request:
    """What was asked for. Two equal requests have the same plan on any machine."""

    modes: tuple[str, ...]
    num_workers: tuple[int, ...]  # ascending
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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(raw: Any) -> Request:
        """Raises ValueError, KeyError or TypeError where `raw` is no request that options make."""
        values = {field.name: _tuples(raw[field.name]) for field in fields(Request)}
        if set(raw) != set(values):
            raise ValueError("fields of another version")
        try:
            request = _request(_parser().parse_args(["--out=-", *_arguments(values)]))
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
    given = [f"{option_of(field)}={value_text(field, value)}" for field, value in values.items()
             if field != "interleave" and value is not None and (field, value) != ("baseline", ())]
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
        _only_for_measuring(given)
    return Options(out=Path(given.out), program=Path(given.program or DEFAULT_PROGRAM),
                   request=_request(given), yes=given.yes, fresh=given.fresh,
                   report_only=given.report_only, dry_run=given.dry_run)


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
    add("--report-only", action="store_true", help="measure nothing; report what is there")
    add("--dry-run", action="store_true", help="print the commands and do nothing")
    return parser


def _only_for_measuring(given: argparse.Namespace) -> None:
    for name, value in vars(given).items():
        if value not in (None, False) and name not in ("out", "program", "report_only"):
            option = "--" + (name if name == "num_workers" else name.replace("_", "-"))
            raise UsageError(f"{option} beside --report-only: it reports what was measured; leave "
                             "one of them out")


def _request(given: argparse.Namespace) -> Request:
    def values(option: str, text: Optional[str], default: str,
               parse: Callable[[str, str], T]) -> tuple[T, ...]:
        parsed = [parse(option, element)
                  for element in parse_list(option, _given(text, default))]
        unique = tuple(dict.fromkeys(parsed))
        if len(unique) != len(parsed):
            raise UsageError(f"{option} {text}: has an element twice; leave one out")
        return unique

    cores = ",".join(map(str, default_workers(len(os.sched_getaffinity(0)))))
    request = Request(
        modes=values("--mode", given.mode, ",".join(MODES), _one_of(MODES)),
        num_workers=tuple(sorted(values("--num_workers", given.num_workers, cores, _workers))),
        size=parse_size("--size", _given(given.size, "1000")),
        sizes=tuple(sorted(values("--sizes", given.sizes, ",".join(DEFAULT_SIZES), parse_size),
                           key=lambda size: (size[0] * size[1], size))),
        mem=parse_pixels("--mem", _given(given.mem, "33554432")),
        mem_per_worker=None if given.mem_per_worker is None
        else parse_pixels("--mem-per-worker", given.mem_per_worker),
        backends=values("--backend", given.backend, "cpu", _one_of(BACKENDS)),
        kernels=values("--kernel", given.kernel, "auto", _name),
        methods=values("--method", given.method, ",".join(METHODS), _one_of(METHODS)),
        scopes=values("--scope", given.scope, "end-to-end", _one_of(SCOPES)),
        dtypes=values("--dtype", given.dtype, "float64", _one_of(DTYPES)),
        iterations=parse_count("--iterations", _given(given.iterations, "10"), 1, _MOST_ITERATIONS),
        burns=parse_count("--burns", _given(given.burns, "2"), 0, _MOST_ITERATIONS),
        min_time=_seconds("--min-time", given.min_time),
        max_noise=_percent("--max-noise", given.max_noise),
        timeout=_seconds("--timeout", given.timeout),
        interleave=given.interleave,
        baseline=() if given.baseline is None
        else values("--baseline", given.baseline, "", _one_of(BASELINE_KERNELS)))
    _check(request)
    return request


def _given(text: Optional[str], default: str) -> str:
    return default if text is None else text


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


def _one_of(names: tuple[str, ...]) -> Callable[[str, str], str]:
    return lambda option, text: parse_choice(option, text, names)


def _workers(option: str, text: str) -> int:
    return parse_count(option, text, 1, _MOST_WORKERS)


def _name(option: str, text: str) -> str:
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
