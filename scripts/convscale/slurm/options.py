# SPDX-License-Identifier: Apache-2.0
"""The command line of experiments.py: what is measured (a Request), and how jobs are asked for."""
from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence, TypeVar

from convscale.cli import (Parser, UsageError, parse_choice, parse_count, parse_list, parse_pixels,
                           parse_size)
from convscale.scaling.numbers import plural
from convscale.slurm.job import LAUNCHERS, Site, check_folder, check_text, split_options
from convscale.vocabulary import BACKENDS, DISTRIBUTIONS, METHODS

T = TypeVar("T")

DEFAULT_PROGRAM = Path(__file__).resolve().parents[3] / "build/release/bin/convscale"
FILLS = ("random", "zeros", "integers")

_MOST_NODES, _MOST_WORKERS, _MOST_GPUS, _MOST_ITERATIONS = 100_000, 65536, 64, 10**6


@dataclass(frozen=True)
class Experiment:
    """One of the original's, or one like them: workers are those of all nodes together."""

    nodes: int
    num_workers: int
    mem: int  # pixels of all images together
    size: tuple[int, int]  # height, width

    @property
    def name(self) -> str:
        return f"{self.nodes}x{self.num_workers}"

    @property
    def images(self) -> int:
        return self.mem // (self.size[0] * self.size[1])


_MEM, _SIZE = 32 * 2**20, (1000, 1000)  # the original's defaults
ORIGINAL = {experiment.name: experiment for experiment in (
    Experiment(1, 4, _MEM, _SIZE), Experiment(2, 4, _MEM, _SIZE), Experiment(2, 32, _MEM, _SIZE),
    Experiment(4, 32, _MEM, _SIZE), Experiment(64, 896, 512 * 2**20, (256, 256)))}


@dataclass(frozen=True)
class Request:
    """What is measured. Two equal requests have the same jobs, whatever the cluster."""

    experiments: tuple[Experiment, ...]
    backend: str
    gpus_per_node: int  # 0 on CPU nodes
    methods: tuple[str, ...]
    distributes: tuple[str, ...]
    fill: str
    iterations: int
    burns: int
    with_baseline: bool
    given: tuple[tuple[str, str], ...]  # (option, value), which make this request again

    @property
    def ranks_per_node(self) -> int:
        return max(1, self.gpus_per_node)

    def idle_gpus(self) -> list[str]:
        """A line for each experiment with fewer workers than GPUs."""
        return [_idle_text(experiment, experiment.nodes * self.gpus_per_node)
                for experiment in self.experiments
                if experiment.num_workers < experiment.nodes * self.gpus_per_node]


@dataclass(frozen=True)
class Options:
    """The whole command line; `request` is None with --collect."""

    out: Path
    request: Optional[Request]
    site: Site
    program: Path
    dragon: Optional[str]
    given: Mapping[str, str]  # with --collect: options of a request that stand beside it
    wait: bool
    fresh: bool
    dry_run: bool


def parse_options(args: Sequence[str]) -> Options:
    """Raises UsageError for what is not right."""
    given = _parser().parse_args(list(args))
    for name in ("out", "program", "dragon"):
        if getattr(given, name) is not None:
            check_text(f"--{name}", getattr(given, name))
    out = Path(os.path.abspath(given.out))
    check_folder("--out", out)
    if given.collect:
        _refuse_beside_collect(given)
        said = dict(_given(given)[int(given.experiment is None):])
        return Options(out, None, Site(), DEFAULT_PROGRAM, None, said, False, False, False)
    site = Site(given.partition, given.account, _or(given.time, Site.time),
                tuple(given.sbatch_option or ()), _or(given.launcher, Site.launcher),
                _or(given.mpi, Site.mpi),
                split_options("--launcher-option", given.launcher_option or ()))
    site.check()
    if given.mpi is not None and site.launcher != "srun":
        raise UsageError(f"--mpi beside --launcher {site.launcher}: it is srun's; leave it out")
    request = _request(given)
    if given.dragon is not None and not given.with_baseline:
        raise UsageError("--dragon without --with-baseline: nothing would run under it; give both")
    dragon = None if given.dragon is None else os.path.abspath(given.dragon)
    return Options(out, request, site, Path(os.path.abspath(given.program or DEFAULT_PROGRAM)),
                   dragon, {}, given.wait, given.fresh, given.dry_run)


