# SPDX-License-Identifier: Apache-2.0
"""What all drawings begin with: a figure in pixels, its title, and texts that fit."""
from __future__ import annotations

import contextlib
import io
import math
import textwrap
from typing import Any, Iterator, Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from convscale.plots.style import FONT_SIZE, INK, TITLE_SIZE

MARGIN = 12.0  # around a drawing
_DPI = 72  # then a point is a pixel
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "convscale", "text.parse_math": False,
             "font.family": "DejaVu Sans", "font.size": FONT_SIZE, "path.simplify": False,
             "axes.unicode_minus": False, "text.usetex": False}
_TITLE_GAP = TITLE_SIZE + 5


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """matplotlib's own for the body, whatever the user's are, with what ours needs."""
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_SETTINGS}):
        yield


def new_figure(width: float, height: float) -> Any:
    """Without a background, which `svg.Svg` has."""
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    figure.patch.set_visible(False)
    return figure


def head_height(title: Sequence[str]) -> float:
    """From the upper edge to below the lines of the title."""
    return MARGIN + len(title) * _TITLE_GAP + 6


def draw_title(figure: Any, height: float, title: Sequence[str]) -> None:
    for index, line in enumerate(title):
        draw_text(figure, MARGIN, height - MARGIN - TITLE_SIZE - index * _TITLE_GAP, line,
                  INK.light, TITLE_SIZE, weight="bold")


def draw_text(figure: Any, x: float, y: float, text: str, colour: str, size: float,
              **keywords: Any) -> None:
    """At (x, y) pixels from the lower left corner."""
    width, height = figure.get_figwidth() * _DPI, figure.get_figheight() * _DPI
    figure.text(x / width, y / height, text, color=colour, fontsize=size, **keywords)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """In the widest of the usual fonts, so that what fits here fits elsewhere."""
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def shorten(text: str, size: float, room: float) -> str:
    """In the middle: names that are alike differ at their ends."""
    short, kept = text, len(text)
    while kept and text_width(short, size) > room:
        kept -= 1
        short = text[:kept // 2] + "…" + text[len(text) - (kept - kept // 2):]
    return short


def wrap(text: str, size: float, room: float, bold: bool = False) -> list[str]:
    """Lines that fit, broken between words where that can be."""
    columns = max(10, math.floor(len(text) * room / max(text_width(text, size, bold), 1.0)))
    while columns > 10:
        lines = textwrap.wrap(text, columns)
        if all(text_width(line, size, bold) <= room for line in lines):
            return lines
        columns -= 1
    return textwrap.wrap(text, columns)


def svg_of(figure: Any) -> str:
    """What matplotlib makes of it; `svg.finish` makes ours of that."""
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)  # Debian 13 has types for a part of it
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
