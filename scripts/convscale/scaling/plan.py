# SPDX-License-Identifier: Apache-2.0
"""From a request to the steps that answer it. Pure: the same request makes the same steps.

A step is one invocation of the program or of the baseline, with lists as far as lists carry it. No
configuration is measured twice: what one study needs and another has measured is taken from there.
Another axis (nodes) would be another field of Step that the launcher reads.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, NamedTuple

from convscale.scaling.options import Request

PROGRAM, BASELINE = "program", "baseline"


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


def _groups(request: Request) -> Iterator[tuple[str, list[Cell]]]:
    """(name, cells) of each step: cells of one group differ by their workers only, or by their
    size only, so that a list carries them."""
    seen: set[Cell] = set()

    def new(cells: Iterable[Cell]) -> list[Cell]:
        fresh = [cell for cell in cells if cell not in seen]
        seen.update(fresh)
        return fresh

    if "strong" in request.modes:
        yield "strong", new(cells_of(request, "strong"))
    if "throughput" in request.modes:
        cells = new(cells_of(request, "throughput"))
        if cells:
            yield "throughput", cells
    if "weak" in request.modes:
        for cell in new(cells_of(request, "weak")):
            yield f"weak-w{cell.num_workers}", [cell]


def _mem(request: Request, cells: list[Cell]) -> str:
    """Pixels for all cells of a group; a single cell gets exactly its images."""
    if len(cells) > 1:
        return str(request.mem)
    (size, images, _), = cells
    return str(images * size[0] * size[1])


def _program_steps(request: Request, method: str, dtype: str) -> Iterator[Step]:
    for name, cells in _groups(request):
        args = ["--backend", ",".join(request.backends), "--kernel", ",".join(request.kernels),
                "--method", method, "--scope", ",".join(request.scopes), "--dtype", dtype,
                "--num_workers", _joined(str(cell.num_workers) for cell in cells),
                "--size", _joined(size_text(cell.size) for cell in cells),
                "--mem", _mem(request, cells),
                "--iterations", str(request.iterations), "--burns", str(request.burns)]
        for option, value in (("--min-time", request.min_time), ("--max-noise", request.max_noise),
                              ("--timeout", request.timeout)):
            args += [option, value] if value is not None else []
        args += ["--interleave"] if request.interleave and _is_list(request, cells) else []
        yield Step(f"{name}-{method}-{dtype}", PROGRAM, tuple(args))


def _is_list(request: Request, cells: list[Cell]) -> bool:
    return len(cells) * len(request.backends) * len(request.kernels) * len(request.scopes) > 1


def _baseline_steps(request: Request, dtype: str) -> Iterator[Step]:
    for name, cells in _groups(request):
        # The baseline takes one size at a time.
        # Without a pool there is one worker: it belongs where one was asked for.
        kernels = [kernel for kernel in request.baseline if kernel != "scipy-serial"
                   or any(cell.num_workers == 1 for cell in cells)]
        # A step for each size: small images take this one long.
        groups = [[cell] for cell in cells] if name == "throughput" else [cells]
        for group in groups if kernels else ():
            size = size_text(group[0].size)
            label = f"{name}-{size}" if name == "throughput" else name
            yield Step(f"{label}-baseline-{dtype}", BASELINE, (
                "--kernel", ",".join(kernels), "--dtype", dtype,
                "--num_workers", _joined(str(cell.num_workers) for cell in group),
                "--size", size, "--mem", _mem(request, group),
                "--iterations", str(request.iterations), "--burns", str(request.burns)))


def _joined(values: Iterable[str]) -> str:
    """Each value once, between commas."""
    return ",".join(dict.fromkeys(values))
