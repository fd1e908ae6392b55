# SPDX-License-Identifier: Apache-2.0
"""From a request to the steps that answer it. Pure: the same request makes the same steps.

A step is one invocation of the program or of the baseline, with lists as far as lists carry it.
What one study needs and another has measured is taken from there, unless rows are in turn in one of
them and alone in the other: such times are not alike.
A step over nodes says how many nodes and ranks the launcher shall give it.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, NamedTuple

from convscale.cli import UsageError
from convscale.scaling.options import MOST_PIXELS, Request
from convscale.vocabulary import MOST_ROWS

PROGRAM, BASELINE = "program", "baseline"
_MOST_ROWS_AT_ALL = 100_000  # of a call of the program, whatever it is told


class Cell(NamedTuple):
    """What a study asks of each of its kernels: a size, a number of images, and of workers."""

    size: tuple[int, int]
    images: int
    num_workers: int


@dataclass(frozen=True)
class Step:
    """One invocation. `args` leave out where the results go."""

    name: str
    tool: str  # PROGRAM or BASELINE
    args: tuple[str, ...]
    rows: int = 1  # records that it makes
    nodes: int = 0  # 0: one process, where we are
    ranks: int = 1


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def cells_of(request: Request, mode: str) -> list[Cell]:
    """The cells of a study, whether it was asked for or not."""
    most = request.num_workers[-1]
    pixels = request.size[0] * request.size[1]
    if mode == "strong":
        return [Cell(request.size, request.mem // pixels, workers)
                for workers in request.num_workers]
    if mode == "weak":
        share = request.mem // most if request.mem_per_worker is None else request.mem_per_worker
        images = max(1, share // pixels)
        return [Cell(request.size, images * workers, workers) for workers in request.num_workers]
    return [Cell(size, request.mem // (size[0] * size[1]), most) for size in request.sizes]


def make_steps(request: Request) -> list[Step]:
    """The steps of a request, in the order in which they run."""
    steps: list[Step] = []
    for method in request.methods:
        for dtype in request.dtypes:
            steps.extend(_program_steps(request, method, dtype))
    if request.baseline:
        for dtype in request.dtypes:
            steps.extend(_baseline_steps(request, dtype))
    return steps


def check_plan(request: Request, yes: bool) -> None:
    """Raises UsageError for what steps would refuse, one after the other."""
    for cell in (cell for mode in request.modes for cell in cells_of(request, mode)):
        if cell.images * cell.size[0] * cell.size[1] > MOST_PIXELS:
            raise UsageError(f"{cell.images} images of {size_text(cell.size)} for "
                             f"{cell.num_workers} workers are more than 2^48 pixels; fewer would "
                             "do")
    for step in make_steps(request):
        if step.rows > _MOST_ROWS_AT_ALL:
            raise UsageError(f"the lists make {step.rows} rows in step {step.name}, and at most "
                             f"{_MOST_ROWS_AT_ALL} can be; shorter lists would do")
        if step.rows > MOST_ROWS and not yes:
            raise UsageError(f"the lists make {step.rows} rows in step {step.name}; --yes runs "
                             "them all")


def _batches(request: Request, mode: str) -> list[list[Cell]]:
    """The cells of a study that a list carries: they differ by their workers only, or by their size
    only. Cells on different nodes are launched one by one."""
    cells = cells_of(request, mode)
    alone = mode == "weak" or (mode == "strong" and request.nodes)
    return [[cell] for cell in cells] if alone else [cells]


def is_in_turn(request: Request, mode: str) -> bool:
    """Whether the program measures the rows of a study in turn: there must be several in a step."""
    return request.interleave and _is_list(request, _batches(request, mode)[0])


def _groups(request: Request, tool: str) -> Iterator[tuple[str, list[Cell]]]:
    """(name, cells) of each step."""
    seen: set[tuple[Cell, bool]] = set()
    for mode in ("strong", "throughput", "weak"):
        in_turn = tool == PROGRAM and is_in_turn(request, mode)
        for batch in _batches(request, mode) if mode in request.modes else ():
            cells = [cell for cell in batch if (cell, in_turn) not in seen]
            if cells and in_turn and not _is_list(request, cells):
                cells = batch  # by itself it would not be in turn
            seen.update((cell, in_turn) for cell in cells)
            if cells:
                yield _group_name(request, mode, cells[0]), cells


def _group_name(request: Request, mode: str, cell: Cell) -> str:
    if request.nodes:
        return f"{mode}-n{request.nodes_of(cell.num_workers)}"
    return f"weak-w{cell.num_workers}" if mode == "weak" else mode


def _mem(request: Request, cells: list[Cell]) -> str:
    """Pixels for all cells of a group; a single cell gets exactly its images."""
    if len(cells) > 1:
        return str(request.mem)
    (size, images, _), = cells
    return str(images * size[0] * size[1])


def _program_steps(request: Request, method: str, dtype: str) -> Iterator[Step]:
    for name, cells in _groups(request, PROGRAM):
        rows = _rows(request, cells)
        args = ["--backend", ",".join(request.backends), "--kernel", ",".join(request.kernels),
                "--method", method, "--scope", ",".join(request.scopes), "--dtype", dtype,
                "--num_workers", _joined(str(cell.num_workers) for cell in cells),
                "--size", _joined(size_text(cell.size) for cell in cells),
                "--mem", _mem(request, cells),
                "--iterations", str(request.iterations), "--burns", str(request.burns)]
        for option, value in (("--min-time", request.min_time), ("--max-noise", request.max_noise),
                              ("--timeout", request.timeout)):
            args += [option, value] if value is not None else []
        args += ["--interleave"] if request.interleave and rows > 1 else []
        args += ["--yes"] if rows > MOST_ROWS else []
        workers = cells[0].num_workers
        nodes, ranks = request.nodes_of(workers), request.ranks_of(workers)
        if ranks == 1:
            yield Step(f"{name}-{method}-{dtype}", PROGRAM, tuple(args), rows, nodes)
        for distribute in request.distribute if ranks > 1 else ():
            yield Step(f"{name}-{distribute}-{method}-{dtype}", PROGRAM,
                       (*args, "--distribute", distribute), rows, nodes, ranks)


def _rows(request: Request, cells: list[Cell]) -> int:
    return len(cells) * len(request.backends) * len(request.kernels) * len(request.scopes)


def _is_list(request: Request, cells: list[Cell]) -> bool:
    return _rows(request, cells) > 1


def _baseline_steps(request: Request, dtype: str) -> Iterator[Step]:
    for name, cells in _groups(request, BASELINE):
        # The baseline takes one size at a time.
        # Without a pool there is one worker: it belongs where one was asked for.
        kernels = [kernel for kernel in request.baseline if kernel != "scipy-serial"
                   or any(cell.num_workers == 1 for cell in cells)]
        # A step for each size: small images take this one long.
        groups = [[cell] for cell in cells] if name == "throughput" else [cells]
        for group in groups if kernels else ():
            size = size_text(group[0].size)
            label = f"{name}-{size}" if name == "throughput" else name
            args = ["--kernel", ",".join(kernels), "--dtype", dtype,
                    "--num_workers", _joined(str(cell.num_workers) for cell in group),
                    "--size", size, "--mem", _mem(request, group),
                    "--iterations", str(request.iterations), "--burns", str(request.burns)]
            rows = len(group) * len(kernels)
            args += ["--yes"] if rows > MOST_ROWS else []
            yield Step(f"{label}-baseline-{dtype}", BASELINE, tuple(args), rows)


def _joined(values: Iterable[str]) -> str:
    """Each value once, between commas."""
    return ",".join(dict.fromkeys(values))