def _idle_text(experiment: Experiment, gpus: int) -> str:
    idle = gpus - experiment.num_workers
    text = (f"{experiment.name}: {plural(experiment.num_workers, 'worker')} for {gpus} ranks: "
            f"{plural(idle, 'GPU')} would have nothing to do")
    if gpus > _MOST_WORKERS:
        return text
    them = "it" if idle == 1 else "them"
    return f"{text}; --experiment {experiment.nodes}x{gpus} would use {them}"


def request_of(given: Sequence[tuple[str, str]]) -> Request:
    """The request that these options make. Raises UsageError where they make none."""
    arguments = [option if value == "" else f"{option}={value}" for option, value in given]
    request = parse_options(["--out=.", *arguments]).request
    assert request is not None
    if request.given != tuple(given):
        raise UsageError("options that make another request")
    return request


def _parser() -> argparse.ArgumentParser:
    parser = Parser("experiments.py", "Runs the original's five experiments as Slurm jobs: makes a "
                    "job script for each, submits them, and collects what they measured into one "
                    "table and one results file. Started again with the same options, it submits "
                    "what is missing.",
                    "experiments.py --out runs --partition batch --account physics --wait")
    add = parser.add_argument
    add("--out", metavar="DIR", required=True, help="folder of the scripts and results; all nodes "
        "must see it")
    add("--experiment", metavar="LIST", help="NODESxWORKERS, the workers being those of all nodes "
        f"together ({','.join(ORIGINAL)})")
    add("--program", metavar="PATH", help="the built convscale (build/release/bin/convscale)")
    add("--backend", choices=BACKENDS, help="cpu, or cuda with a rank for each GPU (cpu)")
    add("--gpus-per-node", metavar="N", help="with --backend cuda (1)")
    add("--method", metavar="LIST", help="of full,strided (both)")
    add("--distribute", metavar="LIST", help="of scatter,local (both)")
    add("--mem", metavar="PIXELS", help="of all images together (each experiment's own)")
    add("--size", metavar="SIZE", help="of an image, SIDE or HxW (each experiment's own)")
    add("--fill", choices=FILLS, help="what the images hold (random; the original's hold zeros)")
    add("--iterations", metavar="N", help="measured iterations (10)")
    add("--burns", metavar="N", help="iterations before those (2)")
    add("--with-baseline", action="store_true", help="then the original's way in the same job: "
        "SciPy under Dragon, on one node also with Python's own processes")
    add("--dragon", metavar="PATH", help="Dragon's launcher or its environment")
    add("--partition", "-p", metavar="NAME", help="for sbatch")
    add("--account", "-A", metavar="NAME", help="for sbatch")
    add("--time", "-t", metavar="LIMIT", help=f"of each job, as sbatch takes it ({Site.time})")
    add("--sbatch-option", metavar="OPTION", action="append", help="one more option for sbatch, "
        "such as --sbatch-option=--constraint=haswell; may be given several times")
    add("--launcher", choices=LAUNCHERS, help="what starts the ranks in a job: srun, or Open MPI's "
        "mpirun where Slurm and MPI do not know each other (srun)")
    add("--mpi", metavar="NAME", help="of srun (pmix)")
    add("--launcher-option", metavar="OPTIONS", action="append", help="more options of srun or "
        "mpirun, such as --launcher-option='--mca btl_tcp_if_include eth1'; may be given several "
        "times")
    add("--wait", action="store_true", help="wait for the jobs, and collect")
    add("--fresh", action="store_true", help="delete the experiments that are in the folder, and "
        "start")
    add("--collect", action="store_true", help="submit nothing; collect what came back")
    add("--dry-run", action="store_true", help="print the job scripts and the commands that submit "
        "them, and do nothing")
    return parser


