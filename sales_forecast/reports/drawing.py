"""Lines over periods as a picture that stands in a page: SVG, without any script.

Takes names and numbers, gives text. Must not know what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

Points = Sequence[float]

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 40, 50, 26
_TICKS = 4
_STEPS = (1, 2, 2.5, 5, 10)
_LABELS = 6
_LOOKS = ('stroke="#1f5fa8" stroke-width="2"', 'stroke="#b3541e" stroke-width="1.5"')
_DASHED = 'stroke="#555" stroke-width="1.5" stroke-dasharray="5 4"'


def lines(
    title: str, labels: Sequence[str], of: Mapping[str, Points], shown: Callable[[float], str]
) -> str:
    """Draw up to three lines over the same places; the last of several is dashed.

    A NaN leaves a gap, and a single point is a dot. `shown` writes a number at the axis.
    """
    known = [value for values in of.values() for value in values if math.isfinite(value)]
    if not known:
        return f"<p>{escape(title)}: nothing is known yet.</p>"
    ticks = _ticks(min(known), max(known))
    low, high = ticks[0], ticks[-1]
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(place: int) -> float:
        return _LEFT + across * (place / (len(labels) - 1) if len(labels) > 1 else 0.5)

    def y(value: float) -> float:
        return _TOP + down * (high - value) / (high - low)

    parts = [_axis(tick, y, shown) for tick in ticks]
    every = max(math.ceil(len(labels) / _LABELS), 1)
    parts += [
        f'<text x="{x(place):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>'
        for place, label in enumerate(labels)
        if place % every == 0
    ]
    looks = _LOOKS[:1] if len(of) == 1 else (*_LOOKS[: len(of) - 1], _DASHED)
    for number, ((name, values), look) in enumerate(zip(of.items(), looks, strict=True)):
        spots = [(x(place), y(v)) if math.isfinite(v) else None for place, v in enumerate(values)]
        parts.append(_line(spots, look))
        parts.append(_legend(name, look, number))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text class="title" x="0" y="14">{escape(title)}</text>{"".join(parts)}</svg>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that enclose two others."""
    rough = (high - low) / _TICKS or abs(high) / _TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in _STEPS if power * size >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _axis(value: float, y: Callable[[float], float], shown: Callable[[float], str]) -> str:
    at = y(value)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(shown(value))}</text>'
    )


def _line(spots: Sequence[tuple[float, float] | None], look: str) -> str:
    drawn, run = "", list[tuple[float, float]]()
    for spot in [*spots, None]:
        if spot is not None:
            run.append(spot)
            continue
        if len(run) == 1:
            drawn += f'<circle cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3" {look} fill="none"/>'
        elif run:
            points = " ".join(f"{across:.1f},{down:.1f}" for across, down in run)
            drawn += f'<polyline points="{points}" {look} fill="none"/>'
        run = []
    return drawn


def _legend(name: str, look: str, number: int) -> str:
    left = _LEFT + 165 * number
    return (
        f'<line x1="{left}" x2="{left + 22}" y1="31" y2="31" {look}/>'
        f'<text x="{left + 28}" y="35">{escape(name)}</text>'
    )
