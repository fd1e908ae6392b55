# SPDX-License-Identifier: Apache-2.0
"""Made-up records for the tests of the model: what it says itself, times a factor."""
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Optional

from scaling_model import record

from convscale.model.network import Job, Machine, exchanged_bytes, local_s, scatter_s
from convscale.results import Record

LINK, MESSAGE, BARRIER, IMAGE = 2e9, 3e-5, 1e-5, 4e-4


def machine(**other: Any) -> Machine:
    return replace(Machine(4, IMAGE, LINK), **other)


def over(ranks: int, distribute: Optional[str], median: float, images: int = 64,
         **other: Any) -> dict[str, Any]:
    made = record(num_workers=4 * ranks, images=images, ranks=ranks, distribute=distribute,
                  size=(256, 256), **other)
    size = round(exchanged_bytes(Job(images, 256, 256), ranks)) if distribute == "scatter" else 0
    seconds = size / LINK + (ranks - 1) * MESSAGE
    return {**made, "median_s": median, "exchanged_bytes": size if ranks > 1 else None,
            "barrier_s": BARRIER * math.ceil(math.log2(ranks)) if ranks > 1 else None,
            "bound": {"network_bytes_per_s": size / seconds if size else None}}


def records(*raws: dict[str, Any]) -> list[Record]:
    return [Record(raw, "x.json", index) for index, raw in enumerate(raws)]


def modelled(ranks: int, distribute: Optional[str], factor: float = 1.0) -> dict[str, Any]:
    """A record as the model has it, times `factor`."""
    exact = machine(message_s=MESSAGE, barrier_s=BARRIER)
    job = Job(64, 256, 256)
    time = (scatter_s if distribute == "scatter" else local_s)(job, exact, ranks)
    return over(ranks, distribute, time * factor)


ALL = [modelled(1, None), *(modelled(ranks, how) for ranks in (2, 3, 8)
                            for how in ("scatter", "local"))]