def _refuse_beside_collect(given: argparse.Namespace) -> None:
    """The options of what was submitted may stand there."""
    for name in ("wait", "fresh", "dry_run"):
        if getattr(given, name):
            raise UsageError(f"--{name.replace('_', '-')} beside --collect: it collects what was "
                             "submitted; leave one of them out")


def _request(given: argparse.Namespace) -> Request:
    backend = _or(given.backend, "cpu")
    if backend != "cuda" and given.gpus_per_node is not None:
        raise UsageError("--gpus-per-node without --backend cuda: no rank would use them; give "
                         "both, or --sbatch-option=--gpus-per-node=N")
    methods = _values("--method", _or(given.method, ",".join(METHODS)), _one_of(METHODS))
    if given.with_baseline and "full" not in methods:
        raise UsageError("--with-baseline beside --method strided: the baseline computes the full "
                         "convolution; --method full,strided would do")
    size = None if given.size is None else parse_size("--size", given.size)
    mem = None if given.mem is None else parse_pixels("--mem", given.mem)
    return Request(
        experiments=_experiments(_or(given.experiment, ",".join(ORIGINAL)), mem, size),
        backend=backend, methods=methods,
        gpus_per_node=0 if backend != "cuda" else
        parse_count("--gpus-per-node", _or(given.gpus_per_node, "1"), 1, _MOST_GPUS),
        distributes=_values("--distribute", _or(given.distribute, ",".join(DISTRIBUTIONS)),
                            _one_of(DISTRIBUTIONS)),
        fill=_or(given.fill, "random"),
        iterations=parse_count("--iterations", _or(given.iterations, "10"), 1, _MOST_ITERATIONS),
        burns=parse_count("--burns", _or(given.burns, "2"), 0, _MOST_ITERATIONS),
        with_baseline=given.with_baseline, given=_given(given))


def _given(given: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Those of a request, the list of experiments first."""
    found = [("--experiment", _or(given.experiment, ",".join(ORIGINAL)))]
    for name in ("backend", "gpus_per_node", "method", "distribute", "mem", "size", "fill",
                 "iterations", "burns"):
        if getattr(given, name) is not None:
            found.append((f"--{name.replace('_', '-')}", getattr(given, name)))
    return (*found, ("--with-baseline", "")) if given.with_baseline else tuple(found)


def _experiments(text: str, mem: Optional[int],
                 size: Optional[tuple[int, int]]) -> tuple[Experiment, ...]:
    def one(option: str, name: str) -> Experiment:
        match = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", name)
        if match is None or int(match[1]) > _MOST_NODES or int(match[2]) > _MOST_WORKERS:
            raise UsageError(f"{option} {name}: expected NODESxWORKERS, such as 2x32: up to "
                             f"{_MOST_NODES} nodes, and up to {_MOST_WORKERS} workers on all of "
                             "them together")
        known = ORIGINAL.get(name)
        made = Experiment(int(match[1]), int(match[2]), mem or (known.mem if known else _MEM),
                          size or (known.size if known else _SIZE))
        if made.images < 1:
            height, width = made.size
            raise UsageError(f"--mem {made.mem}: holds no image of {height}x{width}, for "
                             f"experiment {name}; --mem {height * width} would hold one")
        return made
    return _values("--experiment", text, one)


def _values(option: str, text: str, parse: Callable[[str, str], T]) -> tuple[T, ...]:
    parsed = [parse(option, element) for element in parse_list(option, text)]
    if len(set(parsed)) != len(parsed):
        raise UsageError(f"{option} {text}: has an element twice; leave one out")
    return tuple(parsed)


def _one_of(names: tuple[str, ...]) -> Callable[[str, str], str]:
    return lambda option, text: parse_choice(option, text, names)


def _or(text: Optional[str], default: str) -> str:
    return default if text is None else text
