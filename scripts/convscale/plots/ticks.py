# SPDX-License-Identifier: Apache-2.0
"""Ticks with plain numbers, and labels that do not lie on each other."""
from __future__ import annotations

import math
from typing import Sequence

_MOST = 7  # labels on an axis
Ticks = list[tuple[float, str]]


def plain(value: float) -> str:
    """0.001, 0.5, 20, 5000, 20 000, 3e+09: never 10^3."""
    if value != 0 and not 1e-5 <= abs(value) < 1e7:
        return f"{value:.0e}"
    text = f"{value:.6g}" if abs(value) < 10000 else f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.8f}".rstrip("0") if "e" in text else text


def log_ticks(low: float, high: float) -> Ticks:
    """1, 2, 5 in each decade if they are few, else decades, else every so many decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        values = [factor * 10.0**exponent for exponent in range(first, last + 1)
                  for factor in factors]
        inside = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= _MOST and (len(inside) >= 2 or factors == (1, 2, 5)):
            break
    if len(inside) < 2:
        return linear_ticks(low, high)
    every = math.ceil(len(inside) / _MOST)
    return [(value, plain(value)) for value in inside[::every]]


def linear_ticks(low: float, high: float) -> Ticks:
    """About five, at multiples of 1, 2, 2.5 or 5."""
    span = high - low or abs(high) or 1.0
    rough = span / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    values = [step * index for index in range(first, math.floor(high / step + 1e-9) + 1)]
    return [(value, plain(round(value, 12))) for value in values]


def thin(ticks: Sequence[tuple[float, str]], positions: Sequence[float],
         widths: Sequence[float], gap: float) -> Ticks:
    """The first, the last, and what there is room for between, in the order of the axis."""
    if not ticks:
        return []
    kept = [0]
    last = len(ticks) - 1

    def fits(a: int, b: int) -> bool:
        return positions[b] - positions[a] >= (widths[a] + widths[b]) / 2 + gap

    for index in range(1, last):
        if fits(kept[-1], index) and fits(index, last):
            kept.append(index)
    if last > 0 and fits(kept[-1], last):
        kept.append(last)
    return [ticks[index] for index in kept]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, at least `gap` apart and inside [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    groups: list[tuple[float, int]] = []  # (centre, members): each is packed around its centre
    for index in order:
        centre, members = wanted[index], 1
        while True:
            half = (members - 1) * gap / 2
            centre = max(min(centre, high - half), low + half)
            if not groups or groups[-1][0] + (groups[-1][1] - 1) * gap / 2 + gap <= centre - half:
                break
            other_centre, other = groups.pop()
            centre = (centre * members + other_centre * other) / (members + other)
            members += other
        groups.append((centre, members))
    places = [centre + (member - (members - 1) / 2) * gap
              for centre, members in groups for member in range(members)]
    result = [0.0] * len(wanted)
    for place, index in zip(places, order):
        result[index] = place
    return result
