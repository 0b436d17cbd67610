"""Pictures as SVG, made on the server: a small line, a waterfall, and what others are made of.

Takes numbers and words, gives text for a page; how lines look, in light, dark and on paper, the
style sheet says. Lines differ by dashes and marks as well as by colour. Every picture has a title
and, by whoever shows it, a table beside it. Must not know what is served.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from sales_forecast.web.rendering import gain, money

_ROOM = 0.04
_TICKS = 5
_FROM_ZERO = 0.4
"""Where the least is less than so much of the most, the axis begins at 0."""
_BAR = 34
"""From one bar to the next."""
_TOP = 8
Point = tuple[float, float | None]


@dataclass(frozen=True)
class Frame:
    """A plane to paint on, in units of its own that are scaled to the page."""

    width: float
    height: float
    left: float = 52.0
    right: float = 10.0
    top: float = 20.0
    bottom: float = 24.0

    @property
    def is_wide(self) -> bool:
        """Whether there is room for more words."""
        return self.width > 600  # noqa: PLR2004 - the narrowest screen of a desk


WIDE = Frame(1100, 360)
NARROW = Frame(360, 300)


@dataclass(frozen=True)
class Scale:
    """From values to places; `least` and `most` are ends of ticks."""

    least: float
    most: float
    start: float
    stop: float
    step: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        part = (value - self.least) / (self.most - self.least)
        return self.start + part * (self.stop - self.start)

    def ticks(self) -> Iterator[float]:
        """Yield the values at which a line helps the eye."""
        for number in range(round((self.most - self.least) / self.step) + 1):
            yield self.least + number * self.step


def spark(known: Sequence[float | None], ahead: Sequence[float | None], title: str) -> Markup:
    """Paint a small line: what was sold, then what is expected."""
    values = [value for value in (*known, *ahead) if value is not None]
    if not values:
        return Markup("")
    frame = Frame(120, 28, 2, 2, 3, 3)
    low, high = min(values), max(values)
    y = Scale(low, high if high > low else low + 1, frame.height - 3, 3, 1)
    apart = (frame.width - 4) / max(len(known) + len(ahead) - 1, 1)
    places = [2 + number * apart for number in range(len(known) + len(ahead))]
    joined = [*known[-1:], *ahead]
    painted = [
        line_of("sold", list(zip(places, known, strict=False)), y),
        line_of("expected", list(zip(places[max(len(known) - 1, 0) :], joined, strict=False)), y),
    ]
    return picture(painted, frame, title, None, "spark")


def waterfall(first: tuple[str, float], parts: Sequence[tuple[str, float]], last: str) -> Markup:
    """Paint how parts lead from a first amount to a last one, which is the sum of all."""
    bars = [(*first, 0.0, first[1])]
    at = first[1]
    for name, amount in parts:
        bars.append((name, amount, at, at + amount))
        at += amount
    bars.append((last, at, 0.0, at))
    frame = Frame(720, _TOP + _BAR * len(bars), left=190, right=100, top=_TOP, bottom=0)
    ends = [at for _, _, *both in bars[1:-1] for at in both] + [first[1], at]
    x = scale_of(ends, frame.left, frame.width - frame.right, from_zero=False)
    painted = []
    for number, (name, amount, low, high) in enumerate(bars):
        top, whole = frame.top + number * _BAR, number in {0, len(bars) - 1}
        kind = "whole" if whole else "more" if amount >= 0 else "less"
        start, stop = sorted((x.start if whole else x(low), x(high)))
        width = max(stop - start, 1.0)
        told = money(amount) if whole else gain(amount)
        painted += [
            f'<rect class="bar {kind}" {_box(start, top, width)}/>',
            text_of(name, frame.left - 8, top + 15, "end"),
            text_of(told, stop + 6, top + 15),
        ]
    title = f"From {first[0]} to {last}"
    return picture(painted, frame, title, "The table below has every part.", "waterfall")


def _box(x: float, y: float, width: float) -> str:
    return f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="22"'


def scale_of(
    values: Sequence[float], start: float, stop: float, *, from_zero: bool = True
) -> Scale:
    """Return a scale with round ends; it begins at 0 where that costs little room."""
    low, high = min(values), max(values)
    if from_zero and 0 <= low < _FROM_ZERO * high:
        low = 0.0
    room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
    if low != 0:
        low -= room
    high += room
    rough = (high - low) / _TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = size * min((of for of in (1, 2, 2.5, 5, 10) if of * size >= rough), default=10)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, start, stop, step)


def line_of(kind: str, points: Iterable[Point], y: Scale) -> str:
    """Paint a line, with a gap where nothing is known, and a dot where nothing is beside."""
    parts = []
    for known, group in groupby(points, lambda of: of[1] is not None):
        if known:
            places = [f"{at:.1f} {y(value):.1f}" for at, value in group if value is not None]
            parts.append(f"M{'L'.join(places)}" + ("h.1" if len(places) == 1 else ""))
    return f'<path class="line {kind}" d="{"".join(parts)}"/>' if parts else ""


def text_of(text: str, x: float, y: float, anchor: str = "start") -> str:
    """Paint a text."""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{placed}>{escape(text)}</text>'


def picture(
    painted: Iterable[str], frame: Frame, title: str, told: str | None, kind: str
) -> Markup:
    """Put a picture together."""
    described = f"<desc>{escape(told)}</desc>" if told else ""
    return Markup(  # noqa: S704 - every word in it is escaped where it is put in
        f'<svg class="{kind}" role="img" viewBox="0 0 {frame.width:g} {frame.height:g}"'
        f' aria-label="{escape(title)}"><title>{escape(title)}</title>{described}'
        f"{''.join(painted)}</svg>"
    )
