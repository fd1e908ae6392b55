# SPDX-License-Identifier: Apache-2.0
"""Colours and sizes of all plots, and of the page around them.

Each colour has a light and a dark form. The series' are Okabe and Ito's, which the colour-blind can
tell apart, made darker or lighter until text in them has a contrast of 4.5 with its background.
"""
from __future__ import annotations

from typing import NamedTuple

WIDTH = 520  # of a plot; lengths are CSS pixels at their natural size
FONT_SIZE = 14.0
SMALL = 13.0
TITLE_SIZE = 16.0
LINE_GAP = 17.0  # between labels, one above the other
FONT_FAMILY = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"


class Colour(NamedTuple):
    """One colour in both schemes."""

    name: str
    light: str
    dark: str


BACKGROUND = Colour("bg", "#ffffff", "#14171b")
INK = Colour("ink", "#1b1f24", "#e9ecef")
MUTED = Colour("muted", "#596069", "#a3acb6")
GRID = Colour("grid", "#e3e6ea", "#2b3138")
SERIES = (
    Colour("blue", "#0062a3", "#5cb4f0"),
    Colour("vermilion", "#b54708", "#ff9457"),
    Colour("green", "#00734f", "#2fc796"),
    Colour("purple", "#9a3b78", "#e695c6"),
    Colour("olive", "#776000", "#e3bf2e"),
    Colour("sky", "#0b7285", "#6fdcec"),
    Colour("grey", "#4c5661", "#c3cad2"),
)
COLOURS = (BACKGROUND, INK, MUTED, GRID, *SERIES)

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.5))


class Style(NamedTuple):
    """How a series looks, on all plots of a page."""

    colour: Colour
    marker: str = ""
    dashes: tuple[float, ...] = ()  # lengths drawn and left out; empty: solid
    width: float = 2.0


GUIDE = Style(MUTED, "", (4, 3), 1.2)
BOUND = Style(INK, "", (1.5, 2), 1.6)


def series_style(index: int) -> Style:
    """Different for the first 147 series: colours first, then markers and dashes."""
    turn = index // len(SERIES)
    return Style(SERIES[index % len(SERIES)], _MARKERS[(index + turn) % len(_MARKERS)],
                 _DASHES[turn % len(_DASHES)])


def stylesheet() -> str:
    """The classes that plots use: f-NAME fills and s-NAME strokes with a colour."""
    def rules(form: str) -> str:
        return "".join(f".f-{colour.name}{{fill:{getattr(colour, form)}}}"
                       f".s-{colour.name}{{stroke:{getattr(colour, form)}}}" for colour in COLOURS)
    return f"{rules('light')}@media screen and (prefers-color-scheme:dark){{{rules('dark')}}}"
