# SPDX-License-Identifier: Apache-2.0
"""Figures and names as all scripts print them."""
from __future__ import annotations

import math
import re
from typing import Optional, Sequence

from convscale.vocabulary import CREDIBLE

TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))  # seconds, and name

# Below tables in which one of fraction_text has it.
IMPOSSIBLE_NOTE = "!: more than the hardware can do; the measurement or its ceiling was disturbed"

_DIGITS = 4
_LONGEST_SAID = 200


def _decimals_of(value: float) -> int:
    """Those that show four significant digits."""
    return max(0, _DIGITS - 1 - math.floor(math.log10(value))) if value > 0 else 0


def _rounded(value: float) -> float:
    """To four significant digits or whole numbers, halves up, in the program's own operations."""
    scale = 10.0**_decimals_of(value)
    return math.floor(value * scale + 0.5) / scale


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit, as in TIME_UNITS, in which a time is at least 1 once it is rounded to four digits:
    0.99999 ms is 1.000 ms, not 1000 us. Nanoseconds for what is less."""
    return next(((scale, unit) for scale, unit in TIME_UNITS
                 if _rounded(seconds * round(1 / scale)) >= 1), TIME_UNITS[-1])


def time_text(seconds: float) -> str:
    """Four significant digits, at most three decimals, as the program: "11.17 ms"."""
    scale, unit = time_unit(seconds)
    value = seconds * round(1 / scale)
    if value > 0 and not 1e-3 <= value < 1e6:
        return f"{value:.{_DIGITS - 1}e} {unit}"
    value = _rounded(value)
    return f"{value:.{min(3, _decimals_of(value))}f} {unit}"


def is_impossible(fraction: Optional[float]) -> bool:
    """Whether this fraction of a bound is more than the hardware can do."""
    return fraction is not None and fraction > CREDIBLE


def fraction_text(fraction: Optional[float]) -> str:
    """Of the bound, as the program: "0.74", or "1.05!" where that is_impossible."""
    if fraction is None:
        return "-"
    return f"{fraction:.2f}" + ("!" if is_impossible(fraction) else "")


def escape_markdown(text: str) -> str:
    """Escaped, so that it means itself, on one line."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(text.split()))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """`texts` columns at the left hold text; the rest hold numbers."""
    rule = "|" + "|".join("---" if i < texts else "---:" for i in range(len(header))) + "|"
    return "\n".join([_markdown_row(header), rule, *map(_markdown_row, rows)])


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape_markdown, cells)) + " |"


def printable(text: str) -> str:
    """Without what would break a line, steer a terminal, or is no Unicode (part of the name of a
    file, perhaps)."""
    return "".join(char if char.isprintable() else "?" for char in text)


def last_error(output: str, tool: str) -> str:
    """The last line of what `tool` printed that begins with its name, as its errors do; "" where
    there is none. Warnings do not end it."""
    lines = [line for line in output.splitlines()
             if line.startswith(f"{tool}: ") and not line.startswith(f"{tool}: warning: ")]
    line = printable(lines[-1]) if lines else ""
    return line[:_LONGEST_SAID] + "..." if len(line) > _LONGEST_SAID else line
