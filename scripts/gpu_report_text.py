# SPDX-License-Identifier: Apache-2.0
"""How gpu_report.py writes figures and tables."""
from typing import Any, Iterable, List, Optional

IMPOSSIBLE = 1.02  # a fraction of a bound above this is a wrong measurement


def seconds(value: Optional[float]) -> str:
    if value is None:
        return ""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if abs(value) < limit:
            return "{:.4g} {}".format(value * factor, unit)
    return "{:.4g} s".format(value)


def decimal(value: Optional[float], form: str = "{:.2f}") -> str:
    return "" if value is None else form.format(value)


def share(value: Optional[float]) -> str:
    """Of a bound; marked where it is more than the hardware can do."""
    return decimal(value) + ("!" if value is not None and value > IMPOSSIBLE else "")


def giga(value: Optional[float]) -> str:
    return "" if value is None else "{:.1f}".format(value * 1e-9)


def between(values: List[float]) -> str:
    least, most = "{:.0f}".format(min(values)), "{:.0f}".format(max(values))
    return least if least == most else "{} to {}".format(least, most)


def one_line(text: str, most: int = 0) -> str:
    text = " ".join(text.split())
    return text if not most or len(text) <= most else text[:most - 3] + "..."


def table(titles: str, rows: Iterable[Iterable[Any]]) -> List[str]:
    """Titles are separated by " | "; those that begin with ">" are of right-aligned columns."""
    names = titles.split(" | ")
    lines = ["| " + " | ".join(name.lstrip(">") for name in names) + " |",
             "|" + "|".join("--:" if name.startswith(">") else "---" for name in names) + "|"]
    for row in rows:
        cells = (one_line(str(cell)).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else ["(none)"]
