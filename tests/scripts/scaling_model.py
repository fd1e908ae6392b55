# SPDX-License-Identifier: Apache-2.0
"""Made-up records and sweeps for the tests of scaling.py and its plots.

Every figure is MADE UP and says nothing about any hardware.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from convscale.results import Document, Record
from convscale.scaling.collect import Sweep, merge
from convscale.scaling.options import Request, parse_options
from convscale.scaling.plan import PROGRAM, Step

READ, PEAK = 3e10, 2e11


def request(*options: str) -> Request:
    return parse_options(["--out", "x", *options]).request


def record(backend: str = "cpu", kernel: str = "avx512", method: str = "full",
           size: tuple[int, int] = (1000, 1000), images: int = 33, num_workers: int = 4,
           per_image_s: float = 1e-3, **other: Any) -> dict[str, Any]:
    """An iteration of `per_image_s` for each image that the busiest worker has."""
    median = per_image_s * -(-images // num_workers)
    times = [median * factor for factor in (0.95, 1.0, 1.02, 0.99, 1.2)]
    pixels = images * size[0] * size[1]
    flops = pixels * (32 if method == "full" else 1.28)
    least = pixels * (8.3 if method == "full" else 6.7)
    bound: Optional[dict[str, Any]] = None
    if backend != "python":
        read = READ * min(num_workers, 8) * (20 if backend == "cuda" else 1)
        peak = PEAK * num_workers * (20 if backend == "cuda" else 1)
        time = max(least / read, flops / peak)
        bound = {"limit": "memory", "time_s": time, "fraction": time / median, "bytes": int(least),
                 "flops": int(flops), "read_bytes_per_s": read, "peak_flops_per_s": peak}
    return {"status": "ok", "reason": None, "warnings": [], "backend": backend, "kernel": kernel,
            "method": method, "scope": "end-to-end", "dtype": "float64", "height": size[0],
            "width": size[1], "images": images, "filter_size": 4, "stride": 5, "fill": "random",
            "seed": 0, "num_workers": num_workers, "times_s": times, "median_s": median,
            "cv": 0.08, "bound": bound, "work_time": None, "interleaved": False, **other}


def over(ranks: int, distribute: Optional[str] = "local", per_node: int = 1,
         **other: Any) -> dict[str, Any]:
    """A record of so many ranks, the last of which is the slowest, by half; one rank has neither a
    distribution nor figures of ranks."""
    made = record(num_workers=other.pop("num_workers", 2 * ranks), **other)
    if ranks == 1:
        nobody = dict.fromkeys(("rank", "host", "run_s"))  # as the program writes it
        return {**made, "ranks": 1, "distribute": None, "per_rank": None, "fastest_rank": nobody,
                "slowest_rank": nobody}
    run_s = [made["median_s"] * (0.9 if rank == ranks - 1 else 0.6) for rank in range(ranks)]
    per_rank = [{"rank": rank, "host": f"h{rank // per_node + 1}", "num_workers": 2, "images": 4,
                 "cpus": None, "device": None, "kernel": made["kernel"], "busy_s": run_s[rank] / 2,
                 "run_s": run_s[rank]} for rank in range(ranks)]
    ends = [{name: per_rank[rank][name] for name in ("rank", "host", "run_s")}
            for rank in (0, ranks - 1)]
    wire = int(8.32e6 * made["images"] * (ranks - 1) / ranks) if distribute == "scatter" else 0
    return {**made, "ranks": ranks, "distribute": distribute, "per_rank": per_rank,
            "fastest_rank": ends[0], "slowest_rank": ends[1], "exchanged_bytes": wire,
            "wire_bytes": wire, "communication_share": 0.8 if distribute == "scatter" else 0.05,
            "barrier_s": 2e-5 * (ranks - 1).bit_length(),
            "bound": {**(made["bound"] or {}),
                      "network_bytes_per_s": 1e9 if distribute == "scatter" else None}}


def skipped(reason: str, **other: Any) -> dict[str, Any]:
    raw = record(**other)
    raw.update(status="skipped", reason=reason, times_s=[], median_s=None, bound=None)
    return raw


def break_even(images_from: Optional[int] = 17, **other: Any) -> dict[str, Any]:
    def side(kernel: str, fixed: float, slope: float) -> dict[str, Any]:
        return {"kernel": kernel, "num_workers": 4, "fixed_s": fixed, "per_image_s": slope,
                "points": [{"images": images, "median_s": fixed + slope * images}
                           for images in (8, 16, 33)]}
    return {"method": "full", "dtype": "float64", "height": 1000, "width": 1000, "images": 33,
            "filter_size": 4, "stride": 5, "cpu": side("avx512", 1e-4, 3e-4),
            "cuda": side("tiled", 4e-3, 7e-5), "images_from": images_from, "images_reason": None,
            "upload_s": 1e-3, "resident_s": 1e-4, "cpu_s": 1e-2, "passes": 2,
            "passes_reason": None, **other}


def document(records: list[dict[str, Any]], argv: Optional[list[str]] = None,
             host: str = "made-up-host", **other: Any) -> dict[str, Any]:
    return {"schema_version": "1",
            "program": {"name": "convscale", "version": "9.9.9", "git": "abc",
                        "argv": ["convscale", *(argv or [])]},
            "started_at": "2030-01-02T03:04:05Z", "interrupted": False,
            "build": {"type": "Release", "compiler": "made-up 1.0"},
            "host": {"name": host, "os": "made-up OS", "cpu": "made-up processor", "cores": 4,
                     "threads": 4, "affinity": "0-3"},
            "devices": [], "ranks": 1, "records": records, "break_even": [], "wall_s": 1.5,
            **other}


def sweep(asked: Request, raw: dict[str, Any]) -> Sweep:
    """A sweep of one step that wrote `raw`."""
    step = Step("made-up", PROGRAM, ())
    merged = merge(asked, [(step, Document(raw, "", [Record(r, "", i) for i, r
                                                      in enumerate(raw["records"])]))])
    return Sweep(asked, merged, [Record(r, "", i) for i, r in enumerate(merged["records"])], [],
                 [raw["host"]["name"]], [0])
