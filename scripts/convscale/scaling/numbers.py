# SPDX-License-Identifier: Apache-2.0
"""Figures as people read them."""
from __future__ import annotations

import math
from typing import Optional

from convscale import text
from convscale.results import Record


def digits(value: float, count: int = 4) -> str:
    """`count` significant digits, without an exponent and without digits that are made up."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    rounded = float(f"{value:.{count - 1}e}")  # first: 9.9999 has three decimals as 10.00 has two
    decimals = max(0, count - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:.{min(decimals, 12)}f}"


def time_text(seconds: Optional[float]) -> str:
    return "-" if seconds is None else text.time_text(seconds)


def ratio_text(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else digits(value, 3)


def percent_text(value: Optional[float]) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def count_text(value: float) -> str:
    """1234567 as "1 234 567" with thin gaps left out below 10000."""
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 10000 else f"{value:.0f}"


def rate_text(value: Optional[float]) -> str:
    return "-" if value is None else count_text(value) if value >= 1000 else digits(value)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def workload_text(record: Record) -> str:
    return f"{plural(record.images, 'image')} of {record.size}"
