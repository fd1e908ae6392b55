# SPDX-License-Identifier: Apache-2.0
"""What a plot shows, before it is drawn: plain data, so that tests need not look at pictures."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence

from convscale.plots.style import Style


@dataclass(frozen=True)
class Line:
    """Points of a series, or a guide; the label stands at its end."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: Style
    spread: Optional[Sequence[tuple[float, float]]] = None  # (low, high) of each point
    steps: bool = False  # between points the value is that of the left one


@dataclass(frozen=True)
class Point:
    """One labelled point of a plot without lines."""

    label: str
    x: float
    y: float
    style: Style
    hollow: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line with a text."""

    x: float
    text: str


@dataclass(frozen=True)
class Axis:
    """`ticks` None: chosen from the values."""

    label: str
    log: bool
    ticks: Optional[Sequence[tuple[float, str]]] = None
    from_zero: bool = False
    at_least: Optional[float] = None  # a value that must be inside


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    y: Axis
    lines: Sequence[Line] = ()
    points: Sequence[Point] = ()
    marks: Sequence[Mark] = ()
    height: float = 250


@dataclass(frozen=True)
class Chart:
    """One plot: a title that says what is seen, and panels that share the horizontal axis."""

    name: str  # of its file, without .svg
    title: str
    caption: str
    x: Axis
    panels: Sequence[Panel] = field(default_factory=tuple)


@dataclass(frozen=True)
class Cell:
    """One value of a grid."""

    value: Optional[float]  # its colour, from 0 to 1; None has none, as a figure that is wrong
    text: str
    is_marked: bool = False


@dataclass(frozen=True)
class Grid:
    """Cells by (row, column), both counted from 0 at the upper left; those not there are blank."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[int, int], Cell]


@dataclass(frozen=True)
class HeatMap:
    """Grids beside and below each other, which share a scale of colours."""

    name: str  # of its file, without .svg
    title: str
    caption: str  # small lines below the title
    grids: Sequence[Sequence[Grid]]  # by row
    row_label: str
    column_label: str
    value_label: str
    mark_label: str  # what a marked cell means; empty: none is
    notes: Sequence[str] = ()
